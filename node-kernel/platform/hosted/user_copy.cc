// Copies to and from "user space" of a hosted test: one address space, so an address is a pointer.
// A test marks ranges as user memory to have other addresses refused; without any, all but the
// lowest page is accepted.
#include "machine/user_copy.h"

#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

namespace k42::machine {

namespace {
struct Range {
  std::uint64_t begin, end;
};
std::mutex ranges_lock;
std::vector<Range>& Ranges() {
  static std::vector<Range> ranges;
  return ranges;
}

bool Accessible(std::uint64_t address, std::size_t size) {
  if (address + size < address)
    return false;
  const std::lock_guard guard(ranges_lock);
  if (Ranges().empty())
    return address >= 4096;
  for (const Range& range : Ranges())
    if (address >= range.begin && address + size <= range.end)
      return true;
  return false;
}
}  // namespace

void AddUserRange(const void* begin, std::size_t size) {
  const std::lock_guard guard(ranges_lock);
  const auto address = reinterpret_cast<std::uint64_t>(begin);
  Ranges().push_back({address, address + size});
}

void ClearUserRanges() {
  const std::lock_guard guard(ranges_lock);
  Ranges().clear();
}

Status CopyIn(void* to, std::uint64_t user, std::size_t size) {
  if (size == 0)
    return Status::kOk;
  if (!Accessible(user, size))
    return Status::kBadAddress;
  std::memcpy(to, reinterpret_cast<const void*>(user), size);
  return Status::kOk;
}

Status CopyOut(std::uint64_t user, const void* from, std::size_t size) {
  if (size == 0)
    return Status::kOk;
  if (!Accessible(user, size))
    return Status::kBadAddress;
  std::memcpy(reinterpret_cast<void*>(user), from, size);
  return Status::kOk;
}

Status ZeroUser(std::uint64_t user_destination, std::size_t size) {
  if (size == 0)
    return Status::kOk;
  if (!Accessible(user_destination, size))
    return Status::kBadAddress;
  std::memset(reinterpret_cast<void*>(user_destination), 0, size);
  return Status::kOk;
}

Result<std::size_t> CopyInText(char* destination, std::uint64_t user_source, std::size_t capacity) {
  for (std::size_t length = 0; length < capacity; ++length) {
    TRY(CopyIn(destination + length, user_source + length, 1));
    if (destination[length] == 0)
      return length;
  }
  return Status::kNameTooLong;
}

Result<std::uint32_t> LoadUser32(std::uint64_t user_address) {
  if (user_address % 4 != 0)
    return Status::kInvalidArgument;
  if (!Accessible(user_address, 4))
    return Status::kBadAddress;
  return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(user_address)).load();
}

Result<std::uint32_t> CompareExchangeUser32(std::uint64_t user_address, std::uint32_t expected,
                                            std::uint32_t desired) {
  if (user_address % 4 != 0)
    return Status::kInvalidArgument;
  if (!Accessible(user_address, 4))
    return Status::kBadAddress;
  std::atomic_ref(*reinterpret_cast<std::uint32_t*>(user_address))
      .compare_exchange_strong(expected, desired);
  return expected;
}

}  // namespace k42::machine
