#include "boot/kernel_exports.h"

#include <cstring>
#include <string_view>

#include "abi/module.h"

// Layout: a count; that many entries sorted by name; the names. The first of the two links has
// none: weak.
extern "C" {
struct ExportEntry {
  std::uint32_t address;  // from kernel_begin
  std::uint32_t name;     // from the start of the names
};
struct ExportTable {
  std::uint32_t count;
  std::uint32_t names_size;
  ExportEntry entries[];
};
extern const ExportTable kernel_export_table __attribute__((weak));
extern const char kernel_begin[];
// An ELF note: sizes of name and content, type, "GNU", the id.
extern const std::uint32_t kernel_build_id_note[], kernel_build_id_note_end[];
}

namespace k42::boot {

Result<std::uint64_t> KernelExports::Find(std::span<const char> name) {
  const ExportTable* table = &kernel_export_table;
  asm("" : "+r"(table));  // the compiler may not assume that a symbol has a non-null address
  if (table == nullptr)
    return Status::kNotFound;
  const std::string_view wanted(name.data(), name.size());
  const auto* names = reinterpret_cast<const char*>(table->entries + table->count);
  std::uint32_t low = 0;
  std::uint32_t high = table->count;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    const ExportEntry& entry = table->entries[middle];
    const int order = wanted.compare(names + entry.name);
    if (order == 0)
      return reinterpret_cast<std::uint64_t>(kernel_begin) + entry.address;
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return Status::kNotFound;
}

std::span<const std::uint8_t> KernelBuildId() {
  constexpr std::size_t kHeaderWords = 4;
  const auto words = static_cast<std::size_t>(kernel_build_id_note_end - kernel_build_id_note);
  if (words * sizeof(std::uint32_t) != kHeaderWords * sizeof(std::uint32_t) + abi::kBuildIdSize)
    return {};
  return {reinterpret_cast<const std::uint8_t*>(kernel_build_id_note + kHeaderWords),
          abi::kBuildIdSize};
}

}  // namespace k42::boot
