// File slots: what a process and the kernel share so that a file that nobody else changes is read
// and written without calls (fs/file_slots.idl).
//
// A process has kSlots of them: a state, and room for the bytes of one small file. The kernel fills
// a slot when the process opens a file into it, and takes it back whenever anybody, on any way,
// asks for what the process may have changed. Nothing is ever asked of the process: its changes are
// read out of the slot. So it is convenience, never authority: the kernel keeps who may do what,
// takes from a slot only what its holder might have written anyway, and reads each word once.
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
  static constexpr std::uint64_t kHeld = 1;      // the slot serves its file
  static constexpr std::uint64_t kWritable = 2;  // also for writing: nobody else has the file
  static constexpr std::uint64_t kLoaded = 4;    // the bytes are in the slot's room
  static constexpr std::uint64_t kAppends = 64;  // each write goes to the end
  // Set by the process, cleared by the kernel when it has taken note.
  static constexpr std::uint64_t kChanged = 8;    // bytes of `changed` are newer than the file's
  static constexpr std::uint64_t kModified = 16;  // written since the kernel last looked
  static constexpr std::uint64_t kAccessed = 32;  // read since then
  static constexpr std::uint32_t kSizeShift = 8;
  static constexpr std::uint32_t kPositionShift = 36;
  static constexpr std::uint64_t kField = (1u << 28) - 1;  // largest size and position

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
  // Reads served since the file is in the slot: whether it was worth while.
  std::atomic<std::uint64_t> reads;
  std::uint64_t reserved[4];
};
static_assert(sizeof(FileSlot) == 64);

// The shared memory: a page of states, then the rooms.
struct FileSlots {
  static constexpr std::uint32_t kSlots = 32;
  static constexpr std::uint32_t kNone = ~0u;
  static constexpr std::uint32_t kStatePages = 1;
  static constexpr std::uint32_t kRoomPages = 4;
  static constexpr std::uint64_t kRoom = kRoomPages * 4096;  // the largest small file
  static constexpr std::uint64_t kBytes = (kStatePages + kSlots * kRoomPages) * 4096;
  static constexpr std::uint32_t FirstPage(std::uint32_t slot) {
    return kStatePages + slot * kRoomPages;
  }

  FileSlot slot[kSlots];
};
static_assert(sizeof(FileSlots) <= FileSlots::kStatePages * 4096);

}  // namespace k42::abi
