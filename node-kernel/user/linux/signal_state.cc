#include "user/linux/signal_state.h"

#include "user/linux/heap.h"

namespace k42::personality {
namespace {

constexpr SignalSet kSynchronous(1ull << (kSIGSEGV - 1) | 1ull << (kSIGBUS - 1) |
                                 1ull << (kSIGILL - 1) | 1ull << (kSIGTRAP - 1) |
                                 1ull << (kSIGFPE - 1) | 1ull << (kSIGSYS - 1));

}  // namespace

bool PendingSignals::Post(const LinuxSigInfo& info) {
  if (set_.Has(info.signo) && info.signo < kSIGRTMIN) {
    return false;
  }
  auto* queued = New<QueuedSignal>();
  if (queued) {
    queued->info = info;
    queue_.PushBack(queued);
  } else if (info.signo >= kSIGRTMIN) {
    return false;  // a real-time signal without its record would be lost silently: EAGAIN instead
  }
  set_.Add(info.signo);
  return true;
}

bool PendingSignals::Take(SignalSet allowed, LinuxSigInfo* info) {
  const SignalSet candidates = set_ & allowed;
  if (candidates.empty()) {
    return false;
  }
  const SignalSet urgent = candidates & kSynchronous;
  const int signal = urgent.empty() ? candidates.First() : urgent.First();
  *info = {};
  info->signo = signal;
  bool found = false;
  bool more = false;
  for (QueuedSignal* queued = queue_.first(); queued;) {
    QueuedSignal* next = queue_.Next(queued);
    if (queued->info.signo == signal) {
      if (found) {
        more = true;
        break;
      }
      *info = queued->info;
      queue_.Remove(queued);
      Delete(queued);
      found = true;
    }
    queued = next;
  }
  if (!more) {
    set_.Remove(signal);
  }
  return true;
}

LinuxSigInfo* PendingSignals::OfTimer(int signal, std::int32_t id) {
  for (QueuedSignal* queued = set_.Has(signal) ? queue_.first() : nullptr; queued;
       queued = queue_.Next(queued)) {
    LinuxSigInfo& info = queued->info;
    if (info.signo == signal && info.code == kSiTimer && info.timer.id == id) {
      return &info;
    }
  }
  return nullptr;
}

void PendingSignals::Drop(SignalSet signals) {
  set_ = set_ & ~signals;
  for (QueuedSignal* queued = queue_.first(); queued;) {
    QueuedSignal* next = queue_.Next(queued);
    if (signals.Has(queued->info.signo)) {
      queue_.Remove(queued);
      Delete(queued);
    }
    queued = next;
  }
}

DefaultAction DefaultActionOf(int signal) {
  switch (signal) {
    case kSIGCHLD:
    case kSIGURG:
    case kSIGWINCH:
      return DefaultAction::kIgnore;
    case kSIGCONT:
      return DefaultAction::kContinue;
    case kSIGSTOP:
    case kSIGTSTP:
    case kSIGTTIN:
    case kSIGTTOU:
      return DefaultAction::kStop;
    case kSIGQUIT:
    case kSIGILL:
    case kSIGTRAP:
    case kSIGABRT:
    case kSIGBUS:
    case kSIGFPE:
    case kSIGSEGV:
    case kSIGXCPU:
    case kSIGXFSZ:
    case kSIGSYS:
      return DefaultAction::kCore;
    default:
      return DefaultAction::kTerminate;
  }
}

void ResetHandlers(SignalActions& actions) {
  for (LinuxSignalAction& action : actions.action) {
    if (action.handler != kSigIgnore) {
      action = {};
    }
  }
}

bool SignalActions::Ignores(int signal) {
  const std::uint64_t handler = For(signal).handler;
  return handler == kSigIgnore ||
         (handler == kSigDefault && DefaultActionOf(signal) == DefaultAction::kIgnore);
}

}  // namespace k42::personality
