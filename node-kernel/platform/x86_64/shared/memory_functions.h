// memcpy and friends: what compilers and the library's headers call by name. Definitions, for one
// source of the kernel and of each image. Copies go eight bytes at a time by string instructions
// (rep movsb and stosb run byte by byte under emulation).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/byte_search.h"

extern "C" {

void* memcpy(void* __restrict destination, const void* __restrict source, std::size_t size) {
  void* to = destination;
  std::size_t words = size / 8, rest = size % 8;
  asm volatile("rep movsq" : "+D"(to), "+S"(source), "+c"(words)::"memory");
  asm volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(rest)::"memory");
  return destination;
}

void* memmove(void* destination, const void* source, std::size_t size) {
  auto* to = static_cast<unsigned char*>(destination);
  auto* from = static_cast<const unsigned char*>(source);
  if (to <= from || to >= from + size) {
    return memcpy(destination, source, size);
  }
  to += size - 1;
  from += size - 1;
  asm volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(size)::"memory");
  return destination;
}

void* memset(void* destination, int value, std::size_t size) {
  void* to = destination;
  std::size_t words = size / 8, rest = size % 8;
  const std::uint64_t pattern = 0x0101'0101'0101'0101 * static_cast<unsigned char>(value);
  asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
  asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
  return destination;
}

int memcmp(const void* left, const void* right, std::size_t size) {
  return k42::CompareBytes(static_cast<const unsigned char*>(left),
                           static_cast<const unsigned char*>(right), size);
}

void* memchr(const void* memory, int value, std::size_t size) {
  return const_cast<unsigned char*>(k42::FindByte(static_cast<const unsigned char*>(memory),
                                                  static_cast<unsigned char>(value), size));
}

// Not a loop that the compiler could turn into a call of itself: the asm keeps it one.
std::size_t strlen(const char* text) {
  const char* end = text;
  while (*end != 0) {
    ++end;
    asm volatile("" : "+r"(end));
  }
  return static_cast<std::size_t>(end - text);
}

}  // extern "C"
