// What a terminal does to the bytes between a keyboard and a program: editing of the current line,
// echo, signal keys, flow control, translation of line ends. A pure step function: its owner holds
// a lock round each step and carries out the effects.
//
// Input is a ring of cells, a byte with marks each, at three absolute positions:
//     read_ <= committed_ <= write_        write_ - read_ <= kCapacity
// [read_, committed_) may be read: complete lines, each ending in a cell marked kLineEnd. The cells
// from committed_ on are the line being edited; erase keys take them back. Without kLocalCanonical
// everything is committed at once. An end-of-file key commits what has been typed with an extra
// cell marked kEndOfFile, which is never given to a reader: with nothing before it, a read finds 0
// bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "io/control.types.h"

namespace k42::io {

// What a step asks its owner to do.
class TerminalEffects {
 public:
  virtual void Output(std::uint8_t byte) = 0;     // to the screen, as it is
  virtual void Signal(std::uint32_t signal) = 0;  // to the foreground group
  virtual void DropOutput() = 0;                  // what the screen has not yet got
  virtual void HoldOutput(bool hold) = 0;         // the stop and start keys

 protected:
  ~TerminalEffects() = default;
};

// What a new terminal does, as everywhere: canonical, echoing, ^C ^\ ^Z ^D ^U ^W ^V ^R, ^S ^Q.
TerminalSettings DefaultTerminalSettings();

class LineDiscipline {
 public:
  static constexpr std::uint32_t kCapacity = 4096;

  LineDiscipline() : settings_(DefaultTerminalSettings()) {}

  const TerminalSettings& settings() const { return settings_; }
  // Leaving canonical mode commits the line being edited.
  void SetSettings(const TerminalSettings& settings);

  // A byte from the keyboard.
  void Input(std::uint8_t byte, TerminalEffects& effects);
  // A byte from a program, with the output translations.
  void Output(std::uint8_t byte, TerminalEffects& effects);

  // Bytes a read may have now; kLineEnd-terminated lines only, in canonical mode.
  std::uint32_t committed() const { return committed_ - read_; }
  bool readable() const;
  // At most one line (canonical) or what there is; 0 bytes at an end-of-file mark. Precondition:
  // readable(). The bytes stay until Consume.
  std::size_t Peek(std::span<std::uint8_t> to) const;
  // Takes what Peek gave as `size` bytes, with an end-of-file mark that follows them. True: a line
  // or an end of file ended here, and so does the read.
  bool Consume(std::size_t size);

  void FlushInput();
  // Room for one more byte from the keyboard (with it, nothing is lost).
  bool has_room() const { return write_ - read_ < kCapacity - 1; }
  bool output_held() const { return held_; }
  void SetHeld(bool held) { held_ = held; }

 private:
  enum Mark : std::uint16_t { kLineEnd = 0x100, kEndOfFile = 0x200 };

  std::uint16_t& Cell(std::uint32_t position) { return cells_[position % kCapacity]; }
  std::uint16_t Cell(std::uint32_t position) const { return cells_[position % kCapacity]; }
  bool Local(std::uint32_t bit) const { return (settings_.local & bit) != 0; }
  bool InputFlag(std::uint32_t bit) const { return (settings_.input & bit) != 0; }
  bool IsKey(std::uint8_t byte, TerminalKey key) const;

  bool SignalKey(std::uint8_t byte, TerminalEffects& effects);
  bool EditKey(std::uint8_t byte, TerminalEffects& effects);
  void Add(std::uint16_t cell, TerminalEffects& effects);
  void Commit() { committed_ = write_; }
  void Echo(std::uint8_t byte, TerminalEffects& effects);
  void EraseOne(TerminalEffects& effects);
  void EraseWord(TerminalEffects& effects);
  void KillLine(TerminalEffects& effects);
  void Reprint(TerminalEffects& effects);
  bool IsContinuation(std::uint32_t position) const;
  std::uint32_t WidthOnScreen(std::uint32_t position) const;
  void PutOutput(std::uint8_t byte, TerminalEffects& effects);

  TerminalSettings settings_;
  std::array<std::uint16_t, kCapacity> cells_{};
  std::uint32_t read_ = 0;
  std::uint32_t committed_ = 0;
  std::uint32_t write_ = 0;
  std::uint32_t column_ = 0;       // of the cursor
  std::uint32_t line_column_ = 0;  // of the cursor when the line being edited began
  bool literal_next_ = false;
  bool held_ = false;
};

}  // namespace k42::io
