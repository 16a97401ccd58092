// Open file descriptions: what descriptors point to, shared by dup and inherited by fork.
//
// KernelFile is a handle of an object in the kernel and serves nearly everything. A few kinds live
// in the personality itself (epoll, timers, netlink answers): they are not shared with a forked
// child beyond the state it copies (README, "Limits").
//
// Readiness has one form for both: a Watch waits for `mask` on a description. KernelFile gives the
// kernel a ticket; a local description keeps its watches in a list and calls Notify.
//
// References are held by descriptor tables, by a current directory, and by calls while they last.
// All descriptions are in one list, for fork: what only calls of the parent's threads had is not
// the child's.
#pragma once

#include <cstdint>

#include "abi/readiness.h"
#include "user/linux/kernel.h"
#include "user/linux/list.h"
#include "user/linux/tickets.h"

namespace k42::personality {

class Description;
class FdTable;
struct FsContext;

class Watch : public TicketUser {
 public:
  // At most once per Start.
  virtual void Ready() = 0;
  void TicketFired(std::uint32_t fired) final;
  bool active() const { return waiting; }
  // The kernel has forgotten our tickets (fork): so do we.
  void Forget();

  // For the description only.
  ListLink<Watch> link;
  std::uint32_t ticket = kNoTicket;
  std::uint32_t mask = 0;
  bool waiting = false;
  // A call waits by it, so it ends with the call: it may have one of the tickets that are kept for
  // those (Tickets::kForCalls).
  const bool of_call;

 protected:
  constexpr explicit Watch(bool waits_for_call) : of_call(waits_for_call) {}
  ~Watch() = default;
};

class Description {
 public:
  enum class Kind : std::uint8_t { kFile, kEpoll, kTimer, kNetlink, kSignal, kFolder };

  explicit Description(Kind kind, std::uint32_t linux_flags);

  void Retain() { ++references_; }
  // One descriptor has it, and no call.
  bool is_alone() const { return references_ == 1; }
  // Of one that was kept when the last reference went (file_slots.h): its first again.
  void Revive() { references_ = 1; }
  // The last one destroys.
  static void Release(Description* description);

  Kind kind() const { return kind_; }
  // Kernel files ask the kernel: another process may have changed the shared flag.
  virtual bool nonblocking();
  std::uint32_t linux_flags() const { return linux_flags_; }  // what F_GETFL reports
  void set_linux_flags(std::uint32_t flags) { linux_flags_ = flags; }

  // May block the thread, unless the description is non-blocking. Bytes or a negative error number.
  virtual std::int64_t Read(std::uint64_t address, std::uint64_t size) = 0;
  virtual std::int64_t Write(std::uint64_t address, std::uint64_t size) = 0;
  // A packed abi::PollWord.
  virtual std::uint64_t Poll() = 0;
  // watch->Ready() will be called once when mask holds (since: see abi/readiness.h). kNoMemory, or
  // kLimitExceeded for a watch of no call: there are too many.
  virtual Status StartWatch(Watch* watch, std::uint32_t mask, std::uint64_t since) = 0;
  virtual void StopWatch(Watch* watch) = 0;
  // In a forked child: nobody watches it any more, nor does it watch others.
  virtual void Forked() {}
  // The same for all, before the parent's other threads are gone.
  static void AllForked();
  // Then, if there were any: what neither the table nor the context has is closed.
  static void KeepOnly(const FdTable& files, const FsContext& fs);

  // For the list of all.
  ListLink<Description> link;

 protected:
  virtual void Destroy() = 0;
  ~Description();

 private:
  std::uint32_t references_ = 1;
  Kind kind_;
  std::uint32_t linux_flags_;
};

class KernelFile final : public Description {
 public:
  // Takes the handle over. Null: no memory, and the handle is closed.
  static KernelFile* Create(kernel::Handle handle, std::uint32_t linux_flags);

  kernel::Handle handle() const { return handle_; }

  std::int64_t Read(std::uint64_t address, std::uint64_t size) override;
  std::int64_t Write(std::uint64_t address, std::uint64_t size) override;
  std::uint64_t Poll() override;
  Status StartWatch(Watch* watch, std::uint32_t mask, std::uint64_t since) override;
  void StopWatch(Watch* watch) override;
  bool nonblocking() override;
  // The error number of a write, or change of size, that ended so, and its signal if it has one.
  std::int64_t WriteError(Status status) const;
  // At `offset`, and the position stays.
  std::int64_t ReadAt(std::uint64_t offset, std::uint64_t address, std::uint64_t size);
  std::int64_t WriteAt(std::uint64_t offset, std::uint64_t address, std::uint64_t size);
  // The new position, or an error number.
  std::int64_t Seek(std::int64_t offset, fs::SeekFrom from);

