// Sets of CPUs: one 64-bit word, because a node has at most 64 CPUs. CpuSet is a plain value;
// AtomicCpuSet is shared between CPUs (a HAT's "where was this address space loaded").
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "base/align.h"

namespace k42 {

class CpuSet {
 public:
  static constexpr std::uint32_t kMaxCpus = 64;

  constexpr CpuSet() = default;
  static constexpr CpuSet FromBits(std::uint64_t bits) { return CpuSet(bits); }
  static constexpr CpuSet Of(std::uint32_t cpu) { return CpuSet(std::uint64_t{1} << cpu); }
  // CPUs 0 .. count - 1.
  static constexpr CpuSet FirstOf(std::uint32_t count) {
    return CpuSet(count >= kMaxCpus ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1);
  }

  constexpr void Add(std::uint32_t cpu) { bits_ |= std::uint64_t{1} << cpu; }
  constexpr void Remove(std::uint32_t cpu) { bits_ &= ~(std::uint64_t{1} << cpu); }
  constexpr bool Contains(std::uint32_t cpu) const { return (bits_ >> cpu & 1) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr std::uint32_t Count() const { return CountBits(bits_); }
  // Precondition: not empty.
  constexpr std::uint32_t First() const {
    return static_cast<std::uint32_t>(std::countr_zero(bits_));
  }
  constexpr std::uint64_t bits() const { return bits_; }

  friend constexpr bool operator==(CpuSet, CpuSet) = default;
  friend constexpr CpuSet operator|(CpuSet a, CpuSet b) { return CpuSet(a.bits_ | b.bits_); }
  friend constexpr CpuSet operator&(CpuSet a, CpuSet b) { return CpuSet(a.bits_ & b.bits_); }
  friend constexpr CpuSet operator-(CpuSet a, CpuSet b) { return CpuSet(a.bits_ & ~b.bits_); }

  // for (std::uint32_t cpu : set), ascending. Iterates over a copy: the set may change meanwhile.
  class Iterator {
   public:
    constexpr explicit Iterator(std::uint64_t bits) : bits_(bits) {}
    constexpr std::uint32_t operator*() const {
      return static_cast<std::uint32_t>(std::countr_zero(bits_));
    }
    constexpr Iterator& operator++() {
      bits_ &= bits_ - 1;
      return *this;
    }
    friend constexpr bool operator==(Iterator, Iterator) = default;

   private:
    std::uint64_t bits_;
  };
  constexpr Iterator begin() const { return Iterator(bits_); }
  constexpr Iterator end() const { return Iterator(0); }

 private:
  constexpr explicit CpuSet(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits_ = 0;
};

// A set that several CPUs change. Add, Remove and LoadAfterChange are sequentially consistent
// read-modify-writes where they matter: "I am in the set" against "what the set's members look at
// has changed" is a store-buffer race on both sides (mem/hat.h). `Atomic` is a parameter for the
// test of just that.
template <template <typename> typename Atomic>
class BasicAtomicCpuSet {
 public:
  // True if the CPU was not in the set before.
  bool Add(std::uint32_t cpu) {
    const std::uint64_t bit = std::uint64_t{1} << cpu;
    if ((bits_.load(std::memory_order_seq_cst) & bit) != 0) {
      return false;  // without writing a shared line; the Add that set it was the barrier
    }
    return (bits_.fetch_or(bit, std::memory_order_seq_cst) & bit) == 0;
  }
  // True if the CPU was in the set before.
  bool Remove(std::uint32_t cpu) {
    const std::uint64_t bit = std::uint64_t{1} << cpu;
    return (bits_.fetch_and(~bit, std::memory_order_seq_cst) & bit) != 0;
  }
  bool Contains(std::uint32_t cpu) const { return Load().Contains(cpu); }
  // The members, for whoever has just stored something that they look at: members that this does
  // not see will see the store.
  CpuSet LoadAfterChange() {
    return CpuSet::FromBits(bits_.fetch_or(0, std::memory_order_seq_cst));
  }
  CpuSet Load() const { return CpuSet::FromBits(bits_.load(std::memory_order_seq_cst)); }

 private:
  Atomic<std::uint64_t> bits_{0};
};
using AtomicCpuSet = BasicAtomicCpuSet<std::atomic>;

}  // namespace k42
