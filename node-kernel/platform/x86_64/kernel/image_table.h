// The tables that the build embeds in the image's section .symbols (.cmake/embed_symbols.py): rows
// of an address and a name, then the names.
#pragma once

#include <cstdint>

namespace k42::machine {

struct ImageTable {
  struct Row {
    std::uint32_t address;  // from kernel_begin
    std::uint32_t name;     // from the start of the names
  };

  // A table as linked. The first of the two links has none: declare it weak. Null: absent.
  static const ImageTable* Present(const ImageTable* table) {
    asm("" : "+r"(table));  // the compiler may not assume that a symbol has a non-null address
    return table;
  }
  const char* NameOf(const Row& row) const {
    return reinterpret_cast<const char*>(rows + count) + row.name;
  }

  std::uint32_t count;
  std::uint32_t names_size;
  Row rows[];
};

}  // namespace k42::machine

extern "C" {
extern const k42::machine::ImageTable kernel_symbol_table __attribute__((weak));  // by address
extern const k42::machine::ImageTable kernel_export_table __attribute__((weak));  // by name
extern const char kernel_begin[];
}
