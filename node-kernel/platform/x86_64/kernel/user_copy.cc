#include "machine/user_copy.h"

#include <cstring>

#include "platform/contract/types.h"

extern "C" {
std::uint64_t UserCopyBytes(void* to, const void* from, std::uint64_t size);
std::uint64_t UserZeroBytes(void* to, std::uint64_t size);
std::uint64_t UserLoad32(const void* from, std::uint32_t* value);
std::uint64_t UserCompareExchange32(void* at, std::uint32_t* expected, std::uint32_t desired);
}

namespace k42::machine {
namespace {

// Below the last page of the lower half: a copy that starts inside cannot run into a non-canonical
// address before it faults.
constexpr std::uint64_t kUserEnd = 0x0000'8000'0000'0000 - kPageSize;

bool IsUserRange(std::uint64_t address, std::size_t size) {
  return address <= kUserEnd && size <= kUserEnd - address;
}

void* Pointer(std::uint64_t address) {
  return reinterpret_cast<void*>(address);
}

Status ToStatus(std::uint64_t failed) {
  return failed != 0 ? Status::kBadAddress : Status::kOk;
}

}  // namespace

Status CopyIn(void* destination, std::uint64_t user_source, std::size_t size) {
  if (!IsUserRange(user_source, size)) {
    return Status::kBadAddress;
  }
  return ToStatus(UserCopyBytes(destination, Pointer(user_source), size));
}

Status CopyOut(std::uint64_t user_destination, const void* source, std::size_t size) {
  if (!IsUserRange(user_destination, size)) {
    return Status::kBadAddress;
  }
  return ToStatus(UserCopyBytes(Pointer(user_destination), source, size));
}

Status ZeroUser(std::uint64_t user_destination, std::size_t size) {
  if (!IsUserRange(user_destination, size)) {
    return Status::kBadAddress;
  }
  return ToStatus(UserZeroBytes(Pointer(user_destination), size));
}

Result<std::size_t> CopyInText(char* destination, std::uint64_t user_source, std::size_t capacity) {
  std::size_t done = 0;
  while (done < capacity) {
    // Up to the next page border: the text may end just before unmapped memory.
    const std::uint64_t from = user_source + done;
    const std::size_t to_border = kPageSize - from % kPageSize;
    const std::size_t size = to_border < capacity - done ? to_border : capacity - done;
    const Status status = CopyIn(destination + done, from, size);
    if (status != Status::kOk) {
      return status;
    }
    if (const void* end = std::memchr(destination + done, 0, size); end != nullptr) {
      return static_cast<std::size_t>(static_cast<const char*>(end) - destination);
    }
    done += size;
  }
  return Status::kNameTooLong;
}

Result<std::uint32_t> LoadUser32(std::uint64_t user_address) {
  if (!IsUserRange(user_address, 4) || user_address % 4 != 0) {
    return Status::kBadAddress;
  }
  std::uint32_t value = 0;
  const Status status = ToStatus(UserLoad32(Pointer(user_address), &value));
  if (status != Status::kOk) {
    return status;
  }
  return value;
}

Result<std::uint32_t> CompareExchangeUser32(std::uint64_t user_address, std::uint32_t expected,
                                            std::uint32_t desired) {
  if (!IsUserRange(user_address, 4) || user_address % 4 != 0) {
    return Status::kBadAddress;
  }
  const Status status = ToStatus(UserCompareExchange32(Pointer(user_address), &expected, desired));
  if (status != Status::kOk) {
    return status;
  }
  return expected;
}

}  // namespace k42::machine
