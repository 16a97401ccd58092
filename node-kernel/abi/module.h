// A module: new code for a running kernel, as an ET_REL file with one record that says what it is.
//
// The file's SHA-256 is its name in the cluster; an Ed25519 signature over the file lies beside it.
// The daemon verifies the signature, the kernel checks digest, build id and versions again and
// resolves symbols: a module's own definitions bind to itself, all else must be on the kernel's
// export list. Exported names are mangled C++ names, so they carry the types of the parameters;
// layouts and results are bound by the build id, which must be the running kernel's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace k42::cobj {
struct ModuleOffer;
}

namespace k42::abi {

inline constexpr std::uint64_t kModuleMagic = 0x444f'4d32'344b'0001;  // "K42MOD", format 1
inline constexpr char kModuleSection[] = ".k42.module";
inline constexpr std::size_t kBuildIdSize = 20;  // GNU build id, SHA-1
inline constexpr std::size_t kModuleDigestSize = 32;
inline constexpr std::size_t kModuleFileLimit = 1 << 20;  // fits a value of the cluster's store

// The content of section .k42.module, which holds nothing else.
struct ModuleRecord {
  std::uint64_t magic;
  std::uint32_t from_version;           // of the class; the module brings to_version
  std::uint32_t to_version;             // from_version + 1, or - 1 for a way back
  char class_name[48];                  // zero-terminated
  std::uint8_t build_id[kBuildIdSize];  // of the kernel it was compiled against
  std::uint32_t reserved;
  // A relocation fills it in: the function that says what the module offers (cobj/module.h).
  Status (*entry)(cobj::ModuleOffer& offer);
};
static_assert(sizeof(ModuleRecord) == 96);
static_assert(offsetof(ModuleRecord, entry) == 88);

}  // namespace k42::abi
