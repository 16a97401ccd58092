// FileRepresentative (K42: FR): where the pages of one file come from and go to. mem declares it,
// fs implements it; FcmFile (mem/fcm_file.h) calls it.
//
// A PageRequest is a run of adjacent pages. It belongs to the FR from StartFill/StartWrite until
// the FR calls request->Complete(), exactly once, possibly before StartFill returns, from any
// thread, no lock held. The frames are pinned meanwhile and reached through the direct map
// (PageData).
//
// A transfer may move fewer bytes than it was asked to. Then the request is started again for the
// rest (done()): what a fill left out of a file would read as zeros, and what a write left out
// would be lost.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/intrusive_queue.h"
#include "mem/types.h"

namespace k42::mem {

class PageRequest : public QueueLink<> {  // the link is for the FR while it has it
 public:
  static constexpr std::uint32_t kMaxPages = 16;

  std::uint64_t first_page() const { return first_page_; }
  std::uint64_t offset() const { return first_page_ << kPageShift; }
  std::uint32_t pages() const { return pages_; }
  // Bytes that matter: all of the pages for a fill, up to the end of the file for a write.
  std::uint64_t size() const { return size_; }
  // Of them, from the front, those that earlier transfers of this request have moved.
  std::uint64_t done() const { return done_; }
  MutableBytes PageData(std::uint32_t index) const;

  // kOk: `bytes` behind those that were done were read (0: there are no more, the rest is cleared
  // here) or written, or need not be (0: an error, nothing more is taken). An error: every waiter
  // gets it, and the next access tries again. From then on, the request may be started again.
  void Complete(Status status, std::uint64_t bytes) {
    done_ += bytes < size_ - done_ ? bytes : size_ - done_;
    complete_(this, status, bytes);
  }

 protected:
  using CompleteFunction = void (*)(PageRequest*, Status, std::uint64_t);
  explicit PageRequest(CompleteFunction complete) : complete_(complete) {}
  ~PageRequest() = default;

  std::uint64_t first_page_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t done_ = 0;
  std::uint32_t pages_ = 0;
  PhysAddr frames_[kMaxPages] = {};

 private:
  CompleteFunction complete_;
};

class FileRepresentative {
 public:
  // Thread context, no lock held. Must not wait: start, and complete later.
  virtual void StartFill(PageRequest* request) = 0;
  virtual void StartWrite(PageRequest* request) = 0;
  // The page cache is gone: no mapping, no reference, no request is left. The last call.
  virtual void CacheGone() = 0;

 protected:
  ~FileRepresentative() = default;
};

}  // namespace k42::mem
