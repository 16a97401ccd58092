#include "user/linux/file_slots.h"

#include <bit>
#include <cstring>

#include "base/byte_search.h"
#include "user/linux/abi_errno.h"
#include "user/linux/abi_files.h"
#include "user/linux/description.h"
#include "user/linux/file_windows.h"
#include "user/linux/user_memory.h"

namespace k42::personality {
namespace {

using abi::FileSlot;
using abi::FileSlots;

constexpr std::uint32_t kFirstOpens = 8;      // before a process gets slots
constexpr std::uint32_t kFirstTransfers = 8;  // before a file is offered to the kernel again

constexpr std::uint32_t kNames = 128;

struct Slots {
  FileSlots* memory;  // null: none (yet)
  kernel::Handle handle;
  std::uint32_t free;    // bit n: slot n
  std::uint32_t left;    // bit n: it serves a file that we have closed and others have open
  std::uint32_t closed;  // bit n: the file in slot n is kept for OpenAgain
  std::uint32_t oldest;  // where the next search for one to drop begins
  std::uint32_t opens;
  bool refused;
  bool size_limited;             // below what a slot holds
  bool large_size_limited;       // below what a word can say
  std::uint8_t by_name[kNames];  // 1 + the slot of a kept file, at its name's hash
  KernelFile* owner[FileSlots::kSlots];
};
Slots slots;

bool HaveSlots() {
  if (slots.memory || slots.refused) {
    return slots.memory != nullptr;
  }
  const Result<kernel::Handle> made = kernel::MakeFileSlots(&slots.memory);
  slots.refused = !made.ok();
  slots.handle = made.ValueOr(kernel::kNoHandle);
  slots.free = made.ok() ? ~0u : 0;
  return made.ok();
}

bool IsHeld(std::uint32_t slot) {
  return (slots.memory->slot[slot].word.load(std::memory_order_acquire) & FileSlot::kHeld) != 0;
}

// Nobody here uses it. What the kernel says of a free slot is about the file we ask for; so none is
// free before the kernel has taken it back: a child, or whoever got the descriptor, may have kept
// the file open that it serves.
void PutDown(std::uint32_t slot) {
  slots.owner[slot] = nullptr;
  (IsHeld(slot) ? slots.left : slots.free) |= 1u << slot;
}

void TakeIn() {
  for (std::uint32_t left = slots.left; left != 0; left &= left - 1) {
    const auto slot = static_cast<std::uint32_t>(std::countr_zero(left));
    slots.left &= ~(1u << slot);
    PutDown(slot);
  }
}

// What a name and flags leave behind: a hint, the kernel decides.
std::uint64_t HashOf(const kernel::Path& path) {
  constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15;
  const auto* at = reinterpret_cast<const unsigned char*>(path.text);
  std::uint64_t hash = path.directory + 1;
  std::size_t left = path.size;
  for (; left >= sizeof(hash); left -= sizeof(hash), at += sizeof(hash)) {
    hash = (hash ^ LoadWord(at)) * kFactor;
    hash ^= hash >> 32;
  }
  std::uint64_t last = left;
  for (; left != 0; --left, ++at) {
    last = last << 8 | *at;
  }
  hash = (hash ^ last) * kFactor;
  return (hash ^ hash >> 32) | 1;
}

// The file that was kept under that hash, not kept any more; null: none, or forgotten.
KernelFile* TakeKept(std::uint64_t hash) {
  const std::uint32_t slot = slots.by_name[hash / 2 % kNames] - 1u;
  if (slot >= FileSlots::kSlots || (slots.closed >> slot & 1) == 0 ||
      slots.owner[slot]->opened_as != hash) {
    return nullptr;
  }
  slots.closed &= ~(1u << slot);
  return slots.owner[slot];
}

void DropOldest() {
  const std::uint32_t turned = std::rotr(slots.closed, static_cast<int>(slots.oldest));
  const auto slot =
      (static_cast<std::uint32_t>(std::countr_zero(turned)) + slots.oldest) % FileSlots::kSlots;
  slots.oldest = (slot + 1) % FileSlots::kSlots;
  slots.closed &= ~(1u << slot);
  CloseForGood(slots.owner[slot]);
}

// One that nobody has, or whose file the kernel has taken back and no call is using.
std::uint32_t FreeSlot() {
  if (slots.free == 0) {
    TakeIn();
  }
  if (slots.free == 0 && slots.closed == 0) {
    for (std::uint32_t slot = 0; slot < FileSlots::kSlots; ++slot) {
      KernelFile* owner = slots.owner[slot];
      if (owner && owner->is_alone() && !IsHeld(slot)) {
        ForgetSlot(*owner);
      }
    }
  }
  while (slots.free == 0 && slots.closed != 0) {
    DropOldest();
  }
  if (slots.free == 0) {
    return FileSlots::kNone;
  }
  const auto slot = static_cast<std::uint32_t>(std::countr_zero(slots.free));
  slots.free &= slots.free - 1;
  return slot;
}

FileSlot& StateOf(const KernelFile& file) {
  return slots.memory->slot[file.slot];
}
char* RoomOf(const KernelFile& file) {
  return reinterpret_cast<char*>(slots.memory) +
         std::uint64_t{FileSlots::FirstPage(file.slot)} * abi::kPageSize;
}
char* StageOf(const KernelFile& file) {
  return RoomOf(file) + FileSlots::kRoom;
}
SlotOfFile PlaceOf(const KernelFile& file) {
  return {StateOf(file), StageOf(file), slots.handle, file.handle(), file.slot};
}

}  // namespace

Result<kernel::Handle> OpenFileInSlot(const kernel::Path& path, std::uint32_t flags,
                                      std::uint32_t mode, std::uint32_t* slot) {
  constexpr std::uint32_t kNever = fs::kOpenPathOnly | fs::kOpenDirectory;
  *slot = FileSlots::kNone;
  if ((flags & kNever) == 0 && (slots.memory || ++slots.opens > kFirstOpens) && HaveSlots()) {
    *slot = FreeSlot();
  }
  if (*slot == FileSlots::kNone) {
    return kernel::Open(path, flags, mode);
  }
  const Result<kernel::Handle> opened = kernel::OpenInSlot(slots.handle, path, flags, mode, *slot);
  if (!opened.ok()) {
    TakeSlot(*slot, nullptr, path, flags);
    *slot = FileSlots::kNone;
  }
  return opened;
}

void TakeSlot(std::uint32_t slot, KernelFile* file, const kernel::Path& path, std::uint32_t flags) {
  if (slot == FileSlots::kNone) {
    return;
  }
  if (file && IsHeld(slot)) {
    ForgetSlot(*file);  // another thread was given one for it meanwhile
    file->slot = slot;
    file->opened_as = HashOf(path);
    file->open_flags = flags & ~(fs::kOpenTruncate | fs::kOpenExclusive);
    slots.owner[slot] = file;
  } else {
    PutDown(slot);
  }
}

KernelFile* OpenAgain(const kernel::Path& path, std::uint32_t flags) {
  constexpr std::uint32_t kNever = fs::kOpenTruncate | fs::kOpenExclusive | fs::kOpenPathOnly;
  if (slots.closed == 0 || (flags & kNever) != 0) {
    return nullptr;
  }
  KernelFile* file = TakeKept(HashOf(path));
  if (!file) {
    return nullptr;
  }
  file->Revive();
  // The kernel's answer may take a while, and the file may be taken back meanwhile.
  if (file->open_flags == flags && IsHeld(file->slot) &&
      IsOk(kernel::CheckAgain(path, file->handle(), flags)) &&
      file->Seek(0, fs::SeekFrom::kStart) == 0) {
    return file;
  }
  CloseForGood(file);
  return nullptr;
}

bool KeepClosedFile(KernelFile& file) {
  if (file.slot == FileSlots::kNone || file.opened_as == 0 || !IsHeld(file.slot)) {
    return false;
  }
  slots.closed |= 1u << file.slot;
  slots.by_name[file.opened_as / 2 % kNames] = static_cast<std::uint8_t>(file.slot + 1);
  return true;
}

void NoteShared(KernelFile& file) {
  file.opened_as = 0;
}

void NoteAllShared() {
  while (slots.closed != 0) {
    DropOldest();
  }
  for (KernelFile* owner : slots.owner) {
    if (owner) {
      NoteShared(*owner);
    }
  }
}

void DropClosedFile(const kernel::Path& path) {
  if (KernelFile* file = slots.closed != 0 ? TakeKept(HashOf(path)) : nullptr) {
    CloseForGood(file);
  }
}

void LimitFileSize(std::uint64_t limit) {
  slots.size_limited = limit < FileSlots::kRoom;
  slots.large_size_limited = limit < FileSlot::kField;
}

void ForgetSlot(KernelFile& file) {
  if (file.slot != FileSlots::kNone) {
    PutDown(file.slot);
    file.slot = FileSlots::kNone;
  }
}

void ForgetFileSlots() {
  for (KernelFile* owner : slots.owner) {
    if (owner) {
      owner->slot = FileSlots::kNone;
    }
  }
  if (slots.memory) {
    kernel::Close(slots.handle);
  }
  const bool limited = slots.size_limited, large_limited = slots.large_size_limited;
  slots = {};
  slots.size_limited = limited;
  slots.large_size_limited = large_limited;
  ForgetFileWindows();
}

std::int64_t ReadInSlot(KernelFile& file, std::uint64_t address, std::uint64_t size,
                        std::int64_t offset) {
  FileSlot& state = StateOf(file);
  constexpr std::uint64_t kNeeded = FileSlot::kHeld | FileSlot::kLoaded;
  std::uint64_t word = state.word.load(std::memory_order_acquire);
  for (;;) {
    if ((word & kNeeded) != kNeeded) {
      return (word & FileSlot::kWindowed) != 0 ? ReadInWindow(PlaceOf(file), address, size, offset)
                                               : kNotInSlot;
    }
    const std::uint64_t end = FileSlot::Size(word);
    const std::uint64_t at =
        offset == kAtPosition ? FileSlot::Position(word) : static_cast<std::uint64_t>(offset);
    const std::uint64_t there = at < end ? end - at : 0;
    const std::uint64_t count = size < there ? size : there;
    // A bad address is the kernel's to judge: it knows how far one gets.
    if (count != 0 && !CopyOut(address, RoomOf(file) + at, count)) {
      return kNotInSlot;
    }
    std::uint64_t next = count != 0 ? word | FileSlot::kAccessed : word;
    if (offset == kAtPosition) {
      next = FileSlot::WithPosition(next, at + count);
    }
    if (next == word || state.word.compare_exchange_strong(word, next)) {
      state.reads.store(state.reads.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return static_cast<std::int64_t>(count);
    }
  }
}

std::int64_t WriteInSlot(KernelFile& file, std::uint64_t address, std::uint64_t size,
                         std::int64_t offset) {
  FileSlot& state = StateOf(file);
  constexpr std::uint64_t kNeeded = FileSlot::kHeld | FileSlot::kWritable;
  std::uint64_t word = state.word.load(std::memory_order_acquire);
  for (;;) {
    if ((word & kNeeded) != kNeeded || slots.size_limited) {
      return kNotInSlot;
    }
    if ((word & FileSlot::kWindowed) != 0) {
      return slots.large_size_limited ? kNotInSlot
                                      : WriteInWindow(PlaceOf(file), address, size, offset);
    }
    if (size == 0) {
      return 0;
    }
    const std::uint64_t old_size = FileSlot::Size(word);
    const std::uint64_t at = (word & FileSlot::kAppends) != 0 ? old_size
                             : offset == kAtPosition          ? FileSlot::Position(word)
                                                              : static_cast<std::uint64_t>(offset);
    if (at > FileSlots::kRoom || size > FileSlots::kRoom - at) {
      return kNotInSlot;
    }
    const std::uint64_t end = at + size;
    std::uint64_t first = at < old_size ? at : old_size;
    std::uint64_t last = end;
    if (const std::uint64_t changed = state.changed.load(std::memory_order_relaxed)) {
      const std::uint64_t begin = changed & 0xffff'ffff;
      // What lies between has not been loaded.
      if ((word & FileSlot::kLoaded) == 0 && (first > changed >> 32 || last < begin)) {
        return kNotInSlot;
      }
      first = begin < first ? begin : first;
      last = changed >> 32 > last ? changed >> 32 : last;
    }
    // Among bytes that are changed already the kernel would see it before the word says so.
    const bool staged = (word & FileSlot::kChanged) != 0;
    char* const room = RoomOf(file);
    if (!CopyIn(staged ? StageOf(file) : room + at, address, size)) {
      return kNotInSlot;
    }
    const auto fill = [&] {
      if (at > old_size) {
        std::memset(room + old_size, 0, at - old_size);
      }
      if (staged) {
        std::memcpy(room + at, StageOf(file), size);
      }
      state.changed.store(last << 32 | first, std::memory_order_release);
    };
    if (staged) {
      state.pending.store(end << 32 | at, std::memory_order_release);
    } else {
      fill();
    }
    state.modified_ns.store(kernel::RealtimeNs(), std::memory_order_release);
    std::uint64_t next =
        word | FileSlot::kModified | (staged ? FileSlot::kPending : FileSlot::kChanged);
    next = FileSlot::WithSize(next, end > old_size ? end : old_size);
    if (offset == kAtPosition) {
      next = FileSlot::WithPosition(next, end);
    }
    if (!state.word.compare_exchange_strong(word, next)) {
      continue;
    }
    // It is written.
    if (staged) {
      fill();
      state.word.fetch_and(~FileSlot::kPending, std::memory_order_acq_rel);
    }
    return static_cast<std::int64_t>(size);
  }
}

std::int64_t SeekInSlot(KernelFile& file, std::int64_t offset, fs::SeekFrom from) {
  FileSlot& state = StateOf(file);
  std::uint64_t word = state.word.load(std::memory_order_acquire);
  for (;;) {
    if ((word & FileSlot::kHeld) == 0 || from > fs::SeekFrom::kEnd) {
      return kNotInSlot;
    }
    std::uint64_t position = static_cast<std::uint64_t>(offset);
    if (from == fs::SeekFrom::kCurrent) {
      position += FileSlot::Position(word);
    } else if (from == fs::SeekFrom::kEnd) {
      position += FileSlot::Size(word);
    }
    if (position > FileSlot::kField) {
      return kNotInSlot;
    }
    if (state.word.compare_exchange_strong(word, FileSlot::WithPosition(word, position))) {
      return static_cast<std::int64_t>(position);
    }
  }
}

void CountTransfer(KernelFile& file) {
  if (file.patience == 0) {
    file.patience = kFirstTransfers;
  }
  if (++file.transfers < file.patience) {
    return;
  }
  file.transfers = 0;
  if (file.patience < 1u << 14) {
    file.patience *= 2;
  }
  if (file.slot != FileSlots::kNone) {
    // Ours still, only this transfer was none for it; or free for the same file again.
    if (StateOf(file).word.load(std::memory_order_acquire) != 0) {
      return;
    }
    ForgetSlot(file);
  }
  const std::uint32_t slot = HaveSlots() ? FreeSlot() : FileSlots::kNone;
  if (slot == FileSlots::kNone) {
    return;
  }
  const bool given = IsOk(kernel::UseSlot(slots.handle, file.handle(), slot, kFirstTransfers));
  TakeSlot(slot, given ? &file : nullptr, {}, 0);
  file.opened_as = 0;
  if (given &&
      (slots.memory->slot[slot].word.load(std::memory_order_acquire) & FileSlot::kWindowed) != 0) {
    BeginWindow(slots.handle, slot);
  }
}

}  // namespace k42::personality
