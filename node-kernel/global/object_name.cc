#include "global/object_name.h"

#include <algorithm>

#include "base/format.h"

namespace k42::global {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

// A decimal number and the character behind it, off the front of `text`.
Result<std::uint64_t> TakeNumber(std::string_view& text, char after) {
  std::uint64_t number = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    const auto digit = static_cast<std::uint64_t>(text[digits] - '0');
    if (number > (~std::uint64_t{0} - digit) / 10)
      return Status::kCorrupt;
    number = number * 10 + digit;
  }
  if (digits == 0 || digits == text.size() || text[digits] != after)
    return Status::kCorrupt;
  text.remove_prefix(digits + 1);
  return number;
}

Result<std::uint32_t> HexValue(char c) {
  const std::size_t at = std::string_view(kHexDigits).find(c);
  if (c == '\0' || at == std::string_view::npos)
    return Status::kCorrupt;
  return static_cast<std::uint32_t>(at);
}

}  // namespace

bool ValidObjectName(std::string_view name) {
  if (name.empty() || name.size() > kObjectNameMax || name == "." || name == "..")
    return false;
  for (const char c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (!fine)
      return false;
  }
  return true;
}

ObjectPath::ObjectPath(std::string_view class_word, std::string_view name) {
  size = std::min(sizeof bytes, Format(bytes, "objects/{}/{}", class_word, name));
}

ObjectBinding::ObjectBinding(GlobalId id, const Digest& digest) {
  size = Format(bytes, "{}/{} {}/{} ", id.home(), id.incarnation(), id.slot(), id.generation());
  for (const std::uint8_t byte : digest.bytes) {
    bytes[size++] = kHexDigits[byte >> 4];
    bytes[size++] = kHexDigits[byte & 15];
  }
}

Status ParseObjectBinding(std::string_view text, GlobalId* id, Digest* digest) {
  const std::uint64_t home = TRY(TakeNumber(text, '/'));
  const std::uint64_t incarnation = TRY(TakeNumber(text, ' '));
  const std::uint64_t slot = TRY(TakeNumber(text, '/'));
  const std::uint64_t generation = TRY(TakeNumber(text, ' '));
  if (home > 0xffff || slot > 0xff'ffff || generation > 0xff'ffff ||
      text.size() != 2 * sizeof digest->bytes)
    return Status::kCorrupt;
  for (std::size_t i = 0; i < sizeof digest->bytes; ++i) {
    const std::uint32_t high = TRY(HexValue(text[2 * i]));
    const std::uint32_t low = TRY(HexValue(text[2 * i + 1]));
    digest->bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  *id = GlobalId::Make(static_cast<std::uint32_t>(home), incarnation,
                       static_cast<std::uint32_t>(slot), static_cast<std::uint32_t>(generation));
  return Status::kOk;
}

}  // namespace k42::global
