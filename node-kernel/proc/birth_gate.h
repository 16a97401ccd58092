// BirthGate: births of tasks, on all CPUs at once, against walks that must miss none: a signal to
// a group reaches a child or its parent before it bears the child, never neither.
//
// States: open (births come and go, each writing a word of its CPU) -> closed (by one walker;
// births wait outside) -> empty (those that were inside have left; the walk begins) -> open. A
// birth does not wait inside, and a CPU has one at a time. Ends are nobody's business here.
//
// `Atomic` is a parameter for the interleaving test (tests/unit/proc/birth_gate_model_test.cc).
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/contract/types.h"

namespace k42::proc {

template <template <typename> typename Atomic = std::atomic,
          machine::CpuId kCpus = machine::kMaxCpus>
class BasicBirthGate {
 public:
  // False: a walk is on, try again later.
  [[nodiscard]] bool TryEnter(machine::CpuId cpu) {
    if (closed_.load(std::memory_order_relaxed)) [[unlikely]]
      return false;  // or those who try again would keep the walker from seeing it empty
    inside_[cpu].word.store(1, std::memory_order_seq_cst);
    if (!closed_.load(std::memory_order_seq_cst)) [[likely]]
      return true;
    Leave(cpu);
    return false;
  }
  void Leave(machine::CpuId cpu) { inside_[cpu].word.store(0, std::memory_order_release); }

  // False: another walk is on.
  [[nodiscard]] bool TryClose() { return !closed_.exchange(true, std::memory_order_seq_cst); }
  // Closed, by the caller: has everybody left?
  bool IsEmpty(machine::CpuId cpus) const {
    for (machine::CpuId cpu = 0; cpu < cpus; ++cpu) {
      if (inside_[cpu].word.load(std::memory_order_seq_cst) != 0)
        return false;
    }
    return true;
  }
  void Open() { closed_.store(false, std::memory_order_release); }

 private:
  struct alignas(64) Word {
    Atomic<std::uint32_t> word{0};
  };
  Word inside_[kCpus];
  alignas(64) Atomic<bool> closed_{false};
};

using BirthGate = BasicBirthGate<>;

}  // namespace k42::proc
