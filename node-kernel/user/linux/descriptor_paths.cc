#include "user/linux/descriptor_paths.h"

#include <cstring>

namespace k42::personality {
namespace {

using Form = DescriptorPath::Form;

// Takes a path apart, component by component; slashes count once.
class Reader {
 public:
  Reader(const char* text, std::size_t size) : text_(text), at_(text), end_(text + size) {}
  bool done() const { return at_ == end_; }
  std::size_t at() const { return static_cast<std::size_t>(at_ - text_); }

  // True: there was at least one.
  bool SkipSlashes() {
    const char* before = at_;
    while (at_ < end_ && *at_ == '/') {
      ++at_;
    }
    return at_ != before;
  }
  // Exactly this component comes next.
  bool Skip(const char* word) {
    const std::size_t size = std::strlen(word);
    const std::size_t left = static_cast<std::size_t>(end_ - at_);
    if (size > left || std::memcmp(at_, word, size) != 0 || (size < left && at_[size] != '/')) {
      return false;
    }
    at_ += size;
    return true;
  }
  // A component of decimal digits. False: it is something else, and is passed over.
  bool Number(std::uint32_t* number) {
    std::uint64_t value = 0;
    const char* start = at_;
    bool digits = true;
    for (; at_ < end_ && *at_ != '/'; ++at_) {
      digits = digits && *at_ >= '0' && *at_ <= '9' && value < 1'000'000'000;
      value = value * 10 + static_cast<std::uint64_t>(*at_ - '0');
    }
    *number = static_cast<std::uint32_t>(value);
    return digits && at_ != start;
  }

 private:
  const char* text_;
  const char* at_;
  const char* end_;
};

DescriptorPath Entry(Reader& reader, std::int32_t pid) {
  DescriptorPath path;
  path.pid = pid;
  if (reader.done() || reader.Skip(".")) {
    (void)reader.SkipSlashes();
    path.form = reader.done() ? Form::kFolder : Form::kNone;
    return path;
  }
  path.form = Form::kEntry;
  if (!reader.Number(&path.fd)) {
    path.fd = DescriptorPath::kNoNumber;
  }
  path.goes_on = reader.SkipSlashes();
  path.rest = reader.at();
  return path;
}

// Behind "/dev/".
DescriptorPath InDevices(Reader& reader, std::int32_t self) {
  constexpr const char* kStreams[] = {"stdin", "stdout", "stderr"};
  DescriptorPath path;
  path.pid = self;
  for (std::uint32_t fd = 0; fd < 3; ++fd) {
    if (reader.Skip(kStreams[fd])) {
      path.form = Form::kEntry;
      path.fd = fd;
      path.goes_on = reader.SkipSlashes();
      path.rest = reader.at();
      path.alias = !path.goes_on;
      return path;
    }
  }
  if (!reader.Skip("fd")) {
    return path;
  }
  const bool alias = !reader.SkipSlashes();
  path = Entry(reader, self);
  path.alias = alias;
  return path;
}

// Behind "/proc/".
DescriptorPath InProcesses(Reader& reader, std::int32_t self) {
  std::uint32_t pid = static_cast<std::uint32_t>(self);
  if (!reader.Skip("self") && !reader.Skip("thread-self") && !reader.Number(&pid)) {
    return {};
  }
  (void)reader.SkipSlashes();
  if (reader.Skip("task")) {
    std::uint32_t thread = 0;
    (void)reader.SkipSlashes();
    if (!reader.Number(&thread)) {
      return {};
    }
    (void)reader.SkipSlashes();
  }
  if (!reader.Skip("fd")) {
    return {};
  }
  (void)reader.SkipSlashes();
  return Entry(reader, static_cast<std::int32_t>(pid));
}

}  // namespace

DescriptorPath ParseDescriptorPath(const char* path, std::size_t size, std::int32_t self) {
  Reader reader(path, size);
  if (!reader.SkipSlashes()) {
    return {};
  }
  if (reader.Skip("dev")) {
    (void)reader.SkipSlashes();
    return InDevices(reader, self);
  }
  if (reader.Skip("proc")) {
    (void)reader.SkipSlashes();
    return InProcesses(reader, self);
  }
  return {};
}

DescriptorPath ParseDescriptorEntry(const char* path, std::size_t size, std::int32_t pid) {
  Reader reader(path, size);
  return Entry(reader, pid);
}

}  // namespace k42::personality
