// StartBlock: what a new or replaced process is told (abi/process_start.h): header, handle list,
// blob, in a memory file that the process will show privately. Built from the caller's memory
// before anything is changed, so that a bad buffer costs nothing.
#pragma once

#include <span>

#include "abi/process_start.h"
#include "base/buffer.h"
#include "mem/fcm_file.h"
#include "proc/services.h"

namespace k42::proc {

class StartBlock {
 public:
  StartBlock() = default;
  ~StartBlock();
  StartBlock(const StartBlock&) = delete;
  StartBlock& operator=(const StartBlock&) = delete;

  // `handles`: an array of abi::Handle.
  Status Build(ProcessServices& services, BufferIn blob, BufferIn handles);
  Status BuildFor(ProcessServices& services, BufferIn blob, std::span<const abi::Handle> handles);

  // Fills in the rest of the header. Cannot fail for want of memory.
  Status Finish(abi::StartKind kind, const Image& image, std::uint32_t task, std::uint32_t parent);

  std::span<const abi::Handle> handles() const { return {handles_, handle_count_}; }
  mem::FcmFile* memory() const { return memory_; }
  std::uint64_t size() const { return size_; }

 private:
  Status Write(BufferIn blob);

  ProcessServices* services_ = nullptr;
  mem::FcmFile* memory_ = nullptr;
  abi::Handle* handles_ = nullptr;
  std::uint64_t handle_count_ = 0;
  std::uint64_t blob_offset_ = 0;
  std::uint64_t blob_size_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace k42::proc
