// Comparing and searching bytes, eight at a time: what memcmp and memchr of a freestanding build
// are made of. Reads nothing outside the given range.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace k42 {

static_assert(std::endian::native == std::endian::little, "the first byte is the lowest");

inline std::uint64_t LoadWord(const unsigned char* at) {
  std::uint64_t word;
  __builtin_memcpy(&word, at, sizeof(word));
  return word;
}

// Less than, equal to or greater than 0, as memcmp.
inline int CompareBytes(const unsigned char* left, const unsigned char* right, std::size_t size) {
  for (; size >= 8; size -= 8, left += 8, right += 8) {
    const std::uint64_t a = LoadWord(left), b = LoadWord(right);
    if (a != b) {
      return __builtin_bswap64(a) < __builtin_bswap64(b) ? -1 : 1;
    }
  }
  for (; size != 0; --size, ++left, ++right) {
    if (*left != *right) {
      return *left - *right;
    }
  }
  return 0;
}

// The first byte that equals `wanted`, or null.
inline const unsigned char* FindByte(const unsigned char* at, unsigned char wanted,
                                     std::size_t size) {
  constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101, kTops = 0x8080'8080'8080'8080;
  const std::uint64_t pattern = kOnes * wanted;
  for (; size >= 8; size -= 8, at += 8) {
    const std::uint64_t differs = LoadWord(at) ^ pattern;
    // The lowest set bit marks the first byte that is zero here; higher ones may be wrong.
    const std::uint64_t zeros = (differs - kOnes) & ~differs & kTops;
    if (zeros != 0) {
      return at + std::countr_zero(zeros) / 8;
    }
  }
  for (; size != 0; --size, ++at) {
    if (*at == wanted) {
      return at;
    }
  }
  return nullptr;
}

}  // namespace k42
