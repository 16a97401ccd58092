// Where calls of an exported object go, and what its methods are. Constant while the object lives.
#pragma once

#include <cstdint>

#include "abi/served_call.h"

namespace k42::ipc {

class CallTable;
struct ReleasedObject;

struct ExportTarget {
  CallTable* table = nullptr;
  std::uint64_t cookie = 0;
  const ReleasedObject* object = nullptr;  // which it is: cookies may be the same
  std::uint32_t method_count = 0;
  std::uint64_t long_methods = 0;  // bit n: more than words goes with method n, there or back
  abi::ServedMethod method[abi::kMaxMethods];
};

}  // namespace k42::ipc
