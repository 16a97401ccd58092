#include "user/linux/file_windows.h"

#include "user/linux/file_slots.h"
#include "user/linux/user_memory.h"

namespace k42::personality {
namespace {

using abi::FileSlot;
using abi::FileSlots;
using abi::FileWindows;

// What a window must have served before it goes elsewhere: that costs as much as a few calls, and
// its pages are found anew.
constexpr std::uint64_t kWorthAMove = 32;

struct Windows {
  char* memory;  // null: none (yet)
  bool refused;
  std::uint64_t next_move[FileSlots::kSlots];  // not before the slot has served so many
};
Windows windows;

// Where the window shows [at, at + size) of the file; null: it does not. What the program may have
// made of the slot leads nowhere but into the windows.
char* Shown(const FileSlot& state, std::uint64_t at, std::uint64_t size) {
  const std::uint64_t begin = state.window_begin.load(std::memory_order_relaxed);
  const std::uint64_t window = state.window.load(std::memory_order_relaxed);
  if (!windows.memory || window >= FileWindows::kWindows || at < begin ||
      size > FileWindows::kWindow || at - begin > FileWindows::kWindow - size) {
    return nullptr;
  }
  return windows.memory + window * FileWindows::kWindow + (at - begin);
}

// Has the window go there, if that pays. The kernel may find that the file is in the slot no more,
// or in another way.
bool Move(const SlotOfFile& file, std::uint64_t at) {
  const std::uint64_t served = file.state.reads.load(std::memory_order_relaxed);
  if (!windows.memory || served < windows.next_move[file.slot]) {
    return false;
  }
  windows.next_move[file.slot] = served + kWorthAMove;
  file.state.wanted.store(at, std::memory_order_relaxed);
  return IsOk(kernel::UseSlot(file.slots, file.file, file.slot, 0));
}

void CountServed(FileSlot& state) {
  state.reads.store(state.reads.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

std::uint64_t Place(std::uint64_t word, std::int64_t offset) {
  return offset == kAtPosition ? FileSlot::Position(word) : static_cast<std::uint64_t>(offset);
}

}  // namespace

void BeginWindow(kernel::Handle slots, std::uint32_t slot) {
  windows.next_move[slot] = 0;
  if (!windows.memory && !windows.refused) {
    windows.memory = kernel::MapFileWindows(slots).ValueOr(nullptr);
    windows.refused = !windows.memory;
  }
}

void ForgetFileWindows() {
  windows = {};
}

std::int64_t ReadInWindow(const SlotOfFile& file, std::uint64_t address, std::uint64_t size,
                          std::int64_t offset) {
  FileSlot& state = file.state;
  constexpr std::uint64_t kNeeded = FileSlot::kHeld | FileSlot::kWindowed;
  std::uint64_t word = state.word.load(std::memory_order_acquire);
  for (;;) {
    // kPending: a write that has not got into the window. The kernel knows where its bytes are.
    if ((word & (kNeeded | FileSlot::kPending)) != kNeeded) {
      return kNotInSlot;
    }
    const std::uint64_t end = FileSlot::Size(word);
    const std::uint64_t at = Place(word, offset);
    const std::uint64_t there = at < end ? end - at : 0;
    const std::uint64_t count = size < there ? size : there;
    std::uint64_t next = word;
    if (count != 0) {
      const char* shown = Shown(state, at, count);
      if (!shown && Move(file, at)) {
        word = state.word.load(std::memory_order_acquire);
        continue;
      }
      if (!shown || !CopyOut(address, shown, count)) {
        return kNotInSlot;
      }
      next |= FileSlot::kAccessed;
    }
    if (offset == kAtPosition) {
      next = FileSlot::WithPosition(next, at + count);
    }
    // Also where nothing changes: it was ours all the time.
    if (state.word.compare_exchange_strong(word, next)) {
      CountServed(state);
      return static_cast<std::int64_t>(count);
    }
  }
}

std::int64_t WriteInWindow(const SlotOfFile& file, std::uint64_t address, std::uint64_t size,
                           std::int64_t offset) {
  FileSlot& state = file.state;
  constexpr std::uint64_t kNeeded = FileSlot::kHeld | FileSlot::kWindowed | FileSlot::kWritable;
  std::uint64_t word = state.word.load(std::memory_order_acquire);
  for (;;) {
    if ((word & (kNeeded | FileSlot::kPending)) != kNeeded) {
      return kNotInSlot;
    }
    if (size == 0) {
      return 0;
    }
    const std::uint64_t at = Place(word, offset);
    const std::uint64_t end = FileSlot::Size(word);
    if (size > FileSlots::kRoom || at > end || size > end - at) {
      return kNotInSlot;
    }
    char* const shown = Shown(state, at, size);
    if (!shown && Move(file, at)) {
      word = state.word.load(std::memory_order_acquire);
      continue;
    }
    if (!shown || !CopyIn(file.stage, address, size)) {
      return kNotInSlot;
    }
    state.pending.store((at + size) << 32 | at, std::memory_order_release);
    state.modified_ns.store(kernel::RealtimeNs(), std::memory_order_release);
    std::uint64_t next = word | FileSlot::kPending | FileSlot::kModified;
    if (offset == kAtPosition) {
      next = FileSlot::WithPosition(next, at + size);
    }
    if (!state.word.compare_exchange_strong(word, next)) {
      continue;
    }
    // It is written. Without the window it is for the kernel, who has taken the file back, or is
    // asked next.
    if (CopyOwn(shown, file.stage, size)) {
      state.word.fetch_and(~FileSlot::kPending, std::memory_order_acq_rel);
    }
    CountServed(state);
    return static_cast<std::int64_t>(size);
  }
}

}  // namespace k42::personality
