// UnservedCalls: the system calls that programs asked for in vain, counted by number and program,
// for whoever wants to know what is missing (k42ctl abi). Of fixed size: what finds no row is
// counted together. Any thread, any CPU.
#pragma once

#include <cstdint>
#include <string_view>

#include "machine/spin_lock.h"

namespace k42::proc {

class UnservedCalls {
 public:
  static constexpr std::size_t kRows = 64;
  // Bytes of its path that are kept: the last ones. All but visible ASCII stands there as \x0a, so
  // that no name can look like another row.
  static constexpr std::size_t kProgram = 56;

  struct Row {
    std::uint64_t count = 0;
    std::uint32_t number = 0;
    std::uint32_t size = 0;  // of the program's text
    char program[kProgram] = {};
    std::string_view program_text() const { return {program, size}; }
  };

  void Note(std::uint32_t number, std::string_view path);
  // A copy of the row, in the order in which they were made. False: there are no more.
  bool Get(std::size_t index, Row* row) const;
  // Calls that found no row.
  std::uint64_t others() const;

 private:
  // Of the rank of a neighbour: neither is taken with the other held.
  mutable machine::SpinLock<LockRank::kTraceBuffers> lock_;
  Row rows_[kRows] K42_GUARDED_BY(lock_);
  std::size_t used_ K42_GUARDED_BY(lock_) = 0;
  std::uint64_t others_ K42_GUARDED_BY(lock_) = 0;
};

}  // namespace k42::proc
