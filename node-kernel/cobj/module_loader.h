// ModuleLoader: takes a module's file into the running kernel, or refuses it and leaves no trace.
//
// The daemon has verified the signature and says what it believes to hand over (ModuleClaim); the
// loader believes nothing: it recomputes the digest, and checks the file's structure, class and
// versions, the build id, and every import against the export list, before a byte of the module
// runs. Then the entry function says what it offers, and its self-test runs.
//
// Memory is one range: code (readable, executable), constants (readable), data (readable,
// writable). While it is filled it is writable and not executable; no page is ever both
// (ModuleMemory::Seal).
//
// One thread at a time (the upgrader's).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/intrusive_list.h"
#include "cobj/module.h"
#include "cobj/module_image.h"
#include "cobj/sentence.h"

namespace k42::cobj {

// Where modules lie; handed in, because memory is a higher layer's. Sizes are multiples of the page
// size.
class ModuleMemory {
 public:
  struct Range {
    std::byte* start = nullptr;
    std::uint64_t size = 0;
    void* owner = nullptr;  // the implementation's
  };
  // Zeroed, writable, not executable, within 2 GiB of the kernel's image.
  virtual Result<Range> Reserve(std::uint64_t size) = 0;
  // [0, code) becomes executable and read-only, [code, code + constants) read-only.
  virtual void Seal(const Range& range, std::uint64_t code, std::uint64_t constants) = 0;
  virtual void Release(const Range& range) = 0;

 protected:
  ~ModuleMemory() = default;
};

// What the daemon says of the file.
struct ModuleClaim {
  Digest digest{};
  char class_name[sizeof(abi::ModuleRecord::class_name)] = {};
  std::uint32_t from_version = 0;
  std::uint32_t to_version = 0;

  std::string_view name() const;
};

// A module in memory. Nothing of it may be called once `code` is unused and it was unloaded.
struct LoadedModule final : ListLink<> {
  Digest digest{};
  std::uint32_t version = 0;
  CodeUse code;
  ModuleMemory::Range memory;
  ModuleLayout layout;

  ClassVersion AsVersion() { return {version, &code}; }
};

class ModuleLoader {
 public:
  constexpr ModuleLoader(ModuleMemory& memory, std::span<const std::uint8_t> build_id,
                         SymbolResolver& exports)
      : memory_(memory), build_id_(build_id), exports_(exports) {}

  // `file`: a private copy, 8-byte aligned, needed during the call only. On failure `why` says what
  // was wrong, and nothing is left.
  Result<LoadedModule*> Load(Bytes file, const ModuleClaim& claim, Allocator& allocator,
                             Sentence& why);
  // Precondition: nothing runs on its code.
  void Unload(LoadedModule* module, Allocator& allocator);

 private:
  Status Check(const ModuleLayout& layout, const ModuleClaim& claim, Sentence& why) const;
  Status Place(ModuleImage& image, LoadedModule& module, Sentence& why);
  Status Introduce(LoadedModule& module, Allocator& allocator, Sentence& why);

  ModuleMemory& memory_;
  const std::span<const std::uint8_t> build_id_;
  SymbolResolver& exports_;
  std::uint64_t entry_ = 0;  // of the module being loaded
};

}  // namespace k42::cobj
