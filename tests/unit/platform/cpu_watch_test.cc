// What one CPU concludes of another: each way to be stuck, and every way only to look so.
#include "platform/x86_64/shared/cpu_watch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace k42::machine {
namespace {

using Advice = CpuWatch::Advice;
constexpr std::uint64_t kMs = CpuWatch::kMs;

// A CPU that is looked at every 100 ms. An NMI sent is answered by the next look, if it answers.
struct Bench {
  CpuWatch watch;
  CpuWatch::Look look{0, 0, 0, false, 0, true};
  bool interrupts = true, loops = true, answers = true, asked = false;

  Advice Step(std::uint64_t ms = 100) {
    look.now_ns += ms * kMs;
    look.interrupts += interrupts ? 1 : 0;
    look.loops += loops ? 1 : 0;
    look.picture += asked && answers ? 1 : 0;
    asked = asked && !answers;
    const Advice advice = watch.Step(look);
    asked = asked || advice == Advice::kAsk;
    return advice;
  }
  // The first report within `ms`.
  Advice Report(std::uint64_t ms) {
    for (std::uint64_t at = 0; at < ms; at += 100) {
      const Advice advice = Step();
      if (advice != Advice::kNothing && advice != Advice::kAsk) {
        return advice;
      }
    }
    return Advice::kNothing;
  }
};

TEST(CpuWatch, ALivingCpuIsLeftAlone) {
  Bench bench;
  EXPECT_EQ(bench.Report(100'000), Advice::kNothing);
  EXPECT_FALSE(bench.watch.suspect());
}

TEST(CpuWatch, DeafIsReportedOnceThenRemindedThenBack) {
  Bench bench;
  bench.Report(1000);
  bench.interrupts = bench.loops = bench.look.picture_interrupts_on = false;
  EXPECT_EQ(bench.Report(2800), Advice::kReportDeaf);
  EXPECT_GE(bench.watch.since_ns(), CpuWatch::kDeafNs);
  EXPECT_TRUE(bench.watch.silent());
  EXPECT_EQ(bench.Report(29'000), Advice::kNothing);
  EXPECT_EQ(bench.Report(2000), Advice::kReportDeaf);
  bench.interrupts = bench.loops = true;
  EXPECT_EQ(bench.Step(), Advice::kReportBack);
  EXPECT_GE(bench.watch.since_ns(), 30'000 * kMs);
  EXPECT_FALSE(bench.watch.suspect());
}

TEST(CpuWatch, OneThatTheHostDoesNotRunIsNotCalledDeaf) {
  Bench bench;
  bench.Report(1000);
  bench.interrupts = bench.loops = false;  // its picture shows interrupts on
  for (int i = 0; i < 500; ++i) {
    const Advice advice = bench.Step();
    EXPECT_TRUE(advice != Advice::kReportDeaf && advice != Advice::kReportAbsent);
  }
}

TEST(CpuWatch, OneThatAnswersNoNmiIsAbsent) {
  Bench bench;
  bench.Report(1000);
  bench.interrupts = bench.loops = bench.answers = false;
  EXPECT_EQ(bench.Report(6000), Advice::kReportAbsent);
  bench.answers = true;
  bench.look.picture_interrupts_on = true;
  EXPECT_EQ(bench.Report(300), Advice::kReportBack);
}

TEST(CpuWatch, BusyIsReportedSoonerIfMessagesWait) {
  for (const bool messages : {false, true}) {
    Bench bench;
    bench.Report(1000);
    bench.loops = false;
    bench.look.messages_wait = messages;
    EXPECT_EQ(bench.Report(messages ? 3500 : 10'500), Advice::kReportBusy);
    EXPECT_FALSE(bench.watch.silent());
    bench.interrupts = false;  // nobody arms its timer any more; its answers show interrupts on
    EXPECT_EQ(bench.Report(20'000), Advice::kNothing);
    bench.loops = bench.interrupts = true;
    EXPECT_EQ(bench.Report(300), Advice::kReportBack);
  }
}

TEST(CpuWatch, BusyThatTurnsDeafIsReported) {
  Bench bench;
  bench.Report(1000);
  bench.loops = false;
  EXPECT_EQ(bench.Report(10'500), Advice::kReportBusy);
  bench.interrupts = bench.look.picture_interrupts_on = false;
  EXPECT_EQ(bench.Report(3000), Advice::kReportDeaf);
}

TEST(CpuWatch, ALookerThatWasNotRunItselfAccusesNobody) {
  Bench bench;
  bench.Report(1000);
  bench.interrupts = bench.loops = false;
  EXPECT_EQ(bench.Step(60'000), Advice::kNothing);  // the whole machine was stopped
  bench.interrupts = bench.loops = true;
  EXPECT_EQ(bench.Report(10'000), Advice::kNothing);
}

// Any mixture: it never reports a CPU that took an interrupt and came to its loop within a second.
TEST(CpuWatch, NoScheduleAccusesACpuThatServes) {
  const char* wanted = std::getenv("K42_SEED");
  const unsigned seed = wanted != nullptr ? static_cast<unsigned>(std::atoi(wanted)) : 42;
  std::mt19937 random(seed);
  for (int run = 0; run < 300; ++run) {
    Bench bench;
    for (int step = 0; step < 500; ++step) {
      bench.interrupts = bench.loops = step % 8 == 0;
      bench.answers = random() % 2 == 0;
      bench.look.picture_interrupts_on = random() % 2 == 0;
      bench.look.messages_wait = random() % 2 == 0;
      const Advice advice = bench.Step(50 + random() % 70);
      ASSERT_TRUE(advice == Advice::kNothing) << "K42_SEED=" << seed << " run " << run;
    }
  }
}

}  // namespace
}  // namespace k42::machine
