// The kernel's command line: words `key` or `key=value`, separated by blanks; a value may be quoted
// with " to hold blanks. The last of several equal keys counts. Pure: compiled and tested hosted.
#pragma once

#include <optional>
#include <string_view>

namespace k42::machine {

class CommandLine {
 public:
  constexpr explicit CommandLine(std::string_view text) : text_(text) {}

  // The value of `key`, "" for a bare word, nothing if absent.
  std::optional<std::string_view> Find(std::string_view key) const;

  // Takes the words one by one: false when there is none left.
  struct Option {
    std::string_view key;
    std::string_view value;
  };
  class Words {
   public:
    explicit Words(std::string_view text) : rest_(text) {}
    bool Next(Option& option);

   private:
    std::string_view rest_;
  };
  Words words() const { return Words(text_); }

 private:
  std::string_view text_;
};

}  // namespace k42::machine
