#include "proc/unserved_calls.h"

#include <algorithm>

namespace k42::proc {

namespace {

constexpr machine::HoldReason kSearch{12'000, "64 names of at most 56 bytes are compared"};
constexpr machine::HoldReason kRow{200, "a row is copied"};

// A path may have any bytes; the rows are lines of text on their way to the operator's terminal.
class Printable {
 public:
  explicit Printable(std::string_view text) {
    if (text.size() > UnservedCalls::kProgram)
      text.remove_prefix(text.size() - UnservedCalls::kProgram);
    for (const char one : text) Add(static_cast<unsigned char>(one));
  }
  // The last ones.
  std::string_view text() const {
    const std::size_t kept = std::min(size_, UnservedCalls::kProgram);
    return {text_ + size_ - kept, kept};
  }

 private:
  void Add(unsigned char byte) {
    constexpr char kDigits[] = "0123456789abcdef";
    if (byte > ' ' && byte <= '~' && byte != '\\') {
      text_[size_++] = static_cast<char>(byte);
      return;
    }
    for (const char one : {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]}) text_[size_++] = one;
  }
  std::size_t size_ = 0;
  char text_[4 * UnservedCalls::kProgram];
};

}  // namespace

void UnservedCalls::Note(std::uint32_t number, std::string_view path) {
  const Printable printable(path);
  const std::string_view program = printable.text();
  const machine::SpinGuard guard(lock_, kSearch);
  Row* const end = rows_ + used_;
  Row* row = std::find_if(rows_, end, [&](const Row& one) {
    return one.number == number && one.program_text() == program;
  });
  if (row == end) {
    if (used_ == kRows) {
      ++others_;
      return;
    }
    ++used_;
    row->number = number;
    row->size = static_cast<std::uint32_t>(program.copy(row->program, kProgram));
  }
  ++row->count;
}

bool UnservedCalls::Get(std::size_t index, Row* row) const {
  const machine::SpinGuard guard(lock_, kRow);
  if (index >= used_)
    return false;
  *row = rows_[index];
  return true;
}

std::uint64_t UnservedCalls::others() const {
  const machine::SpinGuard guard(lock_);
  return others_;
}

}  // namespace k42::proc
