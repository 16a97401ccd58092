// The requests of an FcmFile under way. Private to fcm_file*.cc.
#pragma once

#include "mem/fcm_file.h"

namespace k42::mem {

// Pages on their way in. Their entries are kFilling and hold the frames' references.
struct FcmFile::FillRequest final : PageRequest, ListLink<> {
  explicit FillRequest(FcmFile* file) : PageRequest(OnFilled), owner(file) {}
  void Set(std::uint64_t first) { first_page_ = first; }
  void Add(const Frame* frame) {
    frames_[pages_++] = frame->address;
    size_ += kPageSize;
  }
  PhysAddr frame(std::uint32_t index) const { return frames_[index]; }

  FcmFile* const owner;  // a reference
  FaultWaiters waiters;
};

// Pages on their way out. Their entries are kWriting; the request holds a further reference of each
// frame.
struct FcmFile::WriteRequest final : PageRequest {
  explicit WriteRequest(FcmFile* file) : PageRequest(OnWritten), owner(file) {}
  void Set(std::uint64_t first) { first_page_ = first; }
  void Add(const Frame* frame) { frames_[pages_++] = frame->address; }
  void Limit(std::uint64_t file_size) {
    const std::uint64_t all = std::uint64_t{pages_} * kPageSize;
    size_ = file_size - offset() < all ? file_size - offset() : all;
  }
  PhysAddr frame(std::uint32_t index) const { return frames_[index]; }

  FcmFile* const owner;  // a reference
};

}  // namespace k42::mem
