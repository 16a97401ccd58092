// CpuWatch: what one CPU concludes of another that it looks at from time to time. Pure: a step
// function of what was seen; kernel/watchdog.cc looks, asks and reports.
//
// Two ways to be stuck:
//   deaf   takes no interrupt. Every CPU has a timer of its own that ticks, so a count of
//   interrupts
//          that stands still for kDeafNs is suspect. A host that does not run the virtual CPU looks
//          the same, so it is asked by NMI what it does, twice: it is deaf if both answers show
//          interrupts off and none was taken between them. (One that was merely not run takes its
//          pending interrupt before it can be asked again.)
//   busy   takes interrupts, but does not come to its loop: messages wait, or its own tick. A
//   thread
//          goes on and on without a preemption point. After kBusyNs, or kMessageNs if messages
//          wait.
//
// States: fine -> (deaf for kDeafNs) asked -> asked again -> deaf; fine -> asked why busy -> busy.
// A busy one may turn deaf.
// Any sign of life leads back. What lasts is reported again every kRemindNs.
#pragma once

#include <cstdint>

namespace k42::machine {

class CpuWatch {
 public:
  static constexpr std::uint64_t kMs = 1'000'000;
  static constexpr std::uint64_t kDeafNs = 2000 * kMs;
  static constexpr std::uint64_t kMessageNs = 3000 * kMs;
  static constexpr std::uint64_t kBusyNs = 10'000 * kMs;
  static constexpr std::uint64_t kAnswerNs = 3000 * kMs;  // for an NMI
  static constexpr std::uint64_t kRemindNs = 30'000 * kMs;
  // A looker that comes this late was itself not run: it knows nothing of the time between.
  static constexpr std::uint64_t kLateNs = 1500 * kMs;

  struct Look {
    std::uint64_t now_ns;
    std::uint64_t interrupts;    // taken so far
    std::uint64_t loops;         // ticks its loop has served so far
    bool messages_wait;          // now
    std::uint64_t picture;       // number of its newest picture
    bool picture_interrupts_on;  // in it
  };
  enum class Advice : std::uint8_t {
    kNothing,
    kAsk,           // send an NMI
    kReportDeaf,    // the newest picture says where
    kReportBusy,    // likewise
    kReportAbsent,  // not even the NMI is answered
    kReportBack,    // what was reported is over
  };
  Advice Step(const Look& look);

  // In some state other than fine: look again soon.
  bool suspect() const { return state_ != State::kFine; }
  // Does not take care of anything itself.
  bool silent() const { return state_ == State::kDeaf || state_ == State::kAbsent; }
  // How long it has been as the last report says (kReportBack: was).
  std::uint64_t since_ns() const { return since_ns_; }

 private:
  enum class State : std::uint8_t {
    kFine,
    kAsked,
    kAskedAgain,
    kDeaf,
    kAbsent,
    kAskedWhyBusy,
    kBusy,
  };
  Advice Ask(State state, const Look& look);
  Advice Report(State state, Advice advice, std::uint64_t since, const Look& look);
  Advice Recover(const Look& look, std::uint64_t since);
  Advice Remind(Advice advice, std::uint64_t since, const Look& look);
  Advice Deaf(const Look& look);
  Advice Busy(const Look& look);

  State state_ = State::kFine;
  State before_ = State::kFine;  // kFine or kBusy: what asking interrupted
  bool started_ = false;
  std::uint64_t looked_ns_ = 0;
  std::uint64_t interrupts_ = 0;
  std::uint64_t interrupts_ns_ = 0;  // since when they stand there
  std::uint64_t loops_ = 0;
  std::uint64_t loops_ns_ = 0;
  std::uint64_t messages_ns_ = 0;  // since when messages wait and no loop was served
  std::uint64_t asked_ns_ = 0;
  std::uint64_t picture_ = 0;  // newest when asked
  std::uint64_t interrupts_when_asked_ = 0;
  std::uint64_t reported_ns_ = 0;
  std::uint64_t since_ns_ = 0;
};

}  // namespace k42::machine
