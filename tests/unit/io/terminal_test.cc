#include "io/terminal.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "abi/signal.h"

namespace k42::io {
namespace {

// Tasks by number; callers are told apart by process_id.
class FakeJobs final : public JobControl {
 public:
  Status Find(const cobj::CallContext& caller, Place* place) override {
    *place = caller.from_kernel() ? Place{} : places[static_cast<std::uint32_t>(caller.process_id)];
    return Status::kOk;
  }
  void SignalGroup(std::uint32_t group, std::uint32_t signal) override {
    signals.emplace_back(group, signal);
  }
  bool IsOrphaned(std::uint32_t group) override { return group == orphaned; }
  Status SetTerminal(const Place& caller, std::uint64_t terminal) override {
    for (auto& [number, place] : places) {
      if (place.session == caller.session) {
        place.terminal = terminal;
      }
    }
    return Status::kOk;
  }
  Status SetForeground(const Place&, std::uint32_t) override { return Status::kOk; }

  std::map<std::uint32_t, Place> places;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> signals;
  std::uint32_t orphaned = 0;
};

// Who writes to a slow screen can be ended in between.
TEST(ConsoleTest, AScreenGetsALittleAtATime) {
  static std::size_t shown = 0;
  FakeJobs jobs;
  const auto terminal =
      RefPtr<Terminal>::Adopt(Terminal::Make(jobs, 0x501, [](std::span<const std::uint8_t> bytes) {
                                shown += bytes.size();
                              }).value());
  terminal->Opened(cobj::CallContext::Kernel(), true);
  const std::string text(1 << 20, 'x');
  EXPECT_EQ(terminal->Write(cobj::CallContext::Kernel(), BufferIn::Kernel(text.data(), text.size()))
                .value(),
            4096u);
  EXPECT_EQ(shown, 4096u);
}

class TerminalTest : public testing::Test {
 protected:
  TerminalTest() {
    // Session 10: its leader, a job in group 11, another in group 12. Task 20 leads its own.
    jobs.places[10] = {10, 10, 10, 0};
    jobs.places[11] = {11, 11, 10, 0};
    jobs.places[12] = {12, 12, 10, 0};
    jobs.places[20] = {20, 20, 20, 0};
    terminal = RefPtr<Terminal>::Adopt(Terminal::Make(jobs, 0x8800, nullptr).value());
    terminal->Opened(As(10), true);
  }
  static cobj::CallContext As(std::uint32_t task) {
    cobj::CallContext caller = cobj::CallContext::Kernel();
    caller.process = 1;
    caller.process_id = task;
    return caller;
  }
  void Type(std::string_view text) {
    terminal->Type({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  std::string Screen() {
    std::string text(5000, '\0');
    const auto size = terminal->ReadScreen(BufferOut::Kernel(text.data(), text.size()));
    return size.ok() ? text.substr(0, size.value()) : StatusName(size.status());
  }
  std::string Read(std::uint32_t task, std::size_t most = 5000) {
    std::string text(most, '\0');
    const auto size = terminal->Read(As(task), BufferOut::Kernel(text.data(), text.size()));
    return size.ok() ? text.substr(0, size.value()) : StatusName(size.status());
  }
  Status Write(std::uint32_t task, std::string_view text) {
    return terminal->Write(As(task), BufferIn::Kernel(text.data(), text.size())).status();
  }
  template <typename T>
  Result<std::uint64_t> Control(std::uint32_t task, std::uint32_t operation, T argument) {
    return terminal->Control(As(task), operation, BufferIn::Kernel(&argument, sizeof(argument)),
                             {});
  }

  FakeJobs jobs;
  RefPtr<Terminal> terminal;
};

TEST_F(TerminalTest, TypedLinesAreEchoedAndRead) {
  EXPECT_EQ(Read(10), "kWouldBlock");
  Type("hello\n");
  EXPECT_EQ(Screen(), "hello\r\n");
  EXPECT_EQ(terminal->program_list().Word() & abi::kReadable, abi::kReadable);
  EXPECT_EQ(Read(10), "hello\n");
  EXPECT_EQ(Read(10), "kWouldBlock");
  EXPECT_EQ(Screen(), "kWouldBlock");
}

TEST_F(TerminalTest, ALongLineIsOneRead) {
  const std::string line(3000, 'x');
  Type(line + "\nnext\n");
  EXPECT_EQ(Read(10), line + "\n");
  EXPECT_EQ(Read(10), "next\n");
}

TEST_F(TerminalTest, EndOfFileIsRead) {
  Type("\x04");
  EXPECT_EQ(Read(10), "");
  EXPECT_EQ(Read(10), "kWouldBlock");
}

TEST_F(TerminalTest, KeysSignalTheForegroundGroup) {
  EXPECT_TRUE(Control<std::uint32_t>(10, kTerminalSetForeground, 11).ok());
  Type("\x03");
  EXPECT_EQ(jobs.signals.back(), std::make_pair(11u, std::uint32_t{abi::kSignalInterrupt}));
  EXPECT_EQ(terminal->Control(As(11), kTerminalGetForeground, {}, {}).value(), 11u);
  EXPECT_EQ(terminal->Control(As(20), kTerminalGetForeground, {}, {}).status(),
            Status::kNotTerminal);
}

TEST_F(TerminalTest, BackgroundReadersAreStopped) {
  EXPECT_TRUE(Control<std::uint32_t>(10, kTerminalSetForeground, 11).ok());
  Type("data\n");
  jobs.signals.clear();
  EXPECT_EQ(Read(12), "kNotOwner");
  EXPECT_TRUE(jobs.signals.empty());
  const std::uint32_t input = abi::kSignalTerminalInput;
  EXPECT_EQ(terminal->Control(As(12), kTerminalIsBackground, {}, {}).value(), 1u);
  EXPECT_EQ(Control(12, kTerminalSignalBackground, input).value(), 1u);
  EXPECT_EQ(jobs.signals.back(), std::make_pair(12u, input));
  jobs.orphaned = 12;
  EXPECT_EQ(Control(12, kTerminalSignalBackground, input).status(), Status::kIoError);
  EXPECT_EQ(jobs.signals.size(), 1u);
  EXPECT_EQ(Read(11), "data\n");
  EXPECT_EQ(Write(12, "allowed"), Status::kOk);
}

// Neither who is in the foreground, nor another session's; and no signal but these two.
TEST_F(TerminalTest, OnlyTheBackgroundIsSignalled) {
  EXPECT_TRUE(Control<std::uint32_t>(10, kTerminalSetForeground, 11).ok());
  jobs.signals.clear();
  for (const std::uint32_t task : {11u, 20u}) {
    EXPECT_EQ(terminal->Control(As(task), kTerminalIsBackground, {}, {}).value(), 0u);
    EXPECT_EQ(
        Control<std::uint32_t>(task, kTerminalSignalBackground, abi::kSignalTerminalOutput).value(),
        0u);
  }
  EXPECT_EQ(Control<std::uint32_t>(12, kTerminalSignalBackground, abi::kSignalKill).status(),
            Status::kInvalidArgument);
  EXPECT_TRUE(jobs.signals.empty());
}

TEST_F(TerminalTest, BackgroundOutputIsRefusedIfTheTerminalSaysSo) {
  TerminalSettings settings{};
  ASSERT_TRUE(terminal
                  ->Control(As(10), kTerminalGetSettings, {},
                            BufferOut::Kernel(&settings, sizeof(settings)))
                  .ok());
  settings.local |= kLocalStopOutput;
  EXPECT_TRUE(Control(10, kTerminalSetSettings, settings).ok());
  EXPECT_TRUE(Control<std::uint32_t>(10, kTerminalSetForeground, 11).ok());
  EXPECT_EQ(Write(12, "no"), Status::kNotOwner);
  EXPECT_EQ(Write(11, "yes"), Status::kOk);
  EXPECT_EQ(Control<std::uint8_t>(12, kTerminalWriteAnyway, '!').value(), 1u);
  EXPECT_EQ(Screen(), "yes!");
}

TEST_F(TerminalTest, ARawReadThatWaitsForTimeHasNothingYet) {
  TerminalSettings settings{};
  ASSERT_TRUE(terminal
                  ->Control(As(10), kTerminalGetSettings, {},
                            BufferOut::Kernel(&settings, sizeof(settings)))
                  .ok());
  settings.local &= ~kLocalCanonical;
  settings.keys[static_cast<std::size_t>(TerminalKey::kMinimum)] = 0;
  settings.keys[static_cast<std::size_t>(TerminalKey::kTime)] = 0;
  EXPECT_TRUE(Control(10, kTerminalSetSettings, settings).ok());
  EXPECT_EQ(Read(10), "");
  settings.keys[static_cast<std::size_t>(TerminalKey::kTime)] = 5;
  EXPECT_TRUE(Control(10, kTerminalSetSettings, settings).ok());
  EXPECT_EQ(Read(10), "kWouldBlock");
  EXPECT_EQ(terminal->Control(As(10), kTerminalGetReadTime, {}, {}).value(), 5u);
  Type("x");
  EXPECT_EQ(Read(10), "x");
}

// As a master asks: it belongs to no session of its terminal.
TEST_F(TerminalTest, TheKernelIsToldWhoseItIs) {
  const auto kernel = cobj::CallContext::Kernel();
  EXPECT_EQ(terminal->Control(kernel, kTerminalGetForeground, {}, {}).value(), 10u);
  EXPECT_EQ(terminal->Control(kernel, kTerminalGetSession, {}, {}).value(), 10u);
  terminal->SessionEnded(10);
  EXPECT_EQ(terminal->Control(kernel, kTerminalGetForeground, {}, {}).value(), 0u);
  EXPECT_EQ(terminal->Control(kernel, kTerminalGetSession, {}, {}).status(), Status::kNotTerminal);
}

TEST_F(TerminalTest, AnotherSessionCannotTakeIt) {
  EXPECT_EQ(Control<std::uint32_t>(20, kTerminalSetControlling, 0).status(),
            Status::kPermissionDenied);
  EXPECT_TRUE(Control<std::uint32_t>(20, kTerminalSetControlling, 1).ok());
}

TEST_F(TerminalTest, AFullScreenHoldsWritersBack) {
  const std::string much(100'000, 'y');
  const auto first = terminal->Write(As(10), BufferIn::Kernel(much.data(), much.size()));
  ASSERT_TRUE(first.ok());
  EXPECT_LT(first.value(), much.size());
  EXPECT_EQ(Write(10, "z"), Status::kWouldBlock);
  EXPECT_EQ(terminal->program_list().Word() & abi::kWritable, 0u);
  EXPECT_EQ(Screen().size(), 5000u);
  EXPECT_EQ(terminal->program_list().Word() & abi::kWritable, abi::kWritable);
  EXPECT_EQ(Write(10, "z"), Status::kOk);
}

TEST_F(TerminalTest, StopAndStartKeys) {
  Type("\x13");
  EXPECT_EQ(Write(10, "z"), Status::kWouldBlock);
  Type("\x11");
  EXPECT_EQ(Write(10, "z"), Status::kOk);
}

TEST_F(TerminalTest, RawReadsWaitForTheirMinimum) {
  TerminalSettings settings = DefaultTerminalSettings();
  settings.local &= ~(kLocalCanonical | kLocalEcho);
  settings.keys[static_cast<std::uint32_t>(TerminalKey::kMinimum)] = 3;
  EXPECT_TRUE(Control(10, kTerminalSetSettings, settings).ok());
  Type("ab");
  EXPECT_EQ(Read(10), "kWouldBlock");
  Type("c");
  EXPECT_EQ(Read(10), "abc");
  settings.keys[static_cast<std::uint32_t>(TerminalKey::kMinimum)] = 0;
  EXPECT_TRUE(Control(10, kTerminalSetSettings, settings).ok());
  EXPECT_EQ(Read(10), "");
}

TEST_F(TerminalTest, WindowChangeIsSignalled) {
  EXPECT_TRUE(Control(10, kTerminalSetWindowSize, WindowSize{50, 132, 0, 0}).ok());
  EXPECT_EQ(jobs.signals.back(), std::make_pair(10u, std::uint32_t{abi::kSignalWindowChanged}));
  const std::size_t signals = jobs.signals.size();
  EXPECT_TRUE(Control(10, kTerminalSetWindowSize, WindowSize{50, 132, 0, 0}).ok());
  EXPECT_EQ(jobs.signals.size(), signals);
}

TEST_F(TerminalTest, HangupEndsReadersAndWriters) {
  terminal->MasterClosed();
  EXPECT_EQ(jobs.signals.front(), std::make_pair(10u, std::uint32_t{abi::kSignalHangup}));
  EXPECT_EQ(Read(10), "");
  EXPECT_EQ(Write(10, "z"), Status::kIoError);
  EXPECT_NE(terminal->program_list().Word() & abi::kHangup, 0u);
}

TEST_F(TerminalTest, MasterSeesTheLastProgramLeave) {
  EXPECT_EQ(Write(10, "bye"), Status::kOk);
  terminal->Closed();
  EXPECT_EQ(Screen(), "bye");
  EXPECT_EQ(Screen(), "kIoError");
  EXPECT_NE(terminal->master_list().Word() & abi::kHangup, 0u);
}

}  // namespace
}  // namespace k42::io
