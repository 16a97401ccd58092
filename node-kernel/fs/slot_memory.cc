#include "fs/slot_memory.h"

#include "mem/heap.h"
#include "mem/services.h"

namespace k42::fs {

static_assert(abi::FileSlots::kSlots <= 32);
static_assert(mem::FcmWindows::kWindows == abi::FileWindows::kWindows &&
              mem::FcmWindows::kWindow == abi::FileWindows::kWindow);

Result<SlotMemory*> SlotMemory::Make(mem::MemoryServices& memory, FileKinds kinds) {
  mem::FcmWindows* windows = TRY(mem::FcmWindows::Create(memory));
  const auto pages = mem::FcmFile::Create(memory, nullptr, abi::FileSlots::kBytes);
  if (!pages.ok()) {
    windows->DropReference();
    return pages.status();
  }
  const auto made = mem::New<SlotMemory>(memory, *pages.value(), *windows, kinds);
  if (!made.ok()) {
    pages.value()->DropReference();
    windows->DropReference();
    return made.status();
  }
  const auto first = made.value()->FrameOf(0);
  if (!first.ok()) {
    made.value()->DropReference();
    return first.status();
  }
  made.value()->state_ = mem::FrameAllocator::Data<abi::FileSlots>(first.value());
  return made.value();
}

void SlotMemory::Dispose() {
  for (const std::atomic<mem::Frame*>& frame : frames_) {
    if (mem::Frame* held = frame.load(std::memory_order_relaxed)) {
      memory_.frames.DropReference(held);
    }
  }
  pages_.DropReference();
  windows_.DropReference();
  mem::Delete(this);
}

bool SlotMemory::Take(std::uint32_t slot) {
  if (slot >= abi::FileSlots::kSlots) {
    return false;
  }
  const std::uint32_t bit = 1u << slot;
  return (taken_.fetch_or(bit, std::memory_order_acq_rel) & bit) == 0;
}

void SlotMemory::GiveBack(std::uint32_t slot) {
  taken_.fetch_and(~(1u << slot), std::memory_order_acq_rel);
}

Result<mem::Frame*> SlotMemory::FrameOf(std::uint32_t page) {
  std::atomic<mem::Frame*>& held = frames_[page];
  if (mem::Frame* frame = held.load(std::memory_order_acquire)) {
    return frame;
  }
  mem::Frame* found = nullptr;
  TRY(pages_.WithFilePage(std::uint64_t{page} * mem::kPageSize, nullptr, [&](mem::Frame* frame) {
    mem::FrameAllocator::AddReference(frame);
    found = frame;
    return Status::kOk;
  }));
  mem::Frame* none = nullptr;
  if (!held.compare_exchange_strong(none, found, std::memory_order_acq_rel)) {
    memory_.frames.DropReference(found);
    return none;
  }
  return found;
}

Result<unsigned char*> SlotMemory::Room(std::uint32_t slot, std::uint32_t page) {
  return mem::FrameAllocator::Data<unsigned char>(
      TRY(FrameOf(abi::FileSlots::FirstPage(slot) + page)));
}

}  // namespace k42::fs
