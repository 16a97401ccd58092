#include "user/linux/user_memory.h"

#include "abi/dispatcher_page.h"
#include "user/linux/abi_errno.h"

namespace k42::personality {

extern "C" {
std::int64_t AccessCopy(void* to, const void* from, std::size_t bytes);
std::int64_t AccessZero(void* to, std::size_t bytes);
std::int64_t AccessString(char* to, const char* from, std::size_t limit);
std::int64_t AccessLoad32(const std::uint32_t* from, std::uint32_t* value);
std::int64_t AccessCompareExchange32(std::uint32_t* word, std::uint32_t* expected,
                                     std::uint32_t desired);
}

bool InProgram(std::uint64_t address, std::uint64_t size) {
  return address < abi::kUserMapLimit && size <= abi::kUserMapLimit - address;
}

// Nothing is found anywhere.
bool CopyIn(void* to, std::uint64_t from, std::size_t bytes) {
  return bytes == 0 || (InProgram(from, bytes) &&
                        AccessCopy(to, reinterpret_cast<const void*>(from), bytes) == 0);
}

bool CopyOut(std::uint64_t to, const void* from, std::size_t bytes) {
  return bytes == 0 ||
         (InProgram(to, bytes) && AccessCopy(reinterpret_cast<void*>(to), from, bytes) == 0);
}

bool CopyOwn(void* to, const void* from, std::size_t bytes) {
  return AccessCopy(to, from, bytes) == 0;
}

bool ZeroOut(std::uint64_t to, std::size_t bytes) {
  return bytes == 0 ||
         (InProgram(to, bytes) && AccessZero(reinterpret_cast<void*>(to), bytes) == 0);
}

std::int64_t CopyInString(char* to, std::uint64_t from, std::size_t limit) {
  if (!InProgram(from, 1)) {
    return -kEFAULT;
  }
  const std::size_t room = abi::kUserMapLimit - from;
  const std::size_t most = limit < room ? limit : room;
  const std::int64_t length = AccessString(to, reinterpret_cast<const char*>(from), most);
  if (length < 0) {
    return -kEFAULT;
  }
  if (static_cast<std::size_t>(length) == most) {
    return most == limit ? -kENAMETOOLONG : -kEFAULT;
  }
  return length;
}

bool LoadUser32(std::uint64_t address, std::uint32_t* value) {
  return InProgram(address, 4) &&
         AccessLoad32(reinterpret_cast<const std::uint32_t*>(address), value) == 0;
}

bool CompareExchangeUser32(std::uint64_t address, std::uint32_t* expected, std::uint32_t desired,
                           bool* exchanged) {
  if (!InProgram(address, 4)) {
    return false;
  }
  const std::int64_t answer =
      AccessCompareExchange32(reinterpret_cast<std::uint32_t*>(address), expected, desired);
  *exchanged = answer == 1;
  return answer >= 0;
}

}  // namespace k42::personality
