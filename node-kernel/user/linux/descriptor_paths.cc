#include "user/linux/descriptor_paths.h"

#include <cstring>

namespace k42::personality {
namespace {

class Reader {
 public:
  Reader(const char* text, std::size_t size) : at_(text), end_(text + size) {}
  bool done() const { return at_ == end_; }

  bool Skip(const char* word) {
    const std::size_t size = std::strlen(word);
    if (size > static_cast<std::size_t>(end_ - at_) || std::memcmp(at_, word, size) != 0) {
      return false;
    }
    at_ += size;
    return true;
  }
  // A decimal number; -1: there is none.
  std::int64_t Number() {
    std::int64_t value = -1;
    while (at_ < end_ && *at_ >= '0' && *at_ <= '9' && value < 1'000'000'000) {
      value = (value < 0 ? 0 : value * 10) + (*at_++ - '0');
    }
    return value;
  }

 private:
  const char* at_;
  const char* end_;
};

}  // namespace

NamedDescriptor DescriptorNamed(const char* path, std::size_t size, std::int32_t self) {
  constexpr NamedDescriptor kNone{-1, 0};
  Reader reader(path, size);
  std::int64_t pid = self;
  if (reader.Skip("/dev/")) {
    constexpr const char* kStreams[] = {"stdin", "stdout", "stderr"};
    for (std::int64_t fd = 0; fd < 3; ++fd) {
      Reader rest = reader;
      if (rest.Skip(kStreams[fd]) && rest.done()) {
        return {fd, self};
      }
    }
    if (!reader.Skip("fd/")) {
      return kNone;
    }
  } else if (reader.Skip("/proc/")) {
    if (!reader.Skip("self/")) {
      pid = reader.Number();
      if (pid <= 0 || !reader.Skip("/")) {
        return kNone;
      }
    }
    if (!reader.Skip("fd/")) {
      return kNone;
    }
  } else {
    return kNone;
  }
  const std::int64_t fd = reader.Number();
  return reader.done() ? NamedDescriptor{fd, static_cast<std::int32_t>(pid)} : kNone;
}

}  // namespace k42::personality
