// Names for kernel addresses, from the table that the build embeds (.cmake/embed_symbols.py).
#pragma once

#include <cstdint>
#include <string_view>

namespace k42::machine {

struct SymbolAt {
  std::string_view name;  // "?" if unknown
  std::uint64_t offset;
};
SymbolAt FindSymbol(std::uint64_t address);

}  // namespace k42::machine