  // For file_slots.cc only: the slot it is served in, and since when the kernel serves it.
  std::uint32_t slot = abi::FileSlots::kNone;
  std::uint16_t transfers = 0;
  std::uint16_t patience = 0;
  std::uint32_t open_flags = 0;
  std::uint64_t opened_as = 0;  // 0: not to be kept when closed

  // What sockets remember for those who block on them; 0 none.
  std::uint64_t receive_timeout_ns = 0;
  std::uint64_t send_timeout_ns = 0;
  bool is_socket = false;
  bool is_event_counter = false;
  bool is_file_watcher = false;
  bool is_task = false;
  // As the kernel says what kind of object it is.
  void SetKind(fs::FileKind kind);
  // Opening it again by the name of a descriptor is refused.
  bool cannot_be_opened() const {
    return is_socket || is_event_counter || is_file_watcher || is_task;
  }
  // Known as a stream, from where it was made or by what it answered: the kernel need not be asked
  // whether one of its calls goes on in the background.
  bool is_stream = false;
  bool connecting = false;

 private:
  template <typename T, typename... A>
  friend T* New(A&&...);
  explicit KernelFile(kernel::Handle handle, std::uint32_t linux_flags)
      : Description(Kind::kFile, linux_flags), handle_(handle) {}
  void Destroy() override;
  friend void CloseForGood(KernelFile* file);
  // Bytes, an error number, or kNotYet: try again.
  static constexpr std::int64_t kNotYet = INT64_MIN;
  std::int64_t ReadOrWait(std::uint64_t address, std::uint64_t size, std::uint64_t deadline);

  // What becomes of who was told that it is in its terminal's background: StopInBackground.
  std::int64_t InBackground(int signal);
  // For input of a terminal; `deadline` is set by the first wait.
  std::int64_t WaitForTyping(std::uint64_t* deadline);

  kernel::Handle handle_;
  // It has answered that there is nothing yet, and may do so again: we ask and wait in one call.
  bool awaited_ = false;
  // Known then, too: how long it waits is in its settings.
  bool is_terminal_ = false;
};

// Base of the kinds that live here.
class LocalDescription : public Description {
 public:
  using Description::Description;

  std::int64_t Read(std::uint64_t address, std::uint64_t size) override;
  std::int64_t Write(std::uint64_t address, std::uint64_t size) override;
  Status StartWatch(Watch* watch, std::uint32_t mask, std::uint64_t since) override;
  void StopWatch(Watch* watch) override;
  void Forked() override;

 protected:
  ~LocalDescription() = default;
  // The state has changed; an edge for those who count edges.
  void Notify();
  std::uint64_t Word(std::uint32_t ready) const {
    return abi::PollWord{ready, edges_, edges_}.Pack();
  }

 private:
  List<Watch, &Watch::link> watches_;
  std::uint16_t edges_ = 0;
};

// Blocks the current thread until mask holds on the description.
// 0, -EAGAIN after the deadline; after a signal -ERESTARTSYS, or -EINTR if there is a deadline.
std::int64_t WaitReady(Description* description, std::uint32_t mask, std::uint64_t deadline_ns = 0,
                       std::uint64_t since = abi::kArmLevel);

// A reference for a scope.
class DescriptionRef {
 public:
  DescriptionRef() = default;
  // Takes over one reference.
  explicit DescriptionRef(Description* description) : description_(description) {}
  DescriptionRef(DescriptionRef&& other) noexcept : description_(other.description_) {
    other.description_ = nullptr;
  }
  DescriptionRef& operator=(DescriptionRef&& other) noexcept {
    if (this != &other) {
      Description* old = description_;
      description_ = other.description_;
      other.description_ = nullptr;
      if (old) {
        Description::Release(old);
      }
    }
    return *this;
  }
  ~DescriptionRef() {
    if (description_) {
      Description::Release(description_);
    }
  }

  explicit operator bool() const { return description_ != nullptr; }
  Description* get() const { return description_; }
  Description* operator->() const { return description_; }
  // Null if it is of another kind.
  KernelFile* file() const {
    return description_ && description_->kind() == Description::Kind::kFile
               ? static_cast<KernelFile*>(description_)
               : nullptr;
  }
  Description* Take() {
    Description* taken = description_;
    description_ = nullptr;
    return taken;
  }

 private:
  Description* description_ = nullptr;
};

}  // namespace k42::personality
