// SlotMemory: the memory that a process's file slots are in (abi/file_slot.h), as the kernel sees
// it. The process has it mapped; the kernel holds the frames, so that nothing the process does to
// its mapping or its handle takes them away.
//
// Life: counted; the FileSlots object and each lease hold a reference.
// Locking: none. A frame is found once, by whoever is first, and a slot is one lease's at a time.
#pragma once

#include <atomic>

#include "abi/file_slot.h"
#include "base/ref_counted.h"
#include "mem/fcm_file.h"

namespace k42::fs {

class SlotMemory final : public RefCounted {
 public:
  // One reference. kNoMemory.
  static Result<SlotMemory*> Make(mem::MemoryServices& memory);
  SlotMemory(mem::MemoryServices& memory, mem::FcmFile& pages) : memory_(memory), pages_(pages) {}
  ~SlotMemory() = default;

  mem::FcmFile& pages() { return pages_; }
  abi::FileSlot& slot(std::uint32_t slot) { return state_->slot[slot]; }
  // False: it serves another file.
  bool Take(std::uint32_t slot);
  void GiveBack(std::uint32_t slot);
  // The kernel's alias of page `page` of the slot's room. kNoMemory.
  Result<unsigned char*> Room(std::uint32_t slot, std::uint32_t page);

 private:
  static constexpr std::uint32_t kPages = abi::FileSlots::kBytes / mem::kPageSize;
  void Dispose() override;
  Result<mem::Frame*> FrameOf(std::uint32_t page);

  mem::MemoryServices& memory_;
  mem::FcmFile& pages_;
  abi::FileSlots* state_ = nullptr;
  std::atomic<std::uint32_t> taken_{0};  // bit n: slot n serves a file
  std::atomic<mem::Frame*> frames_[kPages] = {};
};

}  // namespace k42::fs
