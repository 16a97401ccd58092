// What a method's words are, as a program said when it exported an object (abi/served_call.h),
// checked: pure. CallLayout places what is passed by address in a slot's bulk.
#pragma once

#include <cstdint>

#include "abi/served_call.h"
#include "base/result.h"

namespace k42::ipc {

inline constexpr std::uint32_t kKnownRights = 0x7f;

// Is that a description we can follow?
constexpr Status CheckShape(const abi::ServedMethod& method) {
  if ((method.rights & ~kKnownRights) != 0 ||
      (method.flags & ~(abi::kServedSize | abi::kServedHandle)) != 0 ||
      method.flags == (abi::kServedSize | abi::kServedHandle))
    return Status::kInvalidArgument;
  std::uint32_t out_buffers = 0;
  for (std::uint32_t i = 0; i < abi::kCallWords; ++i) {
    const abi::WordKind kind = abi::KindOfWord(method.word[i]);
    const std::uint32_t size = abi::SizeOfWord(method.word[i]);
    const bool after_buffer =
        i > 0 && (abi::KindOfWord(method.word[i - 1]) == abi::WordKind::kInBuffer ||
                  abi::KindOfWord(method.word[i - 1]) == abi::WordKind::kOutBuffer);
    if (after_buffer != (kind == abi::WordKind::kSize))
      return Status::kInvalidArgument;
    switch (kind) {
      case abi::WordKind::kValue:
      case abi::WordKind::kSize:
        if (size != 0)
          return Status::kInvalidArgument;
        break;
      case abi::WordKind::kInBuffer:
      case abi::WordKind::kOutBuffer:
        if (size == 0 || i + 1 == abi::kCallWords)
          return Status::kInvalidArgument;
        out_buffers += kind == abi::WordKind::kOutBuffer ? 1 : 0;
        break;
      case abi::WordKind::kIn:
      case abi::WordKind::kOut:
        if (size == 0)
          return Status::kInvalidArgument;
        break;
      default:
        return Status::kInvalidArgument;
    }
  }
  return (method.flags & abi::kServedSize) != 0 && out_buffers != 1 ? Status::kInvalidArgument
                                                                    : Status::kOk;
}

// Words alone go there and come back.
constexpr bool IsPlain(const abi::ServedMethod& method) {
  for (const std::uint32_t word : method.word)
    if (abi::KindOfWord(word) != abi::WordKind::kValue)
      return false;
  return method.flags == 0;
}

// One stretch of a slot's bulk.
struct BulkPart {
  std::uint64_t user = 0;    // the caller's address
  std::uint32_t offset = 0;  // in the slot's bulk
  std::uint32_t size = 0;
  bool in = false;      // copied to the server
  bool buffer = false;  // out: its size may be cut by the result
};

struct CallLayout {
  std::uint32_t count = 0;
  BulkPart part[abi::kCallWords];
};

// Precondition: CheckShape said kOk. kMessageTooLong: a buffer above its limit, or all together
// above `room`.
constexpr Status LayOut(const abi::ServedMethod& method, const std::uint64_t* words,
                        std::uint32_t room, CallLayout* layout) {
  constexpr std::uint32_t kAlign = 16;
  std::uint64_t offset = 0;
  layout->count = 0;
  for (std::uint32_t i = 0; i < abi::kCallWords; ++i) {
    const abi::WordKind kind = abi::KindOfWord(method.word[i]);
    if (kind == abi::WordKind::kValue || kind == abi::WordKind::kSize)
      continue;
    const bool buffer = kind == abi::WordKind::kInBuffer || kind == abi::WordKind::kOutBuffer;
    const std::uint64_t limit = abi::SizeOfWord(method.word[i]);
    const std::uint64_t size = buffer ? words[i + 1] : limit;
    if (size > limit || size > room || offset + size > room)
      return Status::kMessageTooLong;
    BulkPart& part = layout->part[layout->count++];
    part.user = words[i];
    part.offset = static_cast<std::uint32_t>(offset);
    part.size = static_cast<std::uint32_t>(size);
    part.in = kind == abi::WordKind::kIn || kind == abi::WordKind::kInBuffer;
    part.buffer = buffer;
    offset = (offset + size + kAlign - 1) / kAlign * kAlign;
  }
  return Status::kOk;
}

}  // namespace k42::ipc
