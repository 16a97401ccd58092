// What the C++ library calls when a precondition of its inline code fails (std::string_view::substr
// out of range and the like): the kernel has no exceptions, so it is a panic.
#include "machine/log.h"

namespace std {

[[gnu::noreturn]] void __throw_out_of_range_fmt(const char* format, ...) {
  k42::machine::Panic("C++ library: {}", format);
}
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

extern "C" [[noreturn]] void __cxa_pure_virtual() {
  k42::machine::Panic("pure virtual function called");
}
