#include "user/linux/log.h"

#include "user/linux/kernel.h"

namespace k42::personality {
namespace {

constexpr std::size_t kLineMax = 240;

class Line {
 public:
  void Put(char c) {
    if (size_ < kLineMax) {
      text_[size_++] = c;
    }
  }
  void Put(const char* text) {
    while (*text) {
      Put(*text++);
    }
  }
  void Put(std::uint64_t value, unsigned base) {
    char digits[20];
    int count = 0;
    do {
      digits[count++] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    while (count > 0) {
      Put(digits[--count]);
    }
  }
  void Send() { kernel::Log(text_, size_); }

 private:
  char text_[kLineMax];
  std::size_t size_ = 0;
};

}  // namespace

void LogWords(const char* format, std::initializer_list<std::uint64_t> words) {
  Line line;
  const std::uint64_t* word = words.begin();
  for (const char* at = format; *at; ++at) {
    const bool decimal = at[0] == '{' && at[1] == '}';
    const bool hex = at[0] == '{' && at[1] == 'x' && at[2] == '}';
    if ((decimal || hex) && word != words.end()) {
      line.Put(*word++, hex ? 16 : 10);
      at += hex ? 2 : 1;
    } else {
      line.Put(*at);
    }
  }
  line.Send();
}

void LogText(const char* text, const char* more) {
  Line line;
  line.Put(text);
  line.Put(more);
  line.Send();
}

}  // namespace k42::personality
