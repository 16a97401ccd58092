#include "boot/kernel_exports.h"

#include <cstring>
#include <string_view>

#include "abi/module.h"
#include "image_table.h"

extern "C" {
// An ELF note: sizes of name and content, type, "GNU", the id.
extern const std::uint32_t kernel_build_id_note[], kernel_build_id_note_end[];
}

namespace k42::boot {

Result<std::uint64_t> KernelExports::Find(std::span<const char> name) {
  const machine::ImageTable* table = machine::ImageTable::Present(&kernel_export_table);
  if (table == nullptr)
    return Status::kNotFound;
  const std::string_view wanted(name.data(), name.size());
  std::uint32_t low = 0;
  std::uint32_t high = table->count;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    const machine::ImageTable::Row& row = table->rows[middle];
    const int order = wanted.compare(table->NameOf(row));
    if (order == 0)
      return reinterpret_cast<std::uint64_t>(kernel_begin) + row.address;
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
