#include "platform/x86_64/shared/command_line.h"

namespace k42::machine {
namespace {
bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
}  // namespace

bool CommandLine::Words::Next(Option& option) {
  while (!rest_.empty() && IsBlank(rest_.front())) {
    rest_.remove_prefix(1);
  }
  if (rest_.empty()) {
    return false;
  }
  std::size_t size = 0;
  bool quoted = false;
  while (size < rest_.size() && (quoted || !IsBlank(rest_[size]))) {
    quoted ^= rest_[size] == '"';
    ++size;
  }
  const std::string_view word = rest_.substr(0, size);
  rest_.remove_prefix(size);
  const std::size_t equals = word.find('=');
  option.key = word.substr(0, equals);
  option.value = equals == word.npos ? std::string_view() : word.substr(equals + 1);
  if (!option.value.empty() && option.value.front() == '"') {
    option.value.remove_prefix(1);
    if (!option.value.empty() && option.value.back() == '"') {
      option.value.remove_suffix(1);
    }
  }
  return true;
}

std::optional<std::string_view> CommandLine::Find(std::string_view key) const {
  std::optional<std::string_view> found;
  Option option;
  for (Words each = words(); each.Next(option);) {
    if (option.key == key) {
      found = option.value;
    }
  }
  return found;
}

}  // namespace k42::machine
