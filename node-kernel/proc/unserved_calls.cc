#include "proc/unserved_calls.h"

#include <algorithm>

namespace k42::proc {

namespace {

constexpr machine::HoldReason kSearch{12'000, "64 names of at most 56 bytes are compared"};
constexpr machine::HoldReason kRow{200, "a row is copied"};

}  // namespace

void UnservedCalls::Note(std::uint32_t number, std::string_view program) {
  if (program.size() > kProgram)
    program.remove_prefix(program.size() - kProgram);
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
