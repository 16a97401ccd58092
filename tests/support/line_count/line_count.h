// How many cache lines that several CPUs write does an operation write? What a count of
// instructions does not show, and what decides how code scales.
//
// Code compiled with the compiler's thread-sanitizer instrumentation calls a function at each load
// and store; here these functions are ours (tsan_callbacks.cc) instead of the sanitizer's, and note
// the lines written by a virtual CPU that takes part in a count, by whichever of its threads: what
// an operation leaves to a worker or to a message of its CPU is the operation's, too. memcpy,
// memmove and memset are wrapped by the linker. Not seen: what is not compiled that way
// (platform/hosted/*.cc: threads, messages, mutexes' queues) and inline assembly. Locks are seen,
// as their words are std::atomic.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "platform/contract/types.h"

namespace k42::test {

struct SharedLine {
  std::uint64_t address;  // of its first byte
  std::uint64_t cpus;     // that wrote it: a bit each
  std::uint64_t writes;
  std::vector<std::uint64_t> writers;  // some instructions that wrote it
};

struct LineReport {
  // Lines written per operation that more than one CPU wrote during the count; one line counts once
  // for an operation.
  double shared_per_operation = 0;
  double written_per_operation = 0;  // all lines, stacks included
  std::vector<SharedLine> hottest;   // the most written of the shared ones

  std::string Text() const;  // for failure messages
};

// What lies at an address, for reports: set by the test's node, which knows its memory.
using PlaceNames = std::function<std::string(std::uint64_t address)>;
void SetPlaceNames(PlaceNames names);

// Each of `cpus` virtual CPUs (at most machine::CpuCount()) calls operation(cpu, number)
// `operations` times, all at once, after `warm_up` calls that do not count.
LineReport CountLines(machine::CpuId cpus, std::uint32_t operations,
                      const std::function<void(machine::CpuId, std::uint32_t)>& operation,
                      std::uint32_t warm_up = 0);

// The virtual CPU that next writes to these bytes stops just before, as a host stops a real one's
// thread anywhere: with all its threads, and for as long as it likes. One at a time.
class Halt {
 public:
  Halt(machine::CpuId cpu, const void* place, std::size_t size);
  ~Halt();  // goes on
  Halt(const Halt&) = delete;
  Halt& operator=(const Halt&) = delete;

  void AwaitReached() const { reached_.wait(false); }
  void Go();

  // By the writer.
  void Consider(machine::CpuId cpu, std::uint64_t begin, std::uint64_t end);

 private:
  const machine::CpuId cpu_;
  const std::uint64_t begin_, end_;
  std::atomic<bool> reached_{false}, go_{false};
};

namespace detail {
// From the callbacks: the calling thread writes [address, address + size).
void NoteWrite(const void* address, std::size_t size, const void* writer);
}  // namespace detail

}  // namespace k42::test
