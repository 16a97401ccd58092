#include "platform/x86_64/shared/cpu_watch.h"

namespace k42::machine {

using Advice = CpuWatch::Advice;

Advice CpuWatch::Step(const Look& look) {
  const bool late = !started_ || look.now_ns - looked_ns_ > kLateNs;
  started_ = true;
  looked_ns_ = look.now_ns;
  const std::uint64_t deaf_since = interrupts_ns_;
  const std::uint64_t busy_since = loops_ns_;
  const bool interrupted = look.interrupts != interrupts_;
  const bool looped = look.loops != loops_;
  if (interrupted || late) {
    interrupts_ = look.interrupts;
    interrupts_ns_ = look.now_ns;
  }
  if (looped || late) {
    loops_ = look.loops;
    loops_ns_ = look.now_ns;
  }
  if (looped || late || !look.messages_wait) {
    messages_ns_ = look.now_ns;
  }
  const bool asked = state_ == State::kAsked || state_ == State::kAskedAgain;
  if (asked && before_ == State::kBusy && looped) {
    state_ = State::kBusy;
  }
  switch (state_) {
    case State::kAsked:
    case State::kAskedAgain:
    case State::kDeaf:
    case State::kAbsent:
      return interrupted ? Recover(look, deaf_since) : Deaf(look);
    case State::kAskedWhyBusy:
    case State::kBusy:
      return looped ? Recover(look, busy_since) : Busy(look);
    case State::kFine:
      break;
  }
  if (look.now_ns - interrupts_ns_ >= kDeafNs) {
    return Ask(State::kAsked, look);
  }
  if (look.now_ns - loops_ns_ >= kBusyNs || look.now_ns - messages_ns_ >= kMessageNs) {
    return Ask(State::kAskedWhyBusy, look);
  }
  return Advice::kNothing;
}

Advice CpuWatch::Deaf(const Look& look) {
  if (state_ == State::kDeaf) {
    return Remind(Advice::kReportDeaf, interrupts_ns_, look);
  }
  if (look.picture == picture_) {  // no answer yet
    if (state_ == State::kAbsent) {
      return Remind(Advice::kReportAbsent, asked_ns_, look);
    }
    return look.now_ns - asked_ns_ < kAnswerNs
               ? Advice::kNothing
               : Report(State::kAbsent, Advice::kReportAbsent, asked_ns_, look);
  }
  if (look.picture_interrupts_on) {  // was not run: whatever is pending comes now
    const bool was_reported = state_ == State::kAbsent;
    state_ = before_;
    since_ns_ = look.now_ns - interrupts_ns_;
    interrupts_ns_ = look.now_ns;
    return was_reported ? Advice::kReportBack : Advice::kNothing;
  }
  if (state_ == State::kAskedAgain && look.interrupts == interrupts_when_asked_) {
    return Report(State::kDeaf, Advice::kReportDeaf, interrupts_ns_, look);
  }
  return Ask(State::kAskedAgain, look);
}

Advice CpuWatch::Busy(const Look& look) {
  if (look.now_ns - interrupts_ns_ >= kDeafNs) {
    return Ask(State::kAsked, look);  // it has become worse
  }
  if (state_ == State::kBusy) {
    return Remind(Advice::kReportBusy, loops_ns_, look);
  }
  if (look.picture != picture_) {
    return Report(State::kBusy, Advice::kReportBusy, loops_ns_, look);
  }
  return look.now_ns - asked_ns_ < kAnswerNs
             ? Advice::kNothing
             : Report(State::kAbsent, Advice::kReportAbsent, asked_ns_, look);
}

Advice CpuWatch::Ask(State state, const Look& look) {
  if (state_ == State::kFine || state_ == State::kBusy) {
    before_ = state_;
  }
  state_ = state;
  asked_ns_ = look.now_ns;
  picture_ = look.picture;
  interrupts_when_asked_ = look.interrupts;
  return Advice::kAsk;
}

Advice CpuWatch::Report(State state, Advice advice, std::uint64_t since, const Look& look) {
  state_ = state;
  reported_ns_ = look.now_ns;
  since_ns_ = look.now_ns - since;
  return advice;
}

Advice CpuWatch::Remind(Advice advice, std::uint64_t since, const Look& look) {
  return look.now_ns - reported_ns_ < kRemindNs ? Advice::kNothing
                                                : Report(state_, advice, since, look);
}

Advice CpuWatch::Recover(const Look& look, std::uint64_t since) {
  since_ns_ = look.now_ns - since;
  if (state_ == State::kAsked || state_ == State::kAskedAgain) {
    state_ = before_;
    return Advice::kNothing;
  }
  const bool was_reported =
      state_ == State::kDeaf || state_ == State::kAbsent || state_ == State::kBusy;
  state_ = State::kFine;
  return was_reported ? Advice::kReportBack : Advice::kNothing;
}

}  // namespace k42::machine
