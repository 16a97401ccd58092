// KernelFile: descriptions of what the kernel serves, and who waits for them.
#include "user/linux/abi_files.h"
#include "user/linux/dispatchers.h"
#include "user/linux/epoll.h"
#include "user/linux/errno.h"
#include "user/linux/file_slots.h"
#include "user/linux/heap.h"
#include "user/linux/signals.h"
#include "user/linux/terminal.h"
#include "user/linux/thread_watch.h"

namespace k42::personality {

KernelFile* KernelFile::Create(kernel::Handle handle, std::uint32_t linux_flags) {
  void* memory = Allocate(sizeof(KernelFile));
  if (!memory) {
    kernel::Close(handle);
    return nullptr;
  }
  return new (memory) KernelFile(handle, linux_flags);
}

bool KernelFile::nonblocking() {
  const Result<std::uint32_t> flags = kernel::GetFlags(handle_);
  if (flags.ok()) {
    const bool waits = (flags.value() & fs::kOpenNonBlocking) == 0;
    const bool appends = (flags.value() & fs::kOpenAppend) != 0;
    set_linux_flags((linux_flags() & ~(kO_NONBLOCK | kO_APPEND)) | (waits ? 0 : kO_NONBLOCK) |
                    (appends ? kO_APPEND : 0));
  }
  return Description::nonblocking();
}

void KernelFile::SetKind(fs::FileKind kind) {
  is_socket = kind == fs::FileKind::kSocket;
  is_event_counter = kind == fs::FileKind::kEventCounter;
  is_file_watcher = kind == fs::FileKind::kFileWatcher;
  is_task = kind == fs::FileKind::kTask;
  is_stream = cannot_be_opened() || kind == fs::FileKind::kFifo;
}

void KernelFile::Destroy() {
  Epoll::DescriptionGone(this);
  if (!KeepClosedFile(*this)) {
    CloseForGood(this);
  }
}

void CloseForGood(KernelFile* file) {
  kernel::Close(file->handle_);
  ForgetSlot(*file);
  Delete(file);
}

std::int64_t KernelFile::Read(std::uint64_t address, std::uint64_t size) {
  if (slot != abi::FileSlots::kNone) {
    const std::int64_t got = ReadInSlot(*this, address, size, kAtPosition);
    if (got != kNotInSlot) {
      return got;
    }
  }
  if (is_event_counter && size < 8) {
    return -kEINVAL;
  }
  const std::uint64_t deadline =
      receive_timeout_ns ? kernel::MonotonicNs() + receive_timeout_ns : 0;
  std::uint64_t typing_deadline = 0;
  std::uint64_t done = 0;  // not of a stream, which gives what it has
  for (;;) {
    if (awaited_) {
      const std::int64_t got = ReadOrWait(address, size, deadline);
      if (got != kNotYet) {
        return got;
      }
    }
    const Result<std::uint64_t> got = is_stream
                                          ? kernel::ReadStream(handle_, address, size)
                                          : kernel::Read(handle_, address + done, size - done);
    if (got.ok()) {
      CountTransfer(*this);
      done += got.value();
      if (got.value() == kernel::kMostAtOnce && done < size && !is_stream) {
        continue;
      }
    }
    if (done != 0) {
      return static_cast<std::int64_t>(done);
    }
    if (got.status() == Status::kNotOwner) {
      const std::int64_t stopped = InBackground(kSIGTTIN);
      if (stopped < 0) {
        return stopped;
      }
      continue;
    }
    if (got.status() != Status::kWouldBlock) {
      return ToReply(got);
    }
    is_stream = true;
    if (nonblocking()) {
      return ToReply(got);
    }
    is_terminal_ = is_terminal_ || (!awaited_ && !is_socket && FirstByteTime(*this) >= 0);
    awaited_ = !is_terminal_;
    const std::int64_t waited =
        is_terminal_ ? WaitForTyping(&typing_deadline) : WaitReady(this, abi::kReadable, deadline);
    if (waited < 0) {
      return is_terminal_ && waited == -kEAGAIN ? 0 : waited;
    }
  }
}

std::int64_t KernelFile::InBackground(int signal) {
  const std::int64_t stopped = StopInBackground(Self(), *this, signal);
  return stopped == -kENOTTY ? -kEPERM : stopped;
}

// The settings may be others after each wait; the time counts from the first.
std::int64_t KernelFile::WaitForTyping(std::uint64_t* deadline) {
  const std::int64_t time = FirstByteTime(*this);
  if (time > 0 && *deadline == 0) {
    *deadline = kernel::MonotonicNs() + static_cast<std::uint64_t>(time);
  }
  return WaitReady(this, abi::kReadable, time > 0 ? *deadline : 0);
}

std::int64_t KernelFile::ReadOrWait(std::uint64_t address, std::uint64_t size,
                                    std::uint64_t deadline) {
  ThreadWatch watch(&Self());
  watch.ticket = Here().tickets().Take(&watch);
  if (watch.ticket == kNoTicket) {
    return kNotYet;
  }
  watch.waiting = true;
  const Result<std::uint64_t> got = kernel::ReadOrArm(handle_, address, size, watch.ticket);
  if (got.status() == Status::kPending) {
    const std::int64_t waited = AwaitWatch(this, &watch, deadline);
    return waited < 0 ? waited : kNotYet;
  }
  Here().tickets().Release(watch.ticket);
  watch.Forget();
  return ToReply(got);
}

namespace {

Result<std::uint64_t> WriteAnyway(kernel::Handle terminal, std::uint64_t address,
                                  std::uint64_t size) {
  constexpr std::uint64_t kMost = 4096;  // of one control operation
  return kernel::Control(terminal, io::kTerminalWriteAnyway, reinterpret_cast<const void*>(address),
                         size < kMost ? size : kMost, nullptr, 0);
}

}  // namespace

std::int64_t KernelFile::Write(std::uint64_t address, std::uint64_t size) {
  if (slot != abi::FileSlots::kNone) {
    const std::int64_t put = WriteInSlot(*this, address, size, kAtPosition);
    if (put != kNotInSlot) {
      return put;
    }
  }
  if (is_event_counter && size < 8) {
    return -kEINVAL;
  }
  const std::uint64_t deadline = send_timeout_ns ? kernel::MonotonicNs() + send_timeout_ns : 0;
  std::uint64_t done = 0;
  bool anyway = false;  // a terminal that stops the background's output, but not this one's
  for (;;) {
    const Result<std::uint64_t> put =
        anyway      ? WriteAnyway(handle_, address + done, size - done)
        : is_stream ? kernel::WriteStream(handle_, address + done, size - done)
                    : kernel::Write(handle_, address + done, size - done);
    if (put.ok()) {
      CountTransfer(*this);
      done += put.value();
      // A blocking writer of a stream goes on until everything has gone; a non-blocking one ends at
      // the next kWouldBlock.
      if (done >= size || put.value() == 0) {
        return static_cast<std::int64_t>(done);
      }
      // No signal cuts the write of a file, and what takes little at a time is none.
      if (put.value() < kernel::kMostAtOnce) {
        TakeKernelSignals();
        if (HasSignalToDeliver(Self())) {
          return static_cast<std::int64_t>(done);
        }
      }
      continue;
    }
    if (put.status() == Status::kNotOwner && done == 0) {
      const std::int64_t stopped = InBackground(kSIGTTOU);
      if (stopped < 0) {
        return stopped;
      }
      anyway = true;
      continue;
    }
    is_stream = is_stream || put.status() == Status::kWouldBlock;
    if (put.status() != Status::kWouldBlock || nonblocking()) {
      if (done != 0) {
        return static_cast<std::int64_t>(done);
      }
      return WriteError(put.status());
    }
    const std::int64_t waited = WaitReady(this, abi::kWritable, deadline);
    if (waited < 0) {
      return done ? static_cast<std::int64_t>(done) : waited;
    }
  }
}

std::int64_t KernelFile::ReadAt(std::uint64_t offset, std::uint64_t address, std::uint64_t size) {
  if (slot != abi::FileSlots::kNone) {
    const std::int64_t got = ReadInSlot(*this, address, size, static_cast<std::int64_t>(offset));
    if (got != kNotInSlot) {
      return got;
    }
  }
  for (std::uint64_t done = 0;;) {
    const Result<std::uint64_t> got =
        kernel::ReadAt(handle_, offset + done, address + done, size - done);
    if (!got.ok()) {
      return done != 0 ? static_cast<std::int64_t>(done) : ToReply(got);
    }
    CountTransfer(*this);
    done += got.value();
    if (got.value() < kernel::kMostAtOnce || done == size) {
      return static_cast<std::int64_t>(done);
    }
  }
}

std::int64_t KernelFile::WriteAt(std::uint64_t offset, std::uint64_t address, std::uint64_t size) {
  if (slot != abi::FileSlots::kNone) {
    const std::int64_t put = WriteInSlot(*this, address, size, static_cast<std::int64_t>(offset));
    if (put != kNotInSlot) {
      return put;
    }
  }
  for (std::uint64_t done = 0;;) {
    const Result<std::uint64_t> put =
        kernel::WriteAt(handle_, offset + done, address + done, size - done);
    if (!put.ok()) {
      return done != 0 ? static_cast<std::int64_t>(done) : WriteError(put.status());
    }
    CountTransfer(*this);
    done += put.value();
    if (put.value() < kernel::kMostAtOnce || done == size) {
      return static_cast<std::int64_t>(done);
    }
  }
}

std::int64_t KernelFile::Seek(std::int64_t offset, fs::SeekFrom from) {
  if (slot != abi::FileSlots::kNone) {
    const std::int64_t position = SeekInSlot(*this, offset, from);
    if (position != kNotInSlot) {
      return position;
    }
  }
  return ToReply(kernel::Seek(handle_, offset, from));
}

std::int64_t KernelFile::WriteError(Status status) const {
  if (status == Status::kBrokenPipe) {
    RaiseSignal(Self(), kSIGPIPE);
  }
  if (status == Status::kLimitExceeded && !is_socket) {
    RaiseSignal(Self(), kSIGXFSZ);  // beyond the largest size that files may get
    return -kEFBIG;
  }
  return ErrnoOf(status);
}

std::uint64_t KernelFile::Poll() {
  const Result<std::uint64_t> word = kernel::PollState(handle_);
  // What has no state to wait for (regular files) is always ready.
  return word.ok() ? word.value() : abi::PollWord{abi::kReadable | abi::kWritable, 0, 0}.Pack();
}

Status KernelFile::StartWatch(Watch* watch, std::uint32_t mask, std::uint64_t since) {
  Tickets& tickets = Here().tickets();
  watch->ticket = watch->of_call ? tickets.Take(watch) : tickets.TakeForWatch(watch);
  if (watch->ticket == kNoTicket) {
    return watch->of_call ? Status::kNoMemory : Status::kLimitExceeded;
  }
  watch->waiting = true;
  const Status status = kernel::Arm(handle_, mask, since, watch->ticket);
  if (status != Status::kOk && status != Status::kPending) {
    Here().tickets().Release(watch->ticket);
    watch->Forget();
    return status;
  }
  return Status::kOk;
}

void KernelFile::StopWatch(Watch* watch) {
  if (!watch->waiting) {
    return;
  }
  // Cancelled first: what a disarmed object has begun to say by then comes to nothing.
  if (kernel::CancelTicket(watch->ticket)) {
    (void)kernel::Disarm(handle_, watch->ticket);
    Dispatchers::OfTicket(watch->ticket).tickets().Release(watch->ticket);
    watch->Forget();
    return;
  }
  while (watch->waiting) {  // fired already
    Dispatchers::TakeFired(watch->ticket);
  }
}

}  // namespace k42::personality
