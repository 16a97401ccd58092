#include "base/align.h"
#include "machine/call_chain.h"
#include "machine/kernel_layout.h"
#include "symbols.h"

extern "C" const char kernel_begin[], kernel_text_end[], kernel_data_end[];

namespace k42::machine {
namespace {

struct StackBounds {
  std::uint64_t begin;
  std::uint64_t end;
};

// The stack that `address` is on: a thread's, or one of the image's (boot, critical traps).
StackBounds StackOf(std::uint64_t address) {
  if (address >= kStackAreaBase && address < kStackAreaEnd) {
    const std::uint64_t end = AlignUp(address, kStackSlotSize);
    return {end - kStackSize, end};
  }
  return {reinterpret_cast<std::uint64_t>(kernel_begin),
          reinterpret_cast<std::uint64_t>(kernel_data_end)};
}

bool IsCode(std::uint64_t address) {
  return (address >= reinterpret_cast<std::uint64_t>(kernel_begin) &&
          address < reinterpret_cast<std::uint64_t>(kernel_text_end)) ||
         (address >= kModuleAreaBase && address < kModuleAreaEnd);
}

}  // namespace

// Frame pointers are followed upwards within one stack only, so that a chain which ends in user
// mode, with whatever the program had in rbp, is no danger.
[[gnu::noinline]] std::size_t CaptureCallChain(std::span<std::uint64_t> chain, std::size_t skip) {
  auto rbp = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
  const StackBounds stack = StackOf(rbp);
  std::size_t count = 0;
  while (count < chain.size() && rbp >= stack.begin && rbp + 16 <= stack.end && rbp % 8 == 0) {
    const auto* record = reinterpret_cast<const std::uint64_t*>(rbp);
    if (!IsCode(record[1])) {
      break;
    }
    if (skip != 0) {
      --skip;
    } else {
      chain[count++] = record[1];
    }
    if (record[0] <= rbp) {
      break;
    }
    rbp = record[0];
  }
  return count;
}

CodePlace PlaceOfCall(std::uint64_t return_address) {
  const SymbolAt at = FindSymbol(return_address - 1);
  return {at.name, at.offset + 1};
}

}  // namespace k42::machine
