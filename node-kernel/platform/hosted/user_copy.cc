// Copies to and from "user space" of a hosted test: one address space, so an address is a pointer.
// A test marks ranges as user memory to have other addresses refused; without any, all but the
// lowest page is accepted.
#include "machine/user_copy.h"

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

}  // namespace k42::machine
