// From the system's Status to Linux's error numbers. One table for all calls; a call whose Linux
// manual wants another number maps that case itself.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "user/linux/abi_errno.h"

namespace k42::personality {

// The negative error number of a failed status; 0 for kOk.
std::int64_t ErrnoOf(Status status);

// What a call returns: the value, or the negative error number.
template <typename T>
std::int64_t ToReply(const Result<T>& result) {
  return result.ok() ? static_cast<std::int64_t>(result.value()) : ErrnoOf(result.status());
}
inline std::int64_t ToReply(Status status) {
  return ErrnoOf(status);
}

}  // namespace k42::personality
