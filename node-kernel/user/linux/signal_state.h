// What signals have pending and how they are answered: per thread and per task.
//
// A pending signal is a bit and, for those that carry one, a queued record: standard signals keep
// the first record only, real-time signals queue each. Pure data: delivery is signal_deliver.cc.
#pragma once

#include <cstdint>

#include "user/linux/abi_signals.h"
#include "user/linux/list.h"
#include "user/linux/signal_set.h"

namespace k42::personality {

struct QueuedSignal {
  ListLink<QueuedSignal> link;
  LinuxSigInfo info;
};

// Signals waiting at one place (a thread, or the task as a whole).
class PendingSignals {
 public:
  SignalSet set() const { return set_; }

  // Returns false if nothing was added: a standard signal was pending already, or no memory.
  bool Post(const LinuxSigInfo& info);
  // Takes the first signal that is in `allowed`; false if there is none. Faults (SIGSEGV and its
  // like) come before others, as on Linux.
  bool Take(SignalSet allowed, LinuxSigInfo* info);
  void Drop(SignalSet signals);
  // The record that the POSIX timer `id` has waiting, for it to count in; null: none.
  LinuxSigInfo* OfTimer(int signal, std::int32_t id);
  // Copies nothing: a forked child has none pending.
  void Clear() { Drop(SignalSet(~0ull)); }

 private:
  SignalSet set_;
  List<QueuedSignal, &QueuedSignal::link> queue_;
};

struct ThreadSignals {
  SignalSet mask;
  SignalSet saved_mask;  // to restore after sigsuspend, ppoll and their like
  bool restore_saved_mask;
  SignalSet waits_for;  // in sigtimedwait: taken by the call, whatever the mask and action say
  PendingSignals pending;
  LinuxStack alternate{0, kSsDisable, 0, 0};
};

// Shared by the threads of a task, or by tasks made with CLONE_SIGHAND.
struct SignalActions {
  // One for each but SIGSTOP, which like SIGKILL keeps its action for ever: they have one together.
  LinuxSignalAction action[kSignalCount - 1] = {};
  std::uint32_t references = 1;

  LinuxSignalAction& For(int signal) {
    const int place = signal == kSIGSTOP ? kSIGKILL : signal == kSignalCount ? kSIGSTOP : signal;
    return action[place - 1];
  }
  bool Ignores(int signal);
};
// With what else a new process allocates it fits into one page.
static_assert(sizeof(SignalActions) <= 2048);

// Handlers become the default action; ignored signals stay ignored (exec, CLONE_CLEAR_SIGHAND).
void ResetHandlers(SignalActions& actions);

enum class DefaultAction : std::uint8_t { kTerminate, kCore, kIgnore, kStop, kContinue };
DefaultAction DefaultActionOf(int signal);

// SIGKILL and SIGSTOP can be neither blocked nor handled.
inline constexpr SignalSet kUnblockable(1ull << (kSIGKILL - 1) | 1ull << (kSIGSTOP - 1));

}  // namespace k42::personality
