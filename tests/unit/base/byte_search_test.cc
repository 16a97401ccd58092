// Against the library's own, over all sizes and places of a difference around the word size, in a
// buffer that ends where the range does, so that AddressSanitizer sees a read beyond it.
#include "base/byte_search.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace k42 {
namespace {

int Sign(int value) {
  return (value > 0) - (value < 0);
}

TEST(ByteSearch, ComparesAsTheLibrary) {
  std::mt19937 random(1);
  for (std::size_t size = 0; size < 40; ++size) {
    for (std::size_t at = 0; at <= size; ++at) {
      std::vector<unsigned char> a(size), b;
      for (unsigned char& byte : a) byte = static_cast<unsigned char>(random());
      b = a;
      for (std::size_t i = at; i < size; ++i) b[i] = static_cast<unsigned char>(random());
      EXPECT_EQ(Sign(CompareBytes(a.data(), b.data(), size)),
                size == 0 ? 0 : Sign(std::memcmp(a.data(), b.data(), size)))
          << size << " " << at;
    }
  }
}

TEST(ByteSearch, FindsTheFirst) {
  std::mt19937 random(2);
  for (std::size_t size = 0; size < 40; ++size) {
    for (int round = 0; round < 200; ++round) {
      std::vector<unsigned char> bytes(size);
      // Few values, the wanted one's neighbours among them: borrows of the word trick show there.
      for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(0x7f + random() % 4);
      for (const unsigned char wanted : {0x7f, 0x80, 0x81, 0x00}) {
        const void* expected = size == 0 ? nullptr : std::memchr(bytes.data(), wanted, size);
        EXPECT_EQ(FindByte(bytes.data(), wanted, size), expected) << size;
      }
    }
  }
}

}  // namespace
}  // namespace k42
