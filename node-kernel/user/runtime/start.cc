#include "user/runtime/runtime.h"

namespace k42::runtime {

namespace {

constexpr std::size_t kMaxWords = 32;
const abi::ProcessStart* start;

std::size_t SplitWords(std::string_view blob, std::span<std::string_view> words) {
  std::size_t count = 0;
  while (!blob.empty() && count < words.size()) {
    const std::size_t end = blob.find('\0');
    words[count++] = blob.substr(0, end);
    blob.remove_prefix(end == std::string_view::npos ? blob.size() : end + 1);
  }
  return count;
}

}  // namespace

// Where the kernel starts an image; the stack is as after a call.
extern "C" [[noreturn]] [[gnu::used]] void image_entry(const abi::ProcessStart* given) {
  start = given;
  std::string_view words[kMaxWords];
  const std::string_view blob(reinterpret_cast<const char*>(given->blob), given->blob_size);
  const std::size_t count = SplitWords(blob, words);
  Exit(static_cast<std::uint32_t>(Main({words, count})));
}

const abi::ProcessStart& Start() {
  return *start;
}

std::span<const abi::Handle> InheritedHandles() {
  return {reinterpret_cast<const abi::Handle*>(start->handles), start->handle_count};
}

void Exit(std::uint32_t code) {
  (void)kProcess.Exit(0, proc::ExitKind::kExited, code);
  __builtin_trap();
}

}  // namespace k42::runtime
