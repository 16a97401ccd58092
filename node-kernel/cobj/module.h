// What the author of a module includes: the record that says which class and versions the module is
// about, and what its entry function gives the kernel. An example: tests/modules/probe_v2.cc; how
// modules are written and built: README.md, "Modules".
#pragma once

#include <cstddef>

#include "abi/module.h"
#include "cobj/upgradable.h"

namespace k42::cobj {

// Filled in by the module's entry. The transformers are the new version's Import (forward: it takes
// the old version's form of state) and its Export (reverse: it gives that form), see transfer.h.
struct ModuleOffer {
  RootMaker maker = nullptr;
  // Run before anything is disturbed, on objects of its own; not kOk: the module is refused.
  Status (*self_test)(Allocator& allocator) = nullptr;
};

// The content of the module's section .k42.module:
//   [[gnu::section(".k42.module"), gnu::used]] constinit abi::ModuleRecord record =
//       cobj::ModuleFor("Probe", 1, 2, Entry);
// The build writes the kernel's build id into it.
template <std::size_t size>
consteval abi::ModuleRecord ModuleFor(const char (&class_name)[size], std::uint32_t from,
                                      std::uint32_t to, Status (*entry)(ModuleOffer&)) {
  abi::ModuleRecord record{};
  static_assert(size <= sizeof record.class_name);
  record.magic = abi::kModuleMagic;
  record.from_version = from;
  record.to_version = to;
  for (std::size_t i = 0; i < size; ++i) record.class_name[i] = class_name[i];
  record.entry = entry;
  return record;
}

}  // namespace k42::cobj
