// Bytes of a call between nodes: what the generated foo.wire.h is made of.
//
// Everything is little-endian and padded to 8 bytes. Readers trust nothing: each Get checks that
// the bytes are there and the value is one, End that nothing is left over. A reader works on a copy
// in this kernel's memory, never on memory that the other side can still write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/result.h"
#include "cobj/call_context.h"
#include "cobj/dispatch.h"

namespace k42::cobj {

inline constexpr std::size_t kWireMax = 4096;  // of a request or a reply

constexpr std::size_t WirePadded(std::size_t size) {
  return (size + 7) / 8 * 8;
}

class WireWriter {
 public:
  explicit WireWriter(std::span<std::byte> space) : space_(space) {}

  // The generator has computed the space: running out is a bug of ours, not of the other side.
  void PutWord(std::uint64_t word) { std::memcpy(Take(8), &word, 8); }
  template <typename T>
  void PutValue(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::byte* at = Take(WirePadded(sizeof(T)));
    std::memset(at, 0, WirePadded(sizeof(T)));
    std::memcpy(at, &value, sizeof(T));
  }
  Status PutBuffer(const BufferIn& buffer, std::size_t limit) {
    if (buffer.size() > limit)
      return Status::kMessageTooLong;
    PutWord(buffer.size());
    std::byte* at = Take(WirePadded(buffer.size()));
    std::memset(at, 0, WirePadded(buffer.size()));
    return buffer.CopyTo(at, 0, buffer.size());
  }
  std::span<const std::byte> written() const { return space_.first(used_); }

 protected:
  std::byte* Take(std::size_t size) {
    K42_ASSERT(size <= space_.size() - used_, "message larger than the generator computed");
    std::byte* at = space_.data() + used_;
    used_ += size;
    return at;
  }

  std::span<std::byte> space_;
  std::size_t used_ = 0;
};

class WireReader {
 public:
  explicit WireReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  Result<T> GetWord() {
    std::uint64_t word = 0;
    std::memcpy(&word, TRY(Take(8)), 8);
    const Result<T> value = Narrow<T>(word);
    return value.ok() ? value : Result<T>(Status::kCorrupt);
  }
  template <typename E>
  Result<E> GetEnum(bool (*valid)(std::uint64_t)) {
    const auto word = TRY(GetWord<std::underlying_type_t<E>>());
    if (!valid(static_cast<std::uint64_t>(word)))
      return Status::kCorrupt;
    return static_cast<E>(word);
  }
  template <typename T>
  Status GetValue(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(&value, TRY(Take(WirePadded(sizeof(T)))), sizeof(T));
    return Status::kOk;
  }
  // A view into the message.
  Result<BufferIn> GetBytes(std::size_t limit) {
    const auto size = TRY(GetWord<std::uint64_t>());
    if (size > limit)
      return Status::kCorrupt;
    return BufferIn::Kernel(TRY(Take(WirePadded(size))), size);
  }
  // Into the caller's buffer; more than it asked for is corrupt.
  Status GetBuffer(const BufferOut& buffer) {
    const BufferIn bytes = TRY(GetBytes(buffer.size()));
    return buffer.CopyFrom(reinterpret_cast<const void*>(bytes.address()), 0, bytes.size());
  }
  Status End() const { return at_ == bytes_.size() ? Status::kOk : Status::kCorrupt; }

