// What only the kernel's code may call beside what images do.
#include "library_failures.h"
#include "machine/log.h"

namespace std {

[[gnu::noreturn]] void __throw_length_error(const char* what) {
  k42::machine::Panic("C++ library: {}", what);
}
[[gnu::noreturn]] void __throw_bad_optional_access() {
  k42::machine::Panic("C++ library: empty optional");
}
[[gnu::noreturn]] void __throw_bad_variant_access(const char* what) {
  k42::machine::Panic("C++ library: {}", what);
}
[[gnu::noreturn]] void __throw_bad_function_call() {
  k42::machine::Panic("C++ library: empty function");
}

}  // namespace std
