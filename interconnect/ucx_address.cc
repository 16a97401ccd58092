#include "interconnect/ucx_address.h"

#include <algorithm>
#include <array>

namespace k42::interconnect {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::size_t kSumSize = sizeof(std::uint64_t);

// FNV-1a, from its lowest byte on.
std::array<std::uint8_t, kSumSize> SumOf(std::span<const std::uint8_t> bytes) {
  std::uint64_t sum = 0xcbf2'9ce4'8422'2325;
  for (std::uint8_t byte : bytes) sum = (sum ^ byte) * 0x100'0000'01b3;
  std::array<std::uint8_t, kSumSize> written;
  for (std::size_t i = 0; i < kSumSize; ++i) written[i] = static_cast<std::uint8_t>(sum >> 8 * i);
  return written;
}

void AppendHex(std::string* text, std::span<const std::uint8_t> bytes) {
  for (std::uint8_t byte : bytes) {
    *text += kDigits[byte >> 4];
    *text += kDigits[byte & 15];
  }
}

}  // namespace

std::string PrintUcxAddress(std::span<const std::uint8_t> address) {
  std::string text;
  AppendHex(&text, address);
  AppendHex(&text, SumOf(address));
  return text;
}

std::vector<std::uint8_t> ParseUcxAddress(std::string_view text) {
  if (text.size() % 2 != 0 || text.size() <= 2 * kSumSize ||
      text.size() > 2 * (kMaxUcxAddress + kSumSize))
    return {};
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::size_t high = kDigits.find(text[i]);
    const std::size_t low = kDigits.find(text[i + 1]);
    if (high == kDigits.npos || low == kDigits.npos)
      return {};
    bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  const std::size_t size = bytes.size() - kSumSize;
  const std::span<const std::uint8_t> whole(bytes);
  if (!std::ranges::equal(SumOf(whole.first(size)), whole.last(kSumSize)))
    return {};
  bytes.resize(size);
  return bytes;
}

}  // namespace k42::interconnect
