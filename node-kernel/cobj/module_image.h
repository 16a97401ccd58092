// Loads a module's ET_REL file: where its sections go, what they need, and the relocations.
//
// Two steps, both over untrusted bytes, neither allocating:
//   Inspect  checks every header, index, offset and size the second step will use, and lays the
//            sections out: executable code first, then read-only data (what only relocations
//            write is among it), then writable data, each part page-aligned, so that the caller can
//            map each with its own protection (W^X).
//   Load     copies and relocates into memory that the caller mapped writable at `address`.
// Symbols defined in the module bind to the module, weak ones too; all others go to the resolver.
// Addresses in reach of the kernel (2 GiB) are the caller's duty; a relocation that does not fit is
// refused, not truncated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/module.h"
#include "base/result.h"

namespace k42::cobj {

// Finds what a module may import. `name` is not zero-terminated.
class SymbolResolver {
 public:
  virtual Result<std::uint64_t> Find(std::span<const char> name) = 0;

 protected:
  ~SymbolResolver() = default;
};

struct ModuleLayout {
  std::uint64_t code_size = 0;       // bytes, multiple of the page size
  std::uint64_t read_only_size = 0;  // follows the code
  std::uint64_t writable_size = 0;   // follows that
  std::uint32_t record_section = 0;
  abi::ModuleRecord record{};  // `entry` still zero

  std::uint64_t TotalSize() const { return code_size + read_only_size + writable_size; }
};

class ModuleImage {
 public:
  static constexpr std::uint32_t kMaxSections = 512;
  static constexpr std::uint32_t kMaxGotEntries = 512;

  // `file` must stay as it is until Load is done (a private copy, 8-byte aligned).
  explicit ModuleImage(std::span<const std::byte> file) : file_(file) {}

  // kCorrupt: not a module or broken; kNotSupported: a section, symbol or relocation kind we do not
  // take; kLimitExceeded: too large.
  Result<const ModuleLayout*> Inspect();

  // Writes TotalSize() bytes at `memory`, relocated for `address`. Returns the address of the
  // module's entry function. kNotFound: an import that the resolver refused (missing_symbol()).
  Result<std::uint64_t> Load(std::span<std::byte> memory, std::uint64_t address,
                             SymbolResolver& resolver);

  const ModuleLayout& layout() const { return layout_; }
  // After kNotFound: which.
  std::span<const char> missing_symbol() const { return missing_symbol_; }

 private:
  struct SectionHeader;
  struct Symbol;
  struct Relocation;

  template <typename T>
  const T* At(std::uint64_t offset, std::uint64_t count = 1) const;
  const SectionHeader& Section(std::uint32_t index) const;
  Status CheckSections();
  Status CheckSymbols();
  Status CheckRelocations(std::uint32_t index);
  Status ReadRecord();
  bool StaysWritable(std::uint32_t index) const;
  void LayOut();
  Result<std::span<const char>> StringAt(std::uint32_t section, std::uint32_t offset) const;
  Result<std::uint64_t> AddressOf(std::uint32_t symbol, std::uint64_t base,
                                  SymbolResolver& resolver);
  Result<std::uint64_t> GotSlot(std::uint32_t symbol, std::span<std::byte> memory,
                                std::uint64_t base, SymbolResolver& resolver);
  Status Relocate(std::uint32_t index, std::span<std::byte> memory, std::uint64_t base,
                  SymbolResolver& resolver);

  std::span<const std::byte> file_;
  ModuleLayout layout_;
  std::uint32_t section_count_ = 0;
  std::uint64_t section_offset_ = 0;
  std::uint32_t symbol_section_ = 0;
  std::uint32_t symbol_count_ = 0;
  std::uint64_t place_[kMaxSections] = {};  // offset in the image; only of allocated sections
  std::uint32_t got_symbol_[kMaxGotEntries] = {};
  std::uint32_t got_count_ = 0;   // used so far
  std::uint32_t got_wanted_ = 0;  // relocations that may need one
  std::uint64_t got_place_ = 0;
  std::span<const char> missing_symbol_;
};

}  // namespace k42::cobj
