// File slots: what a process and the kernel share so that a file that nobody else changes is read
// and written without calls (fs/file_slots.idl).
//
// A process has kSlots of them: a state, and room for the bytes of one small file. The kernel fills
// a slot when the process opens a file into it, and takes it back whenever anybody, on any way,
// asks for what the process may have changed. Nothing is ever asked of the process: its changes are
// read out of the slot. So it is convenience, never authority: the kernel keeps who may do what,
// takes from a slot only what its holder might have written anyway, and reads each word once.
//
// A larger file (kWindowed) is not copied: a part of it is shown in one of the process's windows,
// the file's own pages, which the kernel hides when it takes the file back.
//
// A write that would be seen before the word tells of it, in a window or among bytes that are
// changed already, could be written over by others and then be made again. So it is put into the
// slot's stage first; the word with kPending makes it the file's, once and for all; then it goes to
// its place, and kPending is cleared. Taken back in between, the kernel brings it into the file.
//
// `word` is the whole state: position and size of the file, and flags. Whoever changes it does so
// by compare-exchange, after the bytes are in place; the kernel takes it away by exchange with 0.
// An exchange that fails therefore tells that nothing has happened yet.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::abi {

struct FileSlot {
  // Set by the kernel.
  static constexpr std::uint64_t kHeld = 1;        // the slot serves its file
  static constexpr std::uint64_t kWritable = 2;    // also for writing: nobody else has the file
  static constexpr std::uint64_t kLoaded = 4;      // the bytes are in the slot's room
  static constexpr std::uint64_t kAppends = 64;    // each write goes to the end
  static constexpr std::uint64_t kWindowed = 128;  // the bytes are in a window, all of the size
  // Set by the process, cleared by the kernel when it has taken note.
  static constexpr std::uint64_t kChanged = 8;    // bytes of `changed` are newer than the file's
  static constexpr std::uint64_t kPending = 256;  // so are those of `pending`, in the stage
  static constexpr std::uint64_t kModified = 16;  // written since the kernel last looked
  static constexpr std::uint64_t kAccessed = 32;  // read since then
  static constexpr std::uint32_t kSizeShift = 10;
  static constexpr std::uint32_t kPositionShift = 37;
  static constexpr std::uint64_t kField = (1u << 27) - 1;  // largest size and position

  static constexpr std::uint64_t Position(std::uint64_t word) { return word >> kPositionShift; }
  static constexpr std::uint64_t Size(std::uint64_t word) { return word >> kSizeShift & kField; }
  static constexpr std::uint64_t WithPosition(std::uint64_t word, std::uint64_t position) {
    return (word & ~(kField << kPositionShift)) | position << kPositionShift;
  }
  static constexpr std::uint64_t WithSize(std::uint64_t word, std::uint64_t size) {
    return (word & ~(kField << kSizeShift)) | size << kSizeShift;
  }

  std::atomic<std::uint64_t> word;
  // First and last + 1 of the bytes that were written (end << 32 | begin); 0: none. Set before
  // `word` says kChanged. Bytes between that were not written are as they were loaded.
  std::atomic<std::uint64_t> changed;
  // Real time of the last write in nanoseconds; set before `word` says kModified.
  std::atomic<std::int64_t> modified_ns;
  // Reads served since the file is in the slot (with kWindowed: writes, too): whether it was worth
  // while.
  std::atomic<std::uint64_t> reads;
  // With kWindowed, set by the kernel: the window, and where in the file it begins.
  std::atomic<std::uint64_t> window;
  std::atomic<std::uint64_t> window_begin;
  // Set by the process before it asks for a slot that it has (FileSlots.Use): what the window is to
  // show.
  std::atomic<std::uint64_t> wanted;
  // As `changed`: what the stage has, from its start on. Set before `word` says kPending.
  std::atomic<std::uint64_t> pending;
};
static_assert(sizeof(FileSlot) == 64);

// The windows of a process: memory of its own, mapped once it has a file that needs one.
struct FileWindows {
  static constexpr std::uint32_t kWindows = 8;
  static constexpr std::uint64_t kWindow = 4u << 20;
  static constexpr std::uint64_t kBytes = kWindows * kWindow;
};

// The shared memory: a page of states, then of each slot the room and the stage.
struct FileSlots {
  static constexpr std::uint32_t kSlots = 32;
  static constexpr std::uint32_t kNone = ~0u;
  static constexpr std::uint32_t kStatePages = 1;
  static constexpr std::uint32_t kRoomPages = 4;
  static constexpr std::uint64_t kRoom = kRoomPages * 4096;  // the largest small file
  static constexpr std::uint64_t kBytes = (kStatePages + kSlots * 2 * kRoomPages) * 4096;
  static constexpr std::uint32_t FirstPage(std::uint32_t slot) {
    return kStatePages + slot * 2 * kRoomPages;
  }

  FileSlot slot[kSlots];
};
static_assert(sizeof(FileSlots) <= FileSlots::kStatePages * 4096);

}  // namespace k42::abi
