// Protected calls: how a program offers objects to others, and what its entry for calls finds.
//
// A program that serves first opens its call area (proc/exporter.idl), which has so many *slots*:
// that many calls may be under way at a time. Each slot has an equal part of the area's memory, its
// *bulk*, where the kernel puts what the caller passes by address (structs, buffers), and takes
// what goes back. Then it exports objects: a cookie, which comes with every call, and for each
// method the rights it needs and what its six words are (ServedMethod; the generator writes them).
// The caller's words that are addresses reach the server as addresses in the slot's bulk.
//
// A call enters at DispatcherEntries::call_entry, disabled, with
//   RAX  the call's number: bits 7:0 the slot, the rest a generation
//   RBX  the object's cookie            RBP  the method
//   RDI RSI RDX R10 R8 R9               the words
//   R12  who calls: process << 32 | task, both by number, stamped by the kernel
//   R13  the rights of the handle that was used
// and everything else zero, RSP too: the entry takes a stack of the slot's. It ends with
// DispatcherCall::kReturnCall (number, status, value), which comes back only if it is refused.
#pragma once

#include <cstdint>

namespace k42::abi {

inline constexpr std::uint32_t kMaxMethods = 64;
inline constexpr std::uint32_t kCallWords = 6;

enum class WordKind : std::uint32_t {
  kValue = 0,
  kIn = 1,         // address of that many bytes, copied to the server
  kOut = 2,        // address of that many bytes, copied back if the call succeeds
  kInBuffer = 3,   // address; the next word says how many bytes, at most that many
  kOutBuffer = 4,  // the same, copied back
  kSize = 5,       // of the buffer before it
  kKinds = 6,
};

constexpr std::uint32_t ServedWord(WordKind kind, std::uint32_t size = 0) {
  return static_cast<std::uint32_t>(kind) << 28 | size;
}
constexpr WordKind KindOfWord(std::uint32_t word) {
  return static_cast<WordKind>(word >> 28);
}
constexpr std::uint32_t SizeOfWord(std::uint32_t word) {
  return word & 0x0fff'ffff;
}

// Flags of ServedMethod.
inline constexpr std::uint32_t kServedSize = 1;  // the result is the bytes to copy back of a buffer
inline constexpr std::uint32_t kServedHandle =
    2;  // the result is a handle, which goes to the caller

struct ServedMethod {
  std::uint32_t rights = 0;  // all of these are needed
  std::uint32_t flags = 0;
  std::uint32_t word[kCallWords] = {};
};
static_assert(sizeof(ServedMethod) == 32);

// Where the bulk of a dispatcher's slots is mapped.
inline constexpr std::uint64_t kCallBulkBase = 0x0000'7fff'f800'0000;
inline constexpr std::uint64_t kCallBulkStride = 0x20'0000;

// What the entry makes of its registers (user/runtime/call_entry.S).
struct ServedCall {
  std::uint64_t number;
  std::uint64_t identity;
  std::uint64_t rights;
  std::uint64_t words[kCallWords];

  std::uint32_t process() const { return static_cast<std::uint32_t>(identity >> 32); }
  std::uint32_t task() const { return static_cast<std::uint32_t>(identity); }
};
static_assert(sizeof(ServedCall) == 72);

constexpr std::uint32_t SlotOfCall(std::uint64_t number) {
  return number & 0xff;
}

}  // namespace k42::abi
