// What a module's file says of itself, read by the host before anybody trusts it: the record of
// node-kernel/abi/module.h. The kernel looks again, and at much more (cobj/module_image.h).
#pragma once

#include <cstdint>
#include <string>

#include "cluster-services/support/outcome.h"

namespace k42::upgrade {

struct ModuleInfo {
  std::string class_name;
  std::uint32_t from_version = 0;
  std::uint32_t to_version = 0;
  std::string build_id;  // hex, of the kernel it was built for
};

// kCorrupt: no module. Never reads outside `file`, whatever is in it.
Outcome<ModuleInfo> ReadModuleInfo(const std::string& file);

}  // namespace k42::upgrade
