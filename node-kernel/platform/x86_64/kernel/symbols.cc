#include "symbols.h"

#include "image_table.h"

namespace k42::machine {

SymbolAt FindSymbol(std::uint64_t address) {
  const ImageTable* table = ImageTable::Present(&kernel_symbol_table);
  const std::uint64_t offset = address - reinterpret_cast<std::uint64_t>(kernel_begin);
  if (table == nullptr || table->count == 0 || offset < table->rows[0].address) {
    return {"?", 0};
  }
  std::uint32_t low = 0;
  std::uint32_t high = table->count;  // rows[low] <= offset < rows[high]
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    (table->rows[middle].address <= offset ? low : high) = middle;
  }
  const ImageTable::Row& row = table->rows[low];
  return {table->NameOf(row), offset - row.address};
}

}  // namespace k42::machine
