// Sentence: a bounded text for an operator, made in the kernel: why a module was refused, what an
// upgrade waits for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "base/format.h"

namespace k42::cobj {

class Sentence {
 public:
  static constexpr std::size_t kMost = 240;

  template <typename... Args>
  void Say(FormatFor<Args...> format, const Args&... args) {
    size_ = std::min(Format(std::span<char>(text_), format, args...), kMost);
  }
  std::string_view text() const { return {text_, size_}; }

 private:
  char text_[kMost] = {};
  std::size_t size_ = 0;
};

}  // namespace k42::cobj
