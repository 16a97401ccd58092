// Terminal: bytes. Settings, windows, sessions: terminal_control.cc.
#include "io/terminal.h"

#include <algorithm>
#include <cstring>

#include "abi/signal.h"
#include "mem/heap.h"

namespace k42::io {

using machine::MutexGuard;

Result<Terminal*> Terminal::Make(JobControl& jobs, std::uint64_t device, Screen screen) {
  return mem::New<Terminal>(jobs, device, screen);
}

void Terminal::Dispose() {
  mem::Delete(this);
}

// -- effects of the discipline
// ----------------------------------------------------------------------

// Called by steps that hold lock_; the analysis cannot see it through the interface.
void Terminal::Output(std::uint8_t byte) K42_NO_THREAD_SAFETY_ANALYSIS {
  if (screen_tail_ - screen_head_ == kScreenBytes) {
    if (screen_ == nullptr) {
      return;  // echo nobody reads
    }
    EmptyScreenLocked();
  }
  screen_ring_[screen_tail_++ % kScreenBytes] = byte;
}

// Likewise.
void Terminal::Signal(std::uint32_t signal) K42_NO_THREAD_SAFETY_ANALYSIS {
  if (foreground_ != 0) {
    jobs_.SignalGroup(foreground_, signal);
  }
}

// Likewise.
void Terminal::DropOutput() K42_NO_THREAD_SAFETY_ANALYSIS {
  screen_head_ = screen_tail_;
}

void Terminal::HoldOutput(bool) {}  // the discipline remembers; writers look (Write)

void Terminal::EmptyScreenLocked() {
  while (screen_ != nullptr && screen_head_ != screen_tail_) {
    const std::uint32_t at = screen_head_ % kScreenBytes;
    const std::uint32_t size = std::min(screen_tail_ - screen_head_, kScreenBytes - at);
    screen_(std::span(screen_ring_).subspan(at, size));
    screen_head_ += size;
  }
}

bool Terminal::ReadableLocked() const {
  const TerminalSettings& settings = discipline_.settings();
  if ((settings.local & kLocalCanonical) != 0) {
    return discipline_.readable();
  }
  const std::uint32_t least = settings.keys[static_cast<std::uint32_t>(TerminalKey::kMinimum)];
  return discipline_.committed() >= std::max<std::uint32_t>(least, 1);
}

bool Terminal::AwaitsBytesLocked() const {
  const TerminalSettings& settings = discipline_.settings();
  return (settings.local & kLocalCanonical) != 0 ||
         settings.keys[static_cast<std::uint32_t>(TerminalKey::kMinimum)] != 0;
}

std::uint32_t Terminal::FirstByteTimeLocked() const {
  return AwaitsBytesLocked()
             ? 0
             : discipline_.settings().keys[static_cast<std::uint32_t>(TerminalKey::kTime)];
}

// With nothing to be read and no line end in sight, a full line discards what more is typed: else a
// master that writes one endless line would wait for ever.
bool Terminal::CanTypeLocked() const {
  return discipline_.has_room() || !discipline_.readable();
}

void Terminal::UpdateLocked(std::uint32_t activity, std::uint32_t master_activity,
                            Wakeups& wakeups) {
  const bool can_write =
      !discipline_.output_held() && (screen_ != nullptr || ScreenRoomLocked() >= 2);
  std::uint32_t ready = 0;
  ready |= ReadableLocked() || hung_up_ ? abi::kReadable : 0;
  ready |= can_write || hung_up_ ? abi::kWritable : 0;
  ready |= hung_up_ ? abi::kError | kInputEnded | kOutputEnded : 0;
  program_list_.Update(abi::kReadable | abi::kWritable | abi::kError | kInputEnded | kOutputEnded,
                       ready, activity, wakeups);
  const bool programs_gone = was_open_ && opens_ == 0;
  ready = 0;
  ready |= screen_head_ != screen_tail_ ? abi::kReadable : 0;
  ready |= CanTypeLocked() ? abi::kWritable : 0;
  ready |= programs_gone ? kInputEnded | kOutputEnded : 0;
  master_list_.Update(abi::kReadable | abi::kWritable | kInputEnded | kOutputEnded, ready,
                      master_activity, wakeups);
}

// -- the programs' side
// -----------------------------------------------------------------------------

void Terminal::Opened(Caller caller, bool may_control) {
  Wakeups wakeups;
  {
    MutexGuard guard(lock_);
    ++opens_;
    was_open_ = true;
    hung_up_ = hung_up_ && screen_ == nullptr;
    UpdateLocked(0, 0, wakeups);
  }
  Place place;
  if (may_control && IsOk(jobs_.Find(caller, &place)) && place.leads_session() &&
      place.terminal == 0) {
    (void)TakeForSession(place, false);  // somebody else's: opened without control
  }
}

void Terminal::Closed() {
  Wakeups wakeups;
  MutexGuard guard(lock_);
  --opens_;
  UpdateLocked(0, 0, wakeups);
}

Result<bool> Terminal::IsBackground(Caller caller, std::uint32_t* group) {
  Place place;
  TRY(jobs_.Find(caller, &place));
  *group = place.group;
  MutexGuard guard(lock_);
  return place.task != 0 && session_ != 0 && place.session == session_ &&
         place.group != foreground_;
}

Result<std::uint64_t> Terminal::Read(Caller caller, BufferOut data) {
  std::uint32_t group = 0;
  if (TRY(IsBackground(caller, &group))) {
    return Status::kNotOwner;
  }
  MutexGuard reader(reader_lock_);
  std::uint64_t done = 0;
  for (bool ended = false; !ended && done < data.size();) {
    std::uint8_t bytes[kCopy];
    std::size_t size;
    {
      MutexGuard guard(lock_);
      if (done == 0 && !ReadableLocked()) {
        const bool waits = AwaitsBytesLocked() || FirstByteTimeLocked() != 0;
        if (hung_up_ || !waits) {
          return std::uint64_t{0};
        }
        return Status::kWouldBlock;
      }
      if (!discipline_.readable()) {
        break;
      }
      size = discipline_.Peek(std::span(bytes).first(std::min(kCopy, data.size() - done)));
    }
    const Status copied = data.CopyFrom(bytes, done, size);
    if (!IsOk(copied)) {
      if (done == 0) {
        return copied;
      }
      break;
    }
    Wakeups wakeups;
    MutexGuard guard(lock_);
    ended = discipline_.Consume(size);
    UpdateLocked(0, abi::kWritable, wakeups);
    done += size;
  }
  return done;
}

Result<std::uint64_t> Terminal::Write(Caller caller, BufferIn data) {
  bool stops_background;
  {
    MutexGuard guard(lock_);
    stops_background = (discipline_.settings().local & kLocalStopOutput) != 0;
  }
  std::uint32_t group = 0;
  if (stops_background && TRY(IsBackground(caller, &group))) {
    return Status::kNotOwner;
  }
  return WriteBytes(data);
}

Result<std::uint64_t> Terminal::WriteBytes(BufferIn data) {
  std::uint64_t done = 0;
  const std::uint64_t all = screen_ != nullptr ? std::min(data.size(), kMostAtOnce) : data.size();
  while (done < all) {
    std::uint8_t bytes[kCopy];
    const std::size_t size = std::min(kCopy, all - done);
    const Status copied = data.CopyTo(bytes, done, size);
    if (!IsOk(copied)) {
      if (done == 0) {
        return copied;
      }
      break;
    }
    Wakeups wakeups;
    MutexGuard guard(lock_);
    if (hung_up_) {
      if (done == 0) {
        return Status::kIoError;
      }
      break;
    }
    std::size_t taken = 0;
    // A byte may become two on the screen.
    while (taken < size && !discipline_.output_held() &&
           (screen_ != nullptr || ScreenRoomLocked() >= 2)) {
      discipline_.Output(bytes[taken++], *this);
    }
    EmptyScreenLocked();
    UpdateLocked(0, abi::kReadable, wakeups);
    done += taken;
    if (taken < size) {
      break;
    }
  }
  if (done == 0 && !data.empty()) {
    return Status::kWouldBlock;
  }
  return done;
}

// -- the keyboard's side
// ----------------------------------------------------------------------------

std::size_t Terminal::TypeLocked(std::span<const std::uint8_t> bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && CanTypeLocked()) {
    discipline_.Input(bytes[taken++], *this);
  }
  EmptyScreenLocked();
  return taken;
}

