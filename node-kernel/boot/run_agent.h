// The run agent: starts programs for operators (k42ctl run) and joins their standard streams to the
// daemon by control messages (abi/link_control.h, kRun...).
//
// A run: wanted -> running -> ended -> gone. Its streams are three pipes, the agent holds one end
// of each; or a terminal, the agent holds its master (run_terminal.h). One thread on CPU 0 serves
// all runs: it starts programs, writes what has come in, reads and sends what comes out, as far as
// the other side has given credit. Control messages arrive on CPU 0 too, so the table needs no
// lock. What happens elsewhere (a pipe became ready, a process ended) only wakes that thread, by
// the agent's ticket sink or a message to CPU 0.
//
// When the process has ended, what is left in its pipes is sent, then kRunExit; children that hold
// the pipes further are not waited for. kRunAbandon kills the process's group, and the end of a run
// hangs its terminal up.
#pragma once

#include <atomic>
#include <cstdint>

#include "cobj/ticket.idl.h"
#include "fs/open_file.idl.h"
#include "global/link_control.h"
#include "machine/thread.h"
#include "proc/services.h"

namespace k42::boot {

class RunAgent final : public global::ControlHandler {
 public:
  static constexpr std::uint32_t kMaxRuns = 64;

  constexpr RunAgent() = default;

  // With processes and link started, on CPU 0.
  Status Start(proc::ProcessServices& services, global::LinkControl& control);

  void OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) override;
  // A process has ended. Any thread, any CPU.
  void ProcessEnded(std::uint32_t process, proc::ExitKind kind, std::uint32_t code);
  // A stream that was waited for is ready. Any thread, any CPU.
  void StreamReady(std::uint32_t ticket);

 private:
  struct Run;
  static constexpr std::uint32_t kStreams = 3;
  enum Stream : std::uint32_t { kIn = 0, kOut = 1, kErrors = 2 };

  static void Serve(void* agent);
  static void OnEnded(machine::CpuMessage* message);
  void Wake() { thread_->Unblock(); }
  Run* Find(std::uint64_t number);
  void StartWanted(std::uint64_t number, Bytes payload);
  void TakeInput(Run& run, Bytes payload);
  Status Begin(Run& run);
  Status BeginWithPipes(Run& run, const proc::Image& image);
  Status BeginWithTerminal(Run& run, const proc::Image& image);
  bool Advance(Run& run);
  void FeedInput(Run& run);
  void TypeEnd(Run& run);
  bool PumpOutput(Run& run, Stream stream);
  void WaitFor(Run& run, Stream stream, std::uint32_t mask);
  void CloseEnd(Run& run, Stream stream);
  void Finish(Run& run);
  void Kill(const Run& run, std::uint32_t signal);

  proc::ProcessServices* services_ = nullptr;
  global::LinkControl* control_ = nullptr;
  machine::Thread* thread_ = nullptr;
  cobj::Ref<cobj::ITicketSink> sink_;
  Run* runs_[kMaxRuns] = {};
  // Streams of each place that a ticket is out for. A late ticket of a run that is gone clears the
  // bit of its successor, which then waits twice: harmless.
  std::atomic<std::uint32_t> armed_[kMaxRuns] = {};
};

}  // namespace k42::boot
