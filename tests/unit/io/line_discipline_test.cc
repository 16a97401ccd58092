#include "io/line_discipline.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "abi/signal.h"

namespace k42::io {
namespace {

class Screen final : public TerminalEffects {
 public:
  void Output(std::uint8_t byte) override { text += static_cast<char>(byte); }
  void Signal(std::uint32_t signal) override { signals.push_back(signal); }
  void DropOutput() override { ++drops; }
  void HoldOutput(bool hold) override { held = hold; }

  std::string text;
  std::vector<std::uint32_t> signals;
  int drops = 0;
  bool held = false;
};

class Discipline : public testing::Test {
 protected:
  void Type(std::string_view keys) {
    for (char c : keys) {
      line.Input(static_cast<std::uint8_t>(c), screen);
    }
  }
  std::string Read(std::size_t most = 1000) {
    std::vector<std::uint8_t> bytes(most);
    const std::size_t size = line.Peek(bytes);
    line.Consume(size);
    return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
  }
  void Change(std::uint32_t local_off, std::uint32_t local_on = 0) {
    TerminalSettings settings = line.settings();
    settings.local = (settings.local & ~local_off) | local_on;
    line.SetSettings(settings);
  }
  LineDiscipline line;
  Screen screen;
};

TEST_F(Discipline, LinesOneAtATime) {
  Type("one\rtwo");
  EXPECT_TRUE(line.readable());
  EXPECT_EQ(Read(), "one\n");
  EXPECT_FALSE(line.readable());
  Type("\n\n");
  EXPECT_EQ(Read(2), "tw");
  EXPECT_EQ(Read(), "o\n");
  EXPECT_EQ(Read(), "\n");
  EXPECT_EQ(screen.text, "one\r\ntwo\r\n\r\n");
}

TEST_F(Discipline, EraseTakesWholeCharactersOffTheScreen) {
  Type("ab\x7f");
  EXPECT_EQ(screen.text, "ab\b \b");
  screen.text.clear();
  Type("\xc3\xa4\x7f");  // one umlaut
  EXPECT_EQ(screen.text, "\xc3\xa4\b \b");
  screen.text.clear();
  Type("\x01\x7f");
  EXPECT_EQ(screen.text, "^A\b \b\b \b");
  Type("\x7f\x7f\x7f\x7f\n");
  EXPECT_EQ(Read(), "\n");
}

TEST_F(Discipline, EraseOfATabGoesBackToWhereItStood) {
  Type("abc\t\x7f");
  EXPECT_EQ(screen.text, "abc\t\b\b\b\b\b");
}

TEST_F(Discipline, WordEraseAndKill) {
  Type("make all  \x17");
  Type("clean\n");
  EXPECT_EQ(Read(), "make clean\n");
  Type(
      "nonsense\x15"
      "good\n");
  EXPECT_EQ(Read(), "good\n");
}

TEST_F(Discipline, EndOfFile) {
  Type("\x04");
  EXPECT_TRUE(line.readable());
  EXPECT_EQ(Read(), "");
  EXPECT_FALSE(line.readable());
  Type("half\x04");
  EXPECT_EQ(Read(), "half");
  EXPECT_FALSE(line.readable());
  Type("full\n\x04");
  EXPECT_EQ(Read(), "full\n");
  EXPECT_TRUE(line.readable());
  EXPECT_EQ(Read(), "");
  EXPECT_FALSE(line.readable());
}

TEST_F(Discipline, SignalKeysDropTheLine) {
  Type("rm -rf\x03");
  EXPECT_EQ(screen.signals, std::vector<std::uint32_t>{abi::kSignalInterrupt});
  EXPECT_EQ(screen.drops, 1);
  EXPECT_EQ(screen.text, "rm -rf^C");
  Type("ls\n");
  EXPECT_EQ(Read(), "ls\n");
  Type("\x1a\x1c");
  EXPECT_EQ(screen.signals.size(), 3u);
}

TEST_F(Discipline, LiteralNext) {
  Type("\x16\x03\n");
  EXPECT_TRUE(screen.signals.empty());
  EXPECT_EQ(Read(), "\x03\n");
}

TEST_F(Discipline, FlowControl) {
  Type("\x13");
  EXPECT_TRUE(screen.held);
  Type("\x11");
  EXPECT_FALSE(screen.held);
  EXPECT_FALSE(line.readable());
}

TEST_F(Discipline, RawMode) {
  Type("typed");
  Change(kLocalCanonical | kLocalEcho | kLocalSignals);
  EXPECT_EQ(Read(), "typed");  // leaving canonical mode gives what was being edited
  screen.text.clear();
  Type("a\x03\x7f");
  EXPECT_EQ(Read(), "a\x03\x7f");
  EXPECT_EQ(screen.text, "");
}

TEST_F(Discipline, PasswordsAreNotShown) {
  Change(kLocalEcho, kLocalEchoNl);
  Type("secret\n");
  EXPECT_EQ(screen.text, "\r\n");
  EXPECT_EQ(Read(), "secret\n");
}

TEST_F(Discipline, OutputTranslation) {
  for (char c : std::string("a\nb\r\n")) {
    line.Output(static_cast<std::uint8_t>(c), screen);
  }
  EXPECT_EQ(screen.text, "a\r\nb\r\r\n");
}

TEST_F(Discipline, AFullLineCanStillBeEnded) {
  Type(std::string(2 * LineDiscipline::kCapacity, 'x'));
  EXPECT_FALSE(line.readable());
  Type("\n");
  EXPECT_TRUE(line.readable());
  EXPECT_EQ(Read(10000).size(), LineDiscipline::kCapacity);
}

TEST_F(Discipline, AnyKeysAnySettings) {
  std::mt19937 random(7);
  for (int i = 0; i < 300'000; ++i) {
    line.Input(static_cast<std::uint8_t>(random() % 4 == 0 ? random() : random() % 0x20), screen);
    if (random() % 50 == 0) {
      TerminalSettings settings = line.settings();
      settings.local ^= 1u << random() % 12;
      settings.input ^= 1u << random() % 9;
      settings.output ^= 1u << random() % 5;
      line.SetSettings(settings);
    }
    if (random() % 20 == 0 && line.readable()) {
      EXPECT_LE(Read(random() % 100).size(), LineDiscipline::kCapacity);
    }
    screen.text.clear();
  }
  EXPECT_LE(line.committed(), LineDiscipline::kCapacity);
}

}  // namespace
}  // namespace k42::io
