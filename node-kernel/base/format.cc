#include "base/format.h"

namespace k42 {
namespace {

// Counts what does not fit, so that the caller learns the whole size.
class Writer {
 public:
  explicit Writer(std::span<char> buffer) : buffer_(buffer) {}
  void Put(char c) {
    if (size_ < buffer_.size()) {
      buffer_[size_] = c;
    }
    ++size_;
  }
  void Put(std::string_view text) {
    for (char c : text) {
      Put(c);
    }
  }
  void Fill(char c, std::size_t have, std::size_t want) {
    for (; have < want; ++have) {
      Put(c);
    }
  }
  std::size_t size() const { return size_; }

 private:
  std::span<char> buffer_;
  std::size_t size_ = 0;
};

struct Spec {
  bool hexadecimal = false;
  std::size_t width = 0;
};

void PutNumber(Writer& out, std::uint64_t value, unsigned base, std::size_t width, char fill,
               bool negative = false) {
  char digits[20];
  std::size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  out.Fill(fill, count + (negative ? 1 : 0), width);
  if (negative) {
    out.Put('-');
  }
  while (count != 0) {
    out.Put(digits[--count]);
  }
}

void PutText(Writer& out, std::string_view text, const Spec& spec) {
  out.Put(text);
  out.Fill(' ', text.size(), spec.width);
}

void PutArg(Writer& out, const FormatArg& arg, const Spec& spec) {
  using Kind = FormatArg::Kind;
  if (arg.kind == Kind::kText) {
    return PutText(out, {reinterpret_cast<const char*>(arg.bits), arg.text_size}, spec);
  }
  if (arg.kind == Kind::kPointer || spec.hexadecimal) {
    out.Put("0x");
    return PutNumber(out, arg.bits, 16, arg.kind == Kind::kPointer ? 16 : spec.width, '0');
  }
  const auto number = static_cast<std::int64_t>(arg.bits);
  switch (arg.kind) {
    case Kind::kSigned:
      // Negating as unsigned is right for the smallest number too.
      return PutNumber(out, number < 0 ? 0 - arg.bits : arg.bits, 10, spec.width, ' ', number < 0);
    case Kind::kChar:
      return out.Put(static_cast<char>(arg.bits));
    case Kind::kBool:
      return PutText(out, arg.bits != 0 ? "true" : "false", spec);
    case Kind::kStatus:
      return PutText(out, StatusName(static_cast<Status>(number)), spec);
    default:
      return PutNumber(out, arg.bits, 10, spec.width, ' ');
  }
}

}  // namespace

std::size_t FormatArgs(std::span<char> buffer, std::string_view format,
                       std::span<const FormatArg> args) {
  Writer out(buffer);
  std::size_t next = 0;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if (c != '{' && c != '}') {
      out.Put(c);
      continue;
    }
    ++i;  // checked at compile time: a brace is never the last character
    if (format[i] == c) {
      out.Put(c);
      continue;
    }
    Spec spec;
    if (format[i] == 'x') {
      spec.hexadecimal = true;
      ++i;
    }
    for (; format[i] != '}'; ++i) {
      spec.width = spec.width * 10 + static_cast<std::size_t>(format[i] - '0');
    }
    if (next < args.size()) {
      PutArg(out, args[next++], spec);
    }
  }
  return out.size();
}

}  // namespace k42
