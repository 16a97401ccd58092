// A set of Linux signals: bit n-1 stands for signal n, the layout of the kernel's sigset_t.
#pragma once

#include <bit>
#include <cstdint>

namespace k42::personality {

inline constexpr int kSignalCount = 64;

class SignalSet {
 public:
  constexpr SignalSet() = default;
  constexpr explicit SignalSet(std::uint64_t bits) : bits_(bits) {}

  static constexpr SignalSet Of(int signal) { return SignalSet(1ull << (signal - 1)); }
  static constexpr bool Valid(int signal) { return signal >= 1 && signal <= kSignalCount; }

  constexpr bool Has(int signal) const { return (bits_ >> (signal - 1) & 1) != 0; }
  constexpr void Add(int signal) { bits_ |= 1ull << (signal - 1); }
  constexpr void Remove(int signal) { bits_ &= ~(1ull << (signal - 1)); }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr std::uint64_t bits() const { return bits_; }

  // The lowest member, 0 if none.
  constexpr int First() const { return bits_ ? std::countr_zero(bits_) + 1 : 0; }

  constexpr SignalSet operator|(SignalSet other) const { return SignalSet(bits_ | other.bits_); }
  constexpr SignalSet operator&(SignalSet other) const { return SignalSet(bits_ & other.bits_); }
  constexpr SignalSet operator~() const { return SignalSet(~bits_); }
  constexpr bool operator==(const SignalSet&) const = default;

 private:
  std::uint64_t bits_ = 0;
};

}  // namespace k42::personality
