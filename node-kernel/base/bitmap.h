// Bitmaps over words somebody else owns (BitmapView) or of a fixed size (Bitmap<N>).
// No locking: the owner's.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace k42 {

class BitmapView {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};
  static constexpr std::size_t WordsFor(std::size_t bits) { return (bits + 63) / 64; }

  // `words` has WordsFor(bits) entries; bits beyond `bits` in the last word are never touched.
  constexpr BitmapView(std::uint64_t* words, std::size_t bits) : words_(words), bits_(bits) {}

  constexpr std::size_t size() const { return bits_; }
  constexpr bool Test(std::size_t bit) const { return (words_[bit / 64] >> (bit % 64) & 1) != 0; }
  constexpr void Set(std::size_t bit) { words_[bit / 64] |= Mask(bit); }
  constexpr void Clear(std::size_t bit) { words_[bit / 64] &= ~Mask(bit); }

  // The first set (clear) bit at or after `from`, or kNone.
  constexpr std::size_t FindSet(std::size_t from = 0) const { return Find(from, 0); }
  constexpr std::size_t FindClear(std::size_t from = 0) const {
    return Find(from, ~std::uint64_t{0});
  }

  constexpr std::size_t CountSet() const {
    std::size_t count = 0;
    for (std::size_t bit = FindSet(); bit != kNone; bit = FindSet(bit + 1)) {
      ++count;
    }
    return count;
  }

 private:
  static constexpr std::uint64_t Mask(std::size_t bit) { return std::uint64_t{1} << (bit % 64); }

  constexpr std::size_t Find(std::size_t from, std::uint64_t flip) const {
    if (from >= bits_) {
      return kNone;
    }
    std::size_t word = from / 64;
    std::uint64_t value = (words_[word] ^ flip) & ~(Mask(from) - 1);
    const std::size_t last = (bits_ - 1) / 64;
    while (value == 0 && word < last) {
      value = words_[++word] ^ flip;
    }
    const std::size_t found = word * 64 + static_cast<std::size_t>(std::countr_zero(value));
    return value != 0 && found < bits_ ? found : kNone;
  }

  std::uint64_t* words_;
  std::size_t bits_;
};

template <std::size_t kBits>
class Bitmap {
 public:
  static constexpr std::size_t kNone = BitmapView::kNone;

  constexpr std::size_t size() const { return kBits; }
  constexpr bool Test(std::size_t bit) const { return View().Test(bit); }
  constexpr void Set(std::size_t bit) { View().Set(bit); }
  constexpr void Clear(std::size_t bit) { View().Clear(bit); }
  constexpr std::size_t FindSet(std::size_t from = 0) const { return View().FindSet(from); }
  constexpr std::size_t FindClear(std::size_t from = 0) const { return View().FindClear(from); }
  constexpr std::size_t CountSet() const { return View().CountSet(); }

  // The first `bits` of them.
  constexpr BitmapView First(std::size_t bits) const { return BitmapView(words_, bits); }

 private:
  constexpr BitmapView View() const { return BitmapView(words_, kBits); }
  mutable std::uint64_t words_[BitmapView::WordsFor(kBits)] = {};
};

}  // namespace k42
