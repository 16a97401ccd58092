// Typed text formatting without allocation: Format(buffer, "read {} bytes at {x}", count, address).
//
// Placeholders:  {}    the natural form: decimal numbers, text, true/false, a Status by name,
//                      pointers as 0x and 16 digits
//                {x}   hexadecimal with 0x      {x8}  the same, zero-filled to 8 digits
//                {8}   natural form, right-aligned in 8 columns (text: left-aligned)
//                {{ }} the braces themselves
// The format string is checked against the arguments at compile time; the formatter itself is not a
// template (small code). A type of its own becomes printable by an overload of ToFormatArg(T)
// beside it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/status.h"

namespace k42 {

struct FormatArg {
  enum class Kind : std::uint8_t { kUnsigned, kSigned, kChar, kBool, kText, kPointer, kStatus };
  Kind kind;
  std::uint64_t bits;         // number, pointer, or address of the text
  std::size_t text_size = 0;  // kText only
};

template <std::unsigned_integral T>
constexpr FormatArg ToFormatArg(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return {FormatArg::Kind::kBool, value};
  } else {
    return {FormatArg::Kind::kUnsigned, value};
  }
}
template <std::signed_integral T>
constexpr FormatArg ToFormatArg(T value) {
  if constexpr (std::is_same_v<T, char>) {
    return {FormatArg::Kind::kChar, static_cast<unsigned char>(value)};
  } else {
    return {FormatArg::Kind::kSigned, static_cast<std::uint64_t>(static_cast<std::int64_t>(value))};
  }
}
inline FormatArg ToFormatArg(std::string_view text) {
  return {FormatArg::Kind::kText, reinterpret_cast<std::uintptr_t>(text.data()), text.size()};
}
inline FormatArg ToFormatArg(const char* text) {
  return ToFormatArg(std::string_view(text != nullptr ? text : "(null)"));
}
inline FormatArg ToFormatArg(const void* pointer) {
  return {FormatArg::Kind::kPointer, reinterpret_cast<std::uintptr_t>(pointer)};
}
inline FormatArg ToFormatArg(Status status) {
  return {FormatArg::Kind::kStatus, static_cast<std::uint64_t>(status)};
}
template <typename T>
requires(std::is_enum_v<T> && !std::is_same_v<T, Status>) constexpr FormatArg ToFormatArg(T value) {
  return ToFormatArg(static_cast<std::underlying_type_t<T>>(value));
}

namespace detail {
inline void BadFormatString(const char* /*why*/) {}  // not constexpr: calling it stops compilation

consteval std::size_t CountPlaceholders(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '}') {
      if (i + 1 == text.size() || text[i + 1] != '}') {
        BadFormatString("single } in format string");
      }
      ++i;
    } else if (text[i] == '{') {
      if (i + 1 < text.size() && text[i + 1] == '{') {
        ++i;
        continue;
      }
      ++i;
      if (i < text.size() && text[i] == 'x') {
        ++i;
      }
      while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
        ++i;
      }
      if (i == text.size() || text[i] != '}') {
        BadFormatString("placeholders are {} {x} {x8} {8}");
      }
      ++count;
    }
  }
  return count;
}
}  // namespace detail

// A format string that fits Args; made implicitly from a literal.
template <typename... Args>
class FormatString {
 public:
  consteval FormatString(const char* text) : text_(text) {  // NOLINT
    if (detail::CountPlaceholders(text_) != sizeof...(Args)) {
      detail::BadFormatString("number of placeholders and of arguments differ");
    }
  }
  constexpr std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};
template <typename... Args>
using FormatFor = FormatString<std::type_identity_t<Args>...>;

// Writes at most buffer.size() characters (no terminating zero); returns how many the whole text
// has, so that a result above buffer.size() says that it was cut.
std::size_t FormatArgs(std::span<char> buffer, std::string_view format,
                       std::span<const FormatArg> args);

template <typename... Args>
std::size_t Format(std::span<char> buffer, FormatFor<Args...> format, const Args&... args) {
  if constexpr (sizeof...(Args) == 0) {
    return FormatArgs(buffer, format.text(), {});
  } else {
    const FormatArg list[] = {ToFormatArg(args)...};
    return FormatArgs(buffer, format.text(), list);
  }
}

}  // namespace k42