std::size_t Terminal::Type(std::span<const std::uint8_t> bytes) {
  Wakeups wakeups;
  MutexGuard guard(lock_);
  const std::size_t taken = TypeLocked(bytes);
  UpdateLocked(taken != 0 ? abi::kReadable : 0, 0, wakeups);
  return taken;
}

Result<std::uint64_t> Terminal::TypeFrom(BufferIn data) {
  std::uint64_t done = 0;
  while (done < data.size()) {
    std::uint8_t bytes[kCopy];
    const std::size_t size = std::min(kCopy, data.size() - done);
    const Status copied = data.CopyTo(bytes, done, size);
    if (!IsOk(copied)) {
      if (done == 0) {
        return copied;
      }
      break;
    }
    Wakeups wakeups;
    MutexGuard guard(lock_);
    const std::size_t taken = TypeLocked(std::span(bytes).first(size));
    UpdateLocked(taken != 0 ? abi::kReadable : 0, abi::kReadable, wakeups);
    done += taken;
    if (taken < size) {
      break;
    }
  }
  if (done == 0 && !data.empty()) {
    return Status::kWouldBlock;
  }
  return done;
}

Result<std::uint64_t> Terminal::ReadScreen(BufferOut data) {
  MutexGuard reader(reader_lock_);
  std::uint64_t done = 0;
  std::uint64_t prefix = 0;
  while (prefix + done < data.size()) {
    std::uint8_t bytes[kCopy];
    std::size_t size;
    std::uint32_t begin;
    {
      MutexGuard guard(lock_);
      prefix = packet_mode_ ? 1 : 0;
      size =
          std::min<std::size_t>({kCopy, data.size() - done - prefix, screen_tail_ - screen_head_});
      if (size == 0 && done == 0) {
        return was_open_ && opens_ == 0 ? Status::kIoError : Status::kWouldBlock;
      }
      begin = screen_head_;
      for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = screen_ring_[(screen_head_ + i) % kScreenBytes];
      }
    }
    if (size == 0) {
      break;
    }
    const std::uint8_t kData = 0;  // packet mode: "what follows is data"
    if (prefix != 0 && done == 0) {
      TRY(data.CopyFrom(&kData, 0, 1));
    }
    TRY(data.CopyFrom(bytes, prefix + done, size));
    Wakeups wakeups;
    MutexGuard guard(lock_);
    // A flush may have dropped some of them meanwhile.
    const std::uint32_t gone = screen_head_ - begin;
    screen_head_ += gone < size ? static_cast<std::uint32_t>(size) - gone : 0;
    UpdateLocked(abi::kWritable, 0, wakeups);
    done += size;
  }
  return prefix + done;
}

std::uint64_t Terminal::ScreenBytes() {
  MutexGuard guard(lock_);
  return screen_tail_ - screen_head_;
}

void Terminal::HangUpLocked(Wakeups& wakeups) {
  hung_up_ = true;
  discipline_.FlushInput();
  if (foreground_ != 0) {
    jobs_.SignalGroup(foreground_, abi::kSignalHangup);
    jobs_.SignalGroup(foreground_, abi::kSignalContinue);
  }
  session_ = 0;
  foreground_ = 0;
  UpdateLocked(abi::kReadable | abi::kWritable, 0, wakeups);
}

void Terminal::MasterClosed() {
  Wakeups wakeups;
  MutexGuard guard(lock_);
  HangUpLocked(wakeups);
}

void Terminal::SessionEnded(std::uint32_t session) {
  Wakeups wakeups;
  MutexGuard guard(lock_);
  if (session_ == session && session != 0) {
    HangUpLocked(wakeups);
  }
}

}  // namespace k42::io