 private:
  Result<const std::byte*> Take(std::size_t size) {
    if (size > bytes_.size() - at_)
      return Status::kCorrupt;
    const std::byte* here = bytes_.data() + at_;
    at_ += size;
    return here;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

// The serving side's reply: status and value first, out parameters after them; an error has none.
class ReplyWriter {
 public:
  explicit ReplyWriter(std::span<std::byte> space) : space_(space), used_(16) {
    K42_ASSERT(space.size() >= 16, "a reply has at least two words");
  }

  Status PutWord(std::uint64_t word) { return PutValue(word); }
  template <typename T>
  Status PutValue(const T& value) {
    if (WirePadded(sizeof(T)) > space_.size() - used_)
      return Status::kMessageTooLong;
    std::memset(space_.data() + used_, 0, WirePadded(sizeof(T)));
    std::memcpy(space_.data() + used_, &value, sizeof(T));
    used_ += WirePadded(sizeof(T));
    return Status::kOk;
  }
  // Room for what the object writes: `size` is what the other node asked for.
  Result<BufferOut> Space(std::uint64_t size, std::size_t limit) {
    if (size > limit || WirePadded(size) + 8 > space_.size() - used_)
      return Status::kCorrupt;
    std::memset(space_.data() + used_, 0, WirePadded(size) + 8);
    return BufferOut::Kernel(space_.data() + used_ + 8, size);
  }
  // The object wrote the first `count` bytes of that room.
  Status Used(const BufferOut& room, std::uint64_t count) {
    if (count > room.size())
      return Status::kOutOfRange;
    std::memcpy(space_.data() + used_, &count, 8);
    used_ += 8 + WirePadded(count);
    return Status::kOk;
  }
  void Finish(const Result<std::uint64_t>& result) {
    if (!result.ok())
      used_ = 16;
    const auto status = static_cast<std::int64_t>(result.status());
    const std::uint64_t value = result.ok() ? result.value() : 0;
    std::memcpy(space_.data(), &status, 8);
    std::memcpy(space_.data() + 8, &value, 8);
  }
  std::span<const std::byte> written() const { return space_.first(used_); }

 private:
  std::span<std::byte> space_;
  std::size_t used_;
};

// An object on another node, as its sending rep sees it. Implemented by global/.
class RemoteTarget {
 public:
  // Sends the request and waits for the reply, at most until the call's deadline. Returns the
  // reply's size, or how the call ended without one: kEndpointDown (not sent), kUnknown (it may
  // have been executed), kTimedOut, kNotInView...
  virtual Result<std::size_t> Call(std::uint32_t method, std::span<const std::byte> request,
                                   std::span<std::byte> reply) = 0;

 protected:
  ~RemoteTarget() = default;
};

// What a home needs to know of a class whose objects other nodes call. Generated.
struct GlobalClass {
  const char* name;
  const Digest* digest;
  std::uint32_t version;
  void (*serve)(RefBits, std::uint32_t method, const CallContext&, WireReader&, ReplyWriter&);
};

template <typename T>
Result<T> NarrowReply(std::uint64_t word) {
  const Result<T> value = Narrow<T>(word);
  return value.ok() ? value : Result<T>(Status::kCorrupt);
}

// One call of a sending rep; its bytes are on the stack of the call.
template <std::size_t request_max, std::size_t reply_max>
class RemoteCall {
  static_assert(request_max <= kWireMax && reply_max <= kWireMax);

 public:
  WireWriter& request() { return writer_; }
  WireReader& reply() { return reader_; }

  // The callee's status and value; out parameters are then read from reply().
  Result<std::uint64_t> Send(RemoteTarget& target, std::uint32_t method) {
    const std::size_t size = TRY(target.Call(method, writer_.written(), reply_bytes_));
    if (size > sizeof(reply_bytes_))
      return Status::kCorrupt;
    reader_ = WireReader(std::span<const std::byte>(reply_bytes_, size));
    const auto status = static_cast<Status>(TRY(reader_.GetWord<std::int64_t>()));
    const auto value = TRY(reader_.GetWord<std::uint64_t>());
    if (status != Status::kOk)
      return static_cast<std::int64_t>(status) < 0 ? status : Status::kCorrupt;
    return value;
  }

 private:
  std::byte request_bytes_[request_max == 0 ? 1 : request_max];
  std::byte reply_bytes_[reply_max];
  WireWriter writer_{request_bytes_};
  WireReader reader_{{}};
};

}  // namespace k42::cobj
