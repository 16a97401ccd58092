// Terminal: one line discipline between a keyboard and screen on one side (the console's serial
// line, or the master of a pair) and programs on the other.
//
// What programs and echo write goes through a ring to the screen: the console's is emptied at once,
// a pair's when its master reads. What is typed goes through the discipline to the readers.
//
// Sessions: a terminal belongs to at most one session, whose foreground group gets the signals of
// the keyboard. A member of another group of that session that reads (or writes, with
// kLocalStopOutput) is told kNotOwner. What becomes of it, and whether a background member may
// change settings and the foreground group, depends on what it does about the signals for that,
// which only its personality knows: it asks kTerminalIsBackground, and has its group signalled. Raw
// reads: with key kMinimum zero a read takes what there is; with kTime, and nothing there, it is
// kWouldBlock, and whoever waits has a timer of its own. Between bytes kTime is not honoured.
//
// Hung up (a pair's master has closed, or the session's leader has ended on it): reads find the
// end, writes kIoError, for good for a pair, until the next opening for the console.
//
// Locking: lock_ guards all and is never held while user memory is touched or a ticket fires;
// reader_lock_ lets one reader at a time peek, copy and consume; lock_ is taken inside it.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/buffer.h"
#include "base/ref_counted.h"
#include "io/job_control.h"
#include "io/line_discipline.h"
#include "io/ready_list.h"
#include "machine/mutex.h"

namespace k42::io {

class Terminal final : public RefCounted, private TerminalEffects {
 public:
  using Caller = const cobj::CallContext&;
  using Place = JobControl::Place;
  // Takes bytes for a screen that is always ready. Called with the terminal locked: must not block.
  using Screen = void (*)(std::span<const std::uint8_t> bytes);

  // `screen` null: one of a pair.
  static Result<Terminal*> Make(JobControl& jobs, std::uint64_t device, Screen screen);
  Terminal(JobControl& jobs, std::uint64_t device, Screen screen)
      : jobs_(jobs), device_(device), screen_(screen) {}

  std::uint64_t device() const { return device_; }

  // -- the programs' side --
  void Opened(Caller caller, bool may_control);
  void Closed();
  Result<std::uint64_t> Read(Caller caller, BufferOut data);
  Result<std::uint64_t> Write(Caller caller, BufferIn data);
  Result<std::uint64_t> Control(Caller caller, std::uint32_t operation, BufferIn input,
                                BufferOut output);
  ReadyList& program_list() { return program_list_; }

  // -- the keyboard's side --
  // Returns how many bytes it took.
  std::size_t Type(std::span<const std::uint8_t> bytes);
  // A pair's master: kWouldBlock, kIoError once all programs have closed it.
  Result<std::uint64_t> ReadScreen(BufferOut data);
  Result<std::uint64_t> TypeFrom(BufferIn data);
  std::uint64_t ScreenBytes();
  void MasterClosed();
  void SetPacketMode(bool on);
  ReadyList& master_list() { return master_list_; }

  // The session `session` has lost its leader.
  void SessionEnded(std::uint32_t session);
  // Gives the terminal to a session without asking (the first process).
  void Adopt(std::uint32_t session, std::uint32_t group);

 private:
  static constexpr std::uint32_t kScreenBytes = 8192;
  static constexpr std::size_t kCopy = 512;  // bytes on the stack at a time
  // Of one Write: a screen takes its time, and who writes cannot be ended meanwhile.
  static constexpr std::size_t kMostAtOnce = 4096;

  void Dispose() override;
  // TerminalEffects, with lock_ held.
  void Output(std::uint8_t byte) override;
  void Signal(std::uint32_t signal) override;
  void DropOutput() override;
  void HoldOutput(bool hold) override;

  Result<bool> IsBackground(Caller caller, std::uint32_t* group);
  Result<std::uint64_t> SignalBackground(Caller caller, BufferIn input);
  Result<std::uint64_t> WriteBytes(BufferIn data);
  std::size_t TypeLocked(std::span<const std::uint8_t> bytes) K42_REQUIRES(lock_);
  bool ReadableLocked() const K42_REQUIRES(lock_);
  // A read waits for a line, or for a number of bytes, however long it takes.
  bool AwaitsBytesLocked() const K42_REQUIRES(lock_);
  // Else: how long for the first byte, in tenths of a second.
  std::uint32_t FirstByteTimeLocked() const K42_REQUIRES(lock_);
  bool CanTypeLocked() const K42_REQUIRES(lock_);
  std::uint32_t ScreenRoomLocked() const K42_REQUIRES(lock_) {
    return kScreenBytes - (screen_tail_ - screen_head_);
  }
  void EmptyScreenLocked() K42_REQUIRES(lock_);
  void UpdateLocked(std::uint32_t activity, std::uint32_t master_activity, Wakeups& wakeups)
      K42_REQUIRES(lock_);
  void HangUpLocked(Wakeups& wakeups) K42_REQUIRES(lock_);
  Result<std::uint64_t> ChangeSettings(std::uint32_t operation, BufferIn input);
  Result<std::uint64_t> SetWindow(BufferIn input);
  Result<std::uint64_t> SessionControl(Caller caller, std::uint32_t operation, BufferIn input);
  Status TakeForSession(const Place& place, bool steal);

  JobControl& jobs_;
  const std::uint64_t device_;
  const Screen screen_;

  machine::Mutex<LockRank::kStreamReader> reader_lock_;  // one reader takes a line at a time
  machine::Mutex<LockRank::kStream> lock_;
  LineDiscipline discipline_ K42_GUARDED_BY(lock_);
  WindowSize window_ K42_GUARDED_BY(lock_) = {24, 80, 0, 0};
  std::uint32_t session_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t foreground_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t opens_ K42_GUARDED_BY(lock_) = 0;
  bool was_open_ K42_GUARDED_BY(lock_) = false;
  bool hung_up_ K42_GUARDED_BY(lock_) = false;
  bool packet_mode_ K42_GUARDED_BY(lock_) = false;
  std::array<std::uint8_t, kScreenBytes> screen_ring_;
  std::uint32_t screen_head_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t screen_tail_ K42_GUARDED_BY(lock_) = 0;
  ReadyList program_list_{abi::kWritable};
  ReadyList master_list_{abi::kWritable};
};

}  // namespace k42::io
