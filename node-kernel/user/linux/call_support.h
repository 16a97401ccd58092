// What many calls need: descriptors, path names, times from the program.
#pragma once

#include <cstdint>

#include "user/linux/abi_files.h"
#include "user/linux/calls.h"
#include "user/linux/descriptor_paths.h"
#include "user/linux/errno.h"
#include "user/linux/heap.h"
#include "user/linux/kernel.h"
#include "user/linux/task.h"
#include "user/linux/user_memory.h"

namespace k42::personality {

inline DescriptionRef Descriptor(Thread& thread, std::uint32_t fd) {
  return thread.task->files->Get(fd);
}

// Two new descriptors, as pipe and socketpair give them. Takes both descriptions over; null: no
// memory for that one. On failure neither stays open.
std::int64_t AddPair(Thread& thread, Description* first, Description* second, bool close_on_exec,
                     std::uint64_t fds);

// A descriptor for a handle that came from elsewhere (passed through a socket). Takes it over.
std::int64_t AdoptHandle(Thread& thread, kernel::Handle handle, bool close_on_exec);

inline constexpr std::size_t kPathLimit = 4096;

// A path name from the program. error(): 0, or why it could not be read.
class UserPath {
 public:
  explicit UserPath(std::uint64_t address) : text_(kPathLimit) {
    const std::int64_t length =
        text_ ? CopyInString(text_.data(), address, kPathLimit) : -std::int64_t{kENOMEM};
    if (length < 0) {
      error_ = length;
    } else {
      size_ = static_cast<std::size_t>(length);
    }
  }
  std::int64_t error() const { return error_; }
  char* text() { return text_.data(); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  Buffer text_;
  std::size_t size_ = 0;
  std::int64_t error_ = 0;
};

// Where a path starts: the handle for `directory` (a descriptor or AT_FDCWD). The reference keeps
// the handle alive while the call waits.
class StartDirectory {
 public:
  StartDirectory() = default;
  // Sets error() if there is nothing a path can start at.
  void Set(Thread& thread, std::int32_t directory, const char* path);
  // At what is open, of whatever kind.
  void Set(DescriptionRef description);
  std::int64_t error() const { return error_; }
  kernel::Handle handle() const { return handle_; }
  Description* description() const { return reference_.get(); }

 private:
  DescriptionRef reference_;
  kernel::Handle handle_ = kernel::kNoHandle;
  std::int64_t error_ = 0;
};

// Path argument of a call, complete: text and start. Usage: PathArgument path(thread, dir,
// address); if (path.error()) return path.error(); kernel::Something(path.get(), ...).
//
// Names of descriptors are recognized here (descriptor_paths.h). A path that goes on behind one
// starts there. One that ends there is a link: Follow goes through it, for calls that follow links.
class PathArgument {
 public:
  PathArgument(Thread& thread, std::int32_t directory, std::uint64_t address,
               bool may_be_empty = false);
  std::int64_t error() const { return error_; }
  kernel::Path get() { return {start_.handle(), text_.text() + skipped_, text_.size() - skipped_}; }
  UserPath& text() { return text_; }

  // Its form is kNone unless the path ends there.
  const DescriptorPath& descriptor() const { return descriptor_; }
  // Calls that do not follow links meet the descriptor's link itself.
  bool names_link(std::uint32_t walk) const {
    return descriptor_.form != DescriptorPath::Form::kNone && !descriptor_.alias &&
           (walk & fs::kWalkNoFollow) != 0;
  }
  // If the path is the name of a descriptor of ours, and `walk` follows links: get() becomes what
  // is open there, and kWalkEmptyPath joins the result. Sets error() if nothing is open there.
  std::uint32_t Follow(Thread& thread, std::uint32_t walk);
  // After Follow: what the path came to, if that is an open description; or null.
  Description* followed() const { return followed_ ? start_.description() : nullptr; }

 private:
  void FindDescriptor(Thread& thread, std::int32_t directory);

  UserPath text_;
  StartDirectory start_;
  DescriptorPath descriptor_;
  std::size_t skipped_ = 0;  // bytes of the text in front of get()'s
  std::int64_t error_ = 0;
  bool followed_ = false;
};

inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;

inline LinuxTimespec ToTimespec(std::int64_t ns) {
  std::int64_t seconds = ns / kNsPerSecond;
  std::int64_t rest = ns % kNsPerSecond;
  if (rest < 0) {
    --seconds;
    rest += kNsPerSecond;
  }
  return {seconds, rest};
}
// -1: not a valid time of day or interval. Saturates far in the future.
inline std::int64_t FromTimespec(const LinuxTimespec& time) {
  if (time.seconds < 0 || time.nanoseconds < 0 || time.nanoseconds >= kNsPerSecond) {
    return -1;
  }
  if (time.seconds >= INT64_MAX / kNsPerSecond) {
    return INT64_MAX;
  }
  return time.seconds * kNsPerSecond + time.nanoseconds;
}
// An interval, or time of day, from the program. 0, -EFAULT, -EINVAL.
[[nodiscard]] inline std::int64_t ReadTimespec(std::uint64_t address, std::int64_t* ns) {
  LinuxTimespec time;
  if (!ReadUser(&time, address)) {
    return -kEFAULT;
  }
  *ns = FromTimespec(time);
  return *ns < 0 ? -kEINVAL : 0;
}
// A monotonic deadline `ns` from now, never 0.
inline std::uint64_t DeadlineAfter(std::int64_t ns) {
  const std::uint64_t now = kernel::MonotonicNs();
  const auto delta = static_cast<std::uint64_t>(ns);
  return now + delta < now || now + delta > INT64_MAX ? INT64_MAX : now + delta;
}

// The time limit of a call that is given an interval. A call that starts again, since no handler
// took the signal that ended its wait (the process was stopped, and goes on), keeps its first one;
// signals.cc forgets it when a handler starts. To be made before the call can fail.
class TimeLimit {
 public:
  explicit TimeLimit(Thread& thread) : thread_(thread), kept_ns_(thread.kept_deadline_ns) {
    thread.kept_deadline_ns = 0;
  }
  std::uint64_t After(std::int64_t ns) {
    deadline_ns_ = kept_ns_ != 0 ? kept_ns_ : DeadlineAfter(ns);
    return deadline_ns_;
  }
  // The call's reply passes through.
  std::int64_t Keep(std::int64_t reply) {
    thread_.kept_deadline_ns = reply == -kERESTARTNOHAND ? deadline_ns_ : 0;
    return reply;
  }

 private:
  Thread& thread_;
  const std::uint64_t kept_ns_;
  std::uint64_t deadline_ns_ = 0;
};

}  // namespace k42::personality
