#include "machine/call_chain.h"

#include <dlfcn.h>
#include <execinfo.h>

#include <algorithm>

namespace k42::machine {

[[gnu::noinline]] std::size_t CaptureCallChain(std::span<std::uint64_t> chain, std::size_t skip) {
  constexpr std::size_t kMost = 64;
  void* frames[kMost];
  const auto found = static_cast<std::size_t>(backtrace(frames, kMost));
  const std::size_t first = std::min(found, skip + 1);  // this function's own comes first
  const std::size_t count = std::min(found - first, chain.size());
  std::transform(frames + first, frames + first + count, chain.begin(),
                 [](void* frame) { return reinterpret_cast<std::uint64_t>(frame); });
  return count;
}

CodePlace PlaceOfCall(std::uint64_t return_address) {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(return_address - 1), &info) == 0 ||
      info.dli_sname == nullptr) {
    return {"?", 0};
  }
  return {info.dli_sname, return_address - reinterpret_cast<std::uint64_t>(info.dli_saddr)};
}

}  // namespace k42::machine
