// What instrumented code calls (GCC's and Clang's -fsanitize=thread), without the sanitizer.
// Names and signatures are the compilers'. Macros, because each stands for a family of functions
// whose names are made of a size.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "support/line_count/line_count.h"

using k42::test::detail::NoteWrite;

#define WRITER __builtin_return_address(0)

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void** place, void*) {
  NoteWrite(place, sizeof(void*), WRITER);
}
void __tsan_vptr_read(void**) {}
void __tsan_read_range(void*, unsigned long) {}
void __tsan_write_range(void* place, unsigned long size) {
  NoteWrite(place, size, WRITER);
}

#define PLAIN(size)                                     \
  void __tsan_read##size(void*) {}                      \
  void __tsan_unaligned_read##size(void*) {}            \
  void __tsan_volatile_read##size(void*) {}             \
  void __tsan_write##size(void* place) {                \
    NoteWrite(place, size, WRITER);                     \
  }                                                     \
  void __tsan_unaligned_write##size(void* place) {      \
    NoteWrite(place, size, WRITER);                     \
  }                                                     \
  void __tsan_volatile_write##size(void* place) {       \
    NoteWrite(place, size, WRITER);                     \
  }                                                     \
  void __tsan_read_write##size(void* place) {           \
    NoteWrite(place, size, WRITER);                     \
  }                                                     \
  void __tsan_unaligned_read_write##size(void* place) { \
    NoteWrite(place, size, WRITER);                     \
  }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

// The strongest order serves all.
#define UPDATE(bits, name, builtin)                                                     \
  std::uint##bits##_t __tsan_atomic##bits##_##name(volatile std::uint##bits##_t* place, \
                                                   std::uint##bits##_t value, int) {    \
    NoteWrite(const_cast<const std::uint##bits##_t*>(place), bits / 8, WRITER);         \
    return builtin(place, value, __ATOMIC_SEQ_CST);                                     \
  }
#define ATOMIC(bits)                                                                               \
  std::uint##bits##_t __tsan_atomic##bits##_load(const volatile std::uint##bits##_t* place, int) { \
    return __atomic_load_n(place, __ATOMIC_SEQ_CST);                                               \
  }                                                                                                \
  void __tsan_atomic##bits##_store(volatile std::uint##bits##_t* place, std::uint##bits##_t value, \
                                   int) {                                                          \
    NoteWrite(const_cast<const std::uint##bits##_t*>(place), bits / 8, WRITER);                    \
    __atomic_store_n(place, value, __ATOMIC_SEQ_CST);                                              \
  }                                                                                                \
  UPDATE(bits, exchange, __atomic_exchange_n)                                                      \
  UPDATE(bits, fetch_add, __atomic_fetch_add)                                                      \
  UPDATE(bits, fetch_sub, __atomic_fetch_sub)                                                      \
  UPDATE(bits, fetch_and, __atomic_fetch_and)                                                      \
  UPDATE(bits, fetch_or, __atomic_fetch_or)                                                        \
  UPDATE(bits, fetch_xor, __atomic_fetch_xor)                                                      \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile std::uint##bits##_t* place,           \
                                                    std::uint##bits##_t* expected,                 \
                                                    std::uint##bits##_t value, int, int) {         \
    NoteWrite(const_cast<const std::uint##bits##_t*>(place), bits / 8, WRITER);                    \
    return __atomic_compare_exchange_n(place, expected, value, false, __ATOMIC_SEQ_CST,            \
                                       __ATOMIC_SEQ_CST);                                          \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile std::uint##bits##_t* place,             \
                                                  std::uint##bits##_t* expected,                   \
                                                  std::uint##bits##_t value, int, int) {           \
    NoteWrite(const_cast<const std::uint##bits##_t*>(place), bits / 8, WRITER);                    \
    return __atomic_compare_exchange_n(place, expected, value, false, __ATOMIC_SEQ_CST,            \
                                       __ATOMIC_SEQ_CST);                                          \
  }                                                                                                \
  std::uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                  \
      volatile std::uint##bits##_t* place, std::uint##bits##_t expected,                           \
      std::uint##bits##_t value, int, int) {                                                       \
    NoteWrite(const_cast<const std::uint##bits##_t*>(place), bits / 8, WRITER);                    \
    __atomic_compare_exchange_n(place, &expected, value, false, __ATOMIC_SEQ_CST,                  \
                                __ATOMIC_SEQ_CST);                                                 \
    return expected;                                                                               \
  }
ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

void __tsan_atomic_thread_fence(int) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
void __tsan_atomic_signal_fence(int) {}

// By the linker's --wrap.
void* __real_memcpy(void*, const void*, std::size_t);
void* __real_memmove(void*, const void*, std::size_t);
void* __real_memset(void*, int, std::size_t);
void* __wrap_memcpy(void* to, const void* from, std::size_t size) {
  NoteWrite(to, size, WRITER);
  return __real_memcpy(to, from, size);
}
void* __wrap_memmove(void* to, const void* from, std::size_t size) {
  NoteWrite(to, size, WRITER);
  return __real_memmove(to, from, size);
}
void* __wrap_memset(void* to, int value, std::size_t size) {
  NoteWrite(to, size, WRITER);
  return __real_memset(to, value, size);
}
// Clang's instrumentation calls these for memory functions it sees.
void* __tsan_memcpy(void* to, const void* from, std::size_t size) {
  return __wrap_memcpy(to, from, size);
}
void* __tsan_memmove(void* to, const void* from, std::size_t size) {
  return __wrap_memmove(to, from, size);
}
void* __tsan_memset(void* to, int value, std::size_t size) {
  return __wrap_memset(to, value, size);
}

}  // extern "C"
