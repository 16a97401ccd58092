// Where calls of an exported object go, and what its methods are. Constant while the object lives.
#pragma once

#include <cstdint>

#include "abi/served_call.h"

namespace k42::ipc {

class CallTable;

struct ExportTarget {
  CallTable* table = nullptr;
  std::uint64_t cookie = 0;
  std::uint32_t method_count = 0;
  std::uint64_t bulk_methods = 0;  // bit n: method n passes something by address
  abi::ServedMethod method[abi::kMaxMethods];
};

}  // namespace k42::ipc
