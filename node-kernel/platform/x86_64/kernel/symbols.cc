#include "symbols.h"

// Layout of section .symbols: a count; that many entries sorted by address; the names.
// The first of the two links has none: weak.
extern "C" {
struct SymbolEntry {
  std::uint32_t address;  // from kernel_begin
  std::uint32_t name;     // from the start of the names
};
struct SymbolTable {
  std::uint32_t count;
  std::uint32_t names_size;
  SymbolEntry entries[];
};
extern const SymbolTable kernel_symbol_table __attribute__((weak));
extern const char kernel_begin[];
}

namespace k42::machine {

SymbolAt FindSymbol(std::uint64_t address) {
  const SymbolTable* table = &kernel_symbol_table;
  asm("" : "+r"(table));  // the compiler may not assume that a symbol has a non-null address
  const std::uint64_t offset = address - reinterpret_cast<std::uint64_t>(kernel_begin);
  if (table == nullptr || table->count == 0 || offset < table->entries[0].address) {
    return {"?", 0};
  }
  std::uint32_t low = 0;
  std::uint32_t high = table->count;  // entries[low] <= offset < entries[high]
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    (table->entries[middle].address <= offset ? low : high) = middle;
  }
  const auto* names = reinterpret_cast<const char*>(table->entries + table->count);
  const SymbolEntry& entry = table->entries[low];
  return {names + entry.name, offset - entry.address};
}

}  // namespace k42::machine
