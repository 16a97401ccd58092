// The third way to serve a KernelFile (file_slots.h): a large file that this process has to itself,
// or only reads, is read and written where the kernel shows its pages, in a window of ours
// (abi/file_slot.h).
//
// The kernel may take the file back in the middle of either, and with it the window: the copy ends
// by a fault, as with a bad address of the program's. A read is good if the file was ours before
// and after. A write is the file's once its bytes are in the slot's stage and the word says
// kPending: whatever happens then, the kernel or we bring it into the pages, and nobody a second
// time. kNotInSlot before that, and for what the window does not show, what makes the file larger
// and what the stage has no place for.
//
// The mapping is made with the first file that needs it, and is not a child's.
#pragma once

#include <cstdint>

#include "abi/file_slot.h"
#include "user/linux/kernel.h"

namespace k42::personality {

// A file in its slot.
struct SlotOfFile {
  abi::FileSlot& state;
  char* stage;
  kernel::Handle slots;
  kernel::Handle file;
  std::uint32_t slot;
};

// The slot has just been given a file that needs a window.
void BeginWindow(kernel::Handle slots, std::uint32_t slot);
// As ReadInSlot and WriteInSlot.
std::int64_t ReadInWindow(const SlotOfFile& file, std::uint64_t address, std::uint64_t size,
                          std::int64_t offset);
std::int64_t WriteInWindow(const SlotOfFile& file, std::uint64_t address, std::uint64_t size,
                           std::int64_t offset);
// In a forked child.
void ForgetFileWindows();

}  // namespace k42::personality
