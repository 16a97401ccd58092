// Secrets as text.
#pragma once

#include <string>

#include "interconnect/identity.h"

namespace k42::noded {

inline std::string ToHex(const interconnect::Secret& secret) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::byte byte : secret) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

// False if `text` is not exactly one secret.
inline bool FromHex(const std::string& text, interconnect::Secret* secret) {
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c - 'a' + 10; };
  if (text.size() != 2 * secret->size() ||
      text.find_first_not_of("0123456789abcdef") != std::string::npos)
    return false;
  for (std::size_t i = 0; i < secret->size(); ++i)
    (*secret)[i] = static_cast<std::byte>(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
  return true;
}

}  // namespace k42::noded
