// What compilers and the C++ library call when code breaks a rule: the precondition of an inline
// function (std::string_view::substr out of range), a pure virtual function. There are no
// exceptions in the kernel, nor in an image: it is a panic of either. Definitions, for one source
// of each.
#pragma once

#include "machine/log.h"

namespace std {

[[gnu::noreturn]] void __throw_out_of_range_fmt(const char* format, ...) {
  k42::machine::Panic("C++ library: {}", format);
}

}  // namespace std

extern "C" [[noreturn]] void __cxa_pure_virtual() {
  k42::machine::Panic("pure virtual function called");
}
