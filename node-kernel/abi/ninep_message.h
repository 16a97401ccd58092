// The bytes of 9P2000.L messages: little endian, [size 4][type 1][tag 2] and then the fields. The
// kernel's client (fs/ninep_client.h) and programs that serve files to it speak it.
//
// Writer and Reader check every access against the space there is. A failed one makes the whole
// message fail (sticky), so that a sequence of fields needs one check, at its end. Messages come
// from outside: nothing in them is trusted, least of all a length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/status.h"

namespace k42::abi::ninep {

enum class Type : std::uint8_t {
  kError = 7,  // a reply only
  kGetInfo = 8,
  kOpen = 12,
  kCreate = 14,
  kSymlink = 16,
  kMakeNode = 18,
  kReadLink = 22,
  kGetAttributes = 24,
  kSetAttributes = 26,
  kReadDirectory = 40,
  kSync = 50,
  kLink = 70,
  kMakeDirectory = 72,
  kRename = 74,
  kUnlink = 76,
  kVersion = 100,
  kAttach = 104,
  kFlush = 108,
  kWalk = 110,
  kRead = 116,
  kWrite = 118,
  kClunk = 120,
};  // the reply's type is one more

inline constexpr std::size_t kHeaderSize = 7;
inline constexpr std::size_t kReadReplyHeader = kHeaderSize + 4;  // before the data of a read
inline constexpr std::size_t kWriteHeader = kHeaderSize + 16;     // before the data of a write
inline constexpr std::size_t kAttributesReply = 256;              // room for kGetAttributes' answer
inline constexpr std::uint64_t kBasicAttributes = 0x7ff;          // all that every server has
inline constexpr std::uint16_t kNoTag = 0xffff;
inline constexpr std::uint32_t kNoFid = 0xffffffff;

// What names a file on the server: `path` is unique while the file exists.
struct Qid {
  static constexpr std::uint8_t kDirectory = 0x80;
  static constexpr std::uint8_t kSymlink = 0x02;
  std::uint8_t type = 0;
  std::uint32_t version = 0;
  std::uint64_t path = 0;
};

class Writer {
 public:
  explicit Writer(std::span<std::byte> space) : space_(space) {}

  void Begin(Type type, std::uint16_t tag) {
    used_ = 0;
    failed_ = false;
    U32(0);
    U8(static_cast<std::uint8_t>(type));
    U16(tag);
  }
  void U8(std::uint8_t value) { Put(value, 1); }
  void U16(std::uint16_t value) { Put(value, 2); }
  void U32(std::uint32_t value) { Put(value, 4); }
  void U64(std::uint64_t value) { Put(value, 8); }
  void Text(std::string_view text) {
    U16(static_cast<std::uint16_t>(text.size()));
    if (text.size() > 0xffff || space_.size() - used_ < text.size()) {
      failed_ = true;
      return;
    }
    std::memcpy(space_.data() + used_, text.data(), text.size());
    used_ += text.size();
  }
  // Fills in the size; `data_size` bytes follow elsewhere. Zero: it did not fit.
  std::size_t End(std::size_t data_size = 0) {
    if (failed_) {
      return 0;
    }
    const std::size_t end = used_;
    used_ = 0;
    U32(static_cast<std::uint32_t>(end + data_size));
    used_ = end;
    return end;
  }

 private:
  void Put(std::uint64_t value, std::size_t size) {
    if (failed_ || space_.size() - used_ < size) {
      failed_ = true;
      return;
    }
    for (std::size_t i = 0; i < size; ++i) {
      space_[used_ + i] = static_cast<std::byte>(value >> 8 * i);
    }
    used_ += size;
  }

  std::span<std::byte> space_;
  std::size_t used_ = 0;
  bool failed_ = false;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint8_t U8() { return static_cast<std::uint8_t>(Get(1)); }
  std::uint16_t U16() { return static_cast<std::uint16_t>(Get(2)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Get(4)); }
  std::uint64_t U64() { return Get(8); }
  // Points into the message. Empty on failure.
  std::string_view Text() {
    const std::size_t size = U16();
    if (failed_ || bytes_.size() - at_ < size) {
      failed_ = true;
      return {};
    }
    const auto* text = reinterpret_cast<const char*>(bytes_.data() + at_);
    at_ += size;
    return {text, size};
  }
  Qid ReadQid() {
    Qid qid;
    qid.type = U8();
    qid.version = U32();
    qid.path = U64();
    return qid;
  }
  bool failed() const { return failed_; }
  bool at_end() const { return at_ == bytes_.size(); }
  std::size_t position() const { return at_; }
  // kCorrupt if any access so far was out of bounds.
  Status Check() const { return failed_ ? Status::kCorrupt : Status::kOk; }

 private:
  std::uint64_t Get(std::size_t size) {
    if (failed_ || bytes_.size() - at_ < size) {
      failed_ = true;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value |= std::to_integer<std::uint64_t>(bytes_[at_ + i]) << 8 * i;
    }
    at_ += size;
    return value;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace k42::abi::ninep
