// SlotMemory: the memory that a process's file slots are in (abi/file_slot.h), as the kernel sees
// it. The process has it mapped; the kernel holds the frames, so that nothing the process does to
// its mapping or its handle takes them away. And the process's windows, which it maps apart.
//
// Life: counted; the FileSlots object and each lease hold a reference.
// Locking: none. A frame is found once, by whoever is first, and a slot is one lease's at a time.
#pragma once

#include <atomic>

#include "abi/file_slot.h"
#include "base/ref_counted.h"
#include "mem/fcm_file.h"
#include "mem/fcm_windows.h"

namespace k42::fs {

// Which files processes serve themselves (boot option `files`).
struct FileKinds {
  bool small = true;
  bool exclusive = true;
};

class SlotMemory final : public RefCounted {
 public:
  // One reference. kNoMemory.
  static Result<SlotMemory*> Make(mem::MemoryServices& memory, FileKinds kinds = {});
  SlotMemory(mem::MemoryServices& memory, mem::FcmFile& pages, mem::FcmWindows& windows,
             FileKinds kinds)
      : memory_(memory), pages_(pages), windows_(windows), kinds_(kinds) {}
  ~SlotMemory() = default;

  mem::FcmFile& pages() { return pages_; }
  mem::FcmWindows& windows() { return windows_; }
  FileKinds kinds() const { return kinds_; }
  abi::FileSlot& slot(std::uint32_t slot) { return state_->slot[slot]; }
  // False: it serves another file.
  bool Take(std::uint32_t slot);
  void GiveBack(std::uint32_t slot);
  // The kernel's alias of page `page` of the slot's room, behind which its stage is. kNoMemory.
  Result<unsigned char*> Room(std::uint32_t slot, std::uint32_t page);

 private:
  static constexpr std::uint32_t kPages = abi::FileSlots::kBytes / mem::kPageSize;
  void Dispose() override;
  Result<mem::Frame*> FrameOf(std::uint32_t page);

  mem::MemoryServices& memory_;
  mem::FcmFile& pages_;
  mem::FcmWindows& windows_;
  const FileKinds kinds_;
  abi::FileSlots* state_ = nullptr;
  std::atomic<std::uint32_t> taken_{0};  // bit n: slot n serves a file
  std::atomic<mem::Frame*> frames_[kPages] = {};
};

}  // namespace k42::fs
