#include "io/line_discipline.h"

#include "abi/signal.h"

namespace k42::io {
namespace {

constexpr std::uint8_t kBell = 7;
constexpr std::uint32_t kTabStop = 8;

bool IsControl(std::uint8_t byte) {
  return byte < 0x20 || byte == 0x7f;
}
bool IsWord(std::uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_' || byte >= 0x80;
}

}  // namespace

TerminalSettings DefaultTerminalSettings() {
  TerminalSettings settings{};
  settings.input = kInputCrToNl | kInputFlow | kInputUtf8;
  settings.output = kOutputProcess | kOutputNlToCrNl;
  settings.local = kLocalSignals | kLocalCanonical | kLocalEcho | kLocalEchoErase | kLocalEchoKill |
                   kLocalEchoControl | kLocalEchoKillErase | kLocalExtended;
  const auto key = [&settings](TerminalKey index, std::uint8_t value) {
    settings.keys[static_cast<std::uint32_t>(index)] = value;
  };
  key(TerminalKey::kInterrupt, 'C' & 31);
  key(TerminalKey::kQuit, '\\' & 31);
  key(TerminalKey::kErase, 0x7f);
  key(TerminalKey::kKill, 'U' & 31);
  key(TerminalKey::kEndOfFile, 'D' & 31);
  key(TerminalKey::kMinimum, 1);
  key(TerminalKey::kStart, 'Q' & 31);
  key(TerminalKey::kStop, 'S' & 31);
  key(TerminalKey::kSuspend, 'Z' & 31);
  key(TerminalKey::kReprint, 'R' & 31);
  key(TerminalKey::kWordErase, 'W' & 31);
  key(TerminalKey::kLiteralNext, 'V' & 31);
  return settings;
}

void LineDiscipline::SetSettings(const TerminalSettings& settings) {
  const bool was_canonical = Local(kLocalCanonical);
  settings_ = settings;
  if (was_canonical && !Local(kLocalCanonical)) {
    Commit();
  }
  literal_next_ = false;
}

bool LineDiscipline::IsKey(std::uint8_t byte, TerminalKey key) const {
  const std::uint8_t value = settings_.keys[static_cast<std::uint32_t>(key)];
  return value != 0 && value == byte;
}

void LineDiscipline::Input(std::uint8_t byte, TerminalEffects& effects) {
  if (InputFlag(kInputStrip)) {
    byte &= 0x7f;
  }
  if (literal_next_) {
    literal_next_ = false;
    Add(byte, effects);
    Echo(byte, effects);
    return;
  }
  if (InputFlag(kInputFlow)) {
    if (IsKey(byte, TerminalKey::kStop)) {
      held_ = true;
      effects.HoldOutput(true);
      return;
    }
    if (IsKey(byte, TerminalKey::kStart) || (held_ && InputFlag(kInputAnyRestarts))) {
      held_ = false;
      effects.HoldOutput(false);
      if (IsKey(byte, TerminalKey::kStart)) {
        return;
      }
    }
  }
  if (Local(kLocalSignals) && SignalKey(byte, effects)) {
    return;
  }
  if (byte == '\r') {
    if (InputFlag(kInputIgnoreCr)) {
      return;
    }
    byte = InputFlag(kInputCrToNl) ? '\n' : byte;
  } else if (byte == '\n' && InputFlag(kInputNlToCr)) {
    byte = '\r';
  }
  if (!Local(kLocalCanonical)) {
    Add(byte, effects);
    Commit();
    Echo(byte, effects);
    return;
  }
  if (EditKey(byte, effects)) {
    return;
  }
  const bool ends_line = byte == '\n' || IsKey(byte, TerminalKey::kEndOfLine) ||
                         (Local(kLocalExtended) && IsKey(byte, TerminalKey::kEndOfLine2));
  if (write_ == committed_) {
    line_column_ = column_;
  }
  if (ends_line) {
    // The last cell is kept free for line ends, so that a full line can always be finished.
    if (write_ - read_ < kCapacity) {
      Cell(write_++) = byte | kLineEnd;
      Commit();
    }
    Echo(byte, effects);
  } else {
    const std::uint32_t before = write_;
    Add(byte, effects);
    if (write_ != before) {
      Echo(byte, effects);
    }
  }
}

bool LineDiscipline::SignalKey(std::uint8_t byte, TerminalEffects& effects) {
  std::uint32_t signal = 0;
  if (IsKey(byte, TerminalKey::kInterrupt)) {
    signal = abi::kSignalInterrupt;
  } else if (IsKey(byte, TerminalKey::kQuit)) {
    signal = abi::kSignalQuit;
  } else if (IsKey(byte, TerminalKey::kSuspend)) {
    signal = abi::kSignalTerminalStop;
  } else {
    return false;
  }
  if (!Local(kLocalNoFlush)) {
    FlushInput();
    effects.DropOutput();
  }
  Echo(byte, effects);
  effects.Signal(signal);
  return true;
}

bool LineDiscipline::EditKey(std::uint8_t byte, TerminalEffects& effects) {
  if (IsKey(byte, TerminalKey::kErase)) {
    EraseOne(effects);
  } else if (IsKey(byte, TerminalKey::kKill)) {
    KillLine(effects);
  } else if (IsKey(byte, TerminalKey::kEndOfFile)) {
    if (write_ - read_ < kCapacity) {
      Cell(write_++) = kEndOfFile | kLineEnd;
      Commit();
    }
  } else if (!Local(kLocalExtended)) {
    return false;
  } else if (IsKey(byte, TerminalKey::kWordErase)) {
    EraseWord(effects);
  } else if (IsKey(byte, TerminalKey::kReprint)) {
    Reprint(effects);
  } else if (IsKey(byte, TerminalKey::kLiteralNext)) {
    literal_next_ = true;
    if (Local(kLocalEcho) && Local(kLocalEchoControl)) {
      PutOutput('^', effects);
      PutOutput('\b', effects);
    }
  } else {
    return false;
  }
  return true;
}

void LineDiscipline::Add(std::uint16_t cell, TerminalEffects& effects) {
  if (has_room()) {
    Cell(write_++) = cell;
  } else if (InputFlag(kInputBellWhenFull)) {
    PutOutput(kBell, effects);
  }
}

bool LineDiscipline::readable() const {
  return committed_ != read_;
}

std::size_t LineDiscipline::Peek(std::span<std::uint8_t> to) const {
  std::size_t size = 0;
  for (std::uint32_t at = read_; at != committed_ && size < to.size(); ++at) {
    const std::uint16_t cell = Cell(at);
    if ((cell & kEndOfFile) != 0) {
      break;
    }
    to[size++] = static_cast<std::uint8_t>(cell);
    if (Local(kLocalCanonical) && (cell & kLineEnd) != 0) {
      break;
    }
  }
  return size;
}

bool LineDiscipline::Consume(std::size_t size) {
  const auto taken = static_cast<std::uint32_t>(size);
  const bool canonical = Local(kLocalCanonical);
  if (taken > committed_ - read_) {
    return true;  // flushed since the Peek
  }
  read_ += taken;
  if (taken != 0 && (Cell(read_ - 1) & kLineEnd) != 0) {
    return canonical;
  }
  // The mark ends the read that stopped at it; it is not an end of file for the next one.
  if (read_ != committed_ && (Cell(read_) & kEndOfFile) != 0) {
    ++read_;
    return true;
  }
  return false;
}

void LineDiscipline::FlushInput() {
  read_ = committed_ = write_;
  literal_next_ = false;
}

// -- what the screen shows ------------------------------------------------------------------------

void LineDiscipline::PutOutput(std::uint8_t byte, TerminalEffects& effects) {
  Output(byte, effects);
}

void LineDiscipline::Output(std::uint8_t byte, TerminalEffects& effects) {
  const auto flag = [this](std::uint32_t bit) { return (settings_.output & bit) != 0; };
  if (flag(kOutputProcess)) {
    if (byte == '\n') {
      if (flag(kOutputNlToCrNl)) {
        effects.Output('\r');
        column_ = 0;
      } else if (flag(kOutputNlIsCr)) {
        column_ = 0;
      }
      effects.Output('\n');
      return;
    }
    if (byte == '\r') {
      if (flag(kOutputNoCrAtStart) && column_ == 0) {
        return;
      }
      column_ = 0;
      effects.Output(flag(kOutputCrToNl) ? '\n' : '\r');
      return;
    }
  }
  if (byte == '\b') {
    column_ -= column_ != 0 ? 1 : 0;
  } else if (byte == '\t') {
    column_ = (column_ / kTabStop + 1) * kTabStop;
  } else if (byte == '\r') {
    column_ = 0;
  } else if (!IsControl(byte) && !(InputFlag(kInputUtf8) && (byte & 0xc0) == 0x80)) {
    ++column_;
  }
  effects.Output(byte);
}

void LineDiscipline::Echo(std::uint8_t byte, TerminalEffects& effects) {
  if (!Local(kLocalEcho) && !(byte == '\n' && Local(kLocalEchoNl) && Local(kLocalCanonical))) {
    return;
  }
  if (IsControl(byte) && byte != '\n' && byte != '\t' && Local(kLocalEchoControl)) {
    PutOutput('^', effects);
    PutOutput(byte ^ 0x40, effects);
  } else {
    PutOutput(byte, effects);
  }
}

bool LineDiscipline::IsContinuation(std::uint32_t position) const {
  return InputFlag(kInputUtf8) && (Cell(position) & 0xc0) == 0x80;
}

// Columns that the cell takes, given all cells before it in the line.
std::uint32_t LineDiscipline::WidthOnScreen(std::uint32_t position) const {
  std::uint32_t column = line_column_;
  for (std::uint32_t at = committed_;; ++at) {
    const auto byte = static_cast<std::uint8_t>(Cell(at));
    std::uint32_t width = 1;
    if (byte == '\t') {
      width = kTabStop - column % kTabStop;
    } else if (IsControl(byte)) {
      width = Local(kLocalEchoControl) ? 2 : 0;
    } else if (IsContinuation(at)) {
      width = 0;
    }
    if (at == position) {
      return width;
    }
    column += width;
  }
}

void LineDiscipline::EraseOne(TerminalEffects& effects) {
  if (write_ == committed_) {
    return;
  }
  std::uint32_t last = write_ - 1;
  while (last != committed_ && IsContinuation(last)) {
    --last;
  }
  const std::uint32_t width = WidthOnScreen(last);
  const bool tab = Cell(last) == '\t';
  write_ = last;
  if (!Local(kLocalEcho)) {
    return;
  }
  if (!Local(kLocalEchoErase)) {
    Echo(settings_.keys[static_cast<std::uint32_t>(TerminalKey::kErase)], effects);
    return;
  }
  for (std::uint32_t i = 0; i < width; ++i) {
    PutOutput('\b', effects);
    if (!tab) {
      PutOutput(' ', effects);
      PutOutput('\b', effects);
    }
  }
}

void LineDiscipline::EraseWord(TerminalEffects& effects) {
  bool in_word = false;
  while (write_ != committed_) {
    const bool word = IsWord(static_cast<std::uint8_t>(Cell(write_ - 1)));
    if (in_word && !word) {
      return;
    }
    in_word = in_word || word;
    EraseOne(effects);
  }
}

void LineDiscipline::KillLine(TerminalEffects& effects) {
  if (Local(kLocalEcho) && Local(kLocalEchoErase) && Local(kLocalEchoKillErase)) {
    while (write_ != committed_) {
      EraseOne(effects);
    }
    return;
  }
  write_ = committed_;
  Echo(settings_.keys[static_cast<std::uint32_t>(TerminalKey::kKill)], effects);
  if (Local(kLocalEchoKill)) {
    Echo('\n', effects);
  }
}

void LineDiscipline::Reprint(TerminalEffects& effects) {
  Echo(settings_.keys[static_cast<std::uint32_t>(TerminalKey::kReprint)], effects);
  Echo('\n', effects);
  line_column_ = column_;
  for (std::uint32_t at = committed_; at != write_; ++at) {
    Echo(static_cast<std::uint8_t>(Cell(at)), effects);
  }
}

}  // namespace k42::io
