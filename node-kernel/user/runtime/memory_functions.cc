// Functions that compilers and the library's headers call on their own. String instructions: quick
// on hardware, and one instruction to emulators that know them.
#include <cstddef>

extern "C" {

void* memcpy(void* __restrict to, const void* __restrict from, std::size_t size) {
  void* const result = to;
  std::size_t words = size / 8, rest = size % 8;
  asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest)::"memory");
  return result;
}

void* memset(void* to, int value, std::size_t size) {
  void* const result = to;
  std::size_t words = size / 8, rest = size % 8;
  const unsigned long long pattern = 0x0101010101010101ull * static_cast<unsigned char>(value);
  asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
  asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
  return result;
}

void* memmove(void* to, const void* from, std::size_t size) {
  auto* const target = static_cast<char*>(to);
  const auto* const source = static_cast<const char*>(from);
  if (target <= source || target >= source + size)
    return memcpy(to, from, size);
  void* to_end = target + size - 1;
  const void* from_end = source + size - 1;
  asm volatile("std; rep movsb; cld" : "+D"(to_end), "+S"(from_end), "+c"(size)::"memory");
  return to;
}

int memcmp(const void* first, const void* second, std::size_t size) {
  const auto* a = static_cast<const unsigned char*>(first);
  const auto* b = static_cast<const unsigned char*>(second);
  for (; size != 0; --size, ++a, ++b) {
    if (*a != *b)
      return *a - *b;
  }
  return 0;
}

void* memchr(const void* from, int value, std::size_t size) {
  const auto* at = static_cast<const unsigned char*>(from);
  for (; size != 0; --size, ++at) {
    if (*at == static_cast<unsigned char>(value))
      return const_cast<unsigned char*>(at);
  }
  return nullptr;
}

std::size_t strlen(const char* text) {
  std::size_t size = 0;
  while (text[size] != '\0') ++size;
  return size;
}

}  // extern "C"
