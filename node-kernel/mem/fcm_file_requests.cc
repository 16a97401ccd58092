// FcmFile: pages to and from the FileRepresentative.
#include "mem/fcm_file_requests.h"

#include <cstring>

#include "base/assert.h"
#include "machine/page_table.h"
#include "machine/thread.h"
#include "mem/heap.h"
#include "mem/services.h"
#include "mem/sync_waiter.h"

namespace k42::mem {

using machine::SpinGuard;

namespace {

constexpr machine::HoldReason kRequest{20000, "the pages of one request, up to 16"};
constexpr machine::HoldReason kSearch{
    20000, "up to 256 pages are looked at for the first of 16, which lose their write permission"};

}  // namespace

MutableBytes PageRequest::PageData(std::uint32_t index) const {
  return AsMutableBytes(machine::PhysToVirt<void>(frames_[index]), kPageSize);
}

// -- in -------------------------------------------------------------------------------------------

// A request for `page` and the absent pages behind it, up to the end of its aligned group: what is
// mapped or read in order comes in few round trips.
Result<FcmFile::FillRequest*> FcmFile::NewFillLocked(std::uint64_t page) {
  FillRequest* request = TRY(New<FillRequest>(this));
  request->Set(page);
  const std::uint64_t group = AlignDown(page, PageRequest::kMaxPages) + PageRequest::kMaxPages;
  const std::uint64_t end = group < PagesOf(size()) ? group : PagesOf(size());
  Status status = Status::kOk;
  for (std::uint64_t at = page; at < end && map_.Find(at) == nullptr; ++at) {
    const Result<Frame*> frame = services_.frames.Allocate(FramePurpose::kUser);
    status = frame.status();
    if (!frame.ok()) {
      break;
    }
    status = AddPageLocked(at, frame.value(), kFilling);
    if (!IsOk(status)) {
      services_.frames.DropReference(frame.value());
      break;
    }
    request->Add(frame.value());
  }
  if (request->pages() == 0) {
    Delete(request);
    return status;
  }
  AddReference();
  fills_.PushBack(request);
  return request;
}

void FcmFile::QueueOnFillLocked(std::uint64_t page, FaultWaiter* waiter) {
  for (FillRequest& request : fills_) {
    if (page - request.first_page() < request.pages()) {
      request.waiters.PushBack(waiter);
      return;
    }
  }
  K42_ASSERT(false, "a page is filling without a request");
}

void FcmFile::StartFill(FillRequest* request) {
  representative_->StartFill(request);
}

void FcmFile::OnFilled(PageRequest* request, Status status, std::uint64_t bytes) {
  auto& fill = *static_cast<FillRequest*>(request);
  FcmFile* owner = fill.owner;
  if (IsOk(status) && bytes != 0 && fill.done() < fill.size() &&
      fill.offset() + fill.done() < owner->size()) {
    return owner->StartFill(&fill);
  }
  owner->FinishFill(fill, status, fill.done());
  NotifyAll(fill.waiters, status);
  Delete(&fill);
  owner->DropReference();
}

void FcmFile::FinishFill(FillRequest& request, Status status, std::uint64_t bytes) {
  const SpinGuard guard(lock_, kRequest);
  // What lies beyond the end reads as zero, whatever the file (truncated meanwhile) still had.
  const std::uint64_t left = size() > request.offset() ? size() - request.offset() : 0;
  bytes = bytes < left ? bytes : left;
  for (std::uint32_t i = 0; i < request.pages(); ++i) {
    const std::uint64_t begin = std::uint64_t{i} * kPageSize;
    if (bytes < begin + kPageSize) {
      const std::uint64_t keep = bytes > begin ? bytes - begin : 0;
      std::memset(request.PageData(i).data() + keep, 0, kPageSize - keep);
    }
  }
  fills_.Remove(&request);
  for (std::uint32_t i = 0; i < request.pages(); ++i) {
    const std::uint64_t page = request.first_page() + i;
    Entry* entry = map_.Find(page);
    if (entry == nullptr || *entry != (request.frame(i) | kFilling)) {
      services_.frames.DropReference(services_.frames.FrameOf(request.frame(i)));  // truncated
    } else if (IsOk(status)) {
      *entry = request.frame(i);
    } else {
      map_.RemoveRange(page, page + 1, [&](std::uint64_t, Entry& gone) {
        services_.frames.DropReference(FrameOf(gone));
        return true;
      });
      resident_.store(resident_pages() - 1, std::memory_order_relaxed);
    }
  }
}

// -- out ------------------------------------------------------------------------------------------

// The first run of dirty pages at or after `cursor`, which moves behind it; null: no more.
Result<FcmFile::WriteRequest*> FcmFile::NewWrite(std::uint64_t& cursor) {
  WriteRequest* request = TRY(New<WriteRequest>(this));
  TlbGather gather(services_.frames);
  for (bool over = false; !over;) {
    constexpr std::uint32_t kLooks = 256;
    {
      const SpinGuard guard(lock_, kSearch);
      const std::uint64_t end = PagesOf(size());
      std::uint32_t looks = 0;
      cursor = map_.ForEach(cursor, end, [&](std::uint64_t page, Entry& entry) {
        const bool adjacent =
            request->pages() == 0 || page == request->first_page() + request->pages();
        if ((entry & (kDirty | kWriting)) != kDirty || !adjacent) {
          // Go on looking, or the run is complete.
          return request->pages() == 0 && ++looks < kLooks;
        }
        if (request->pages() == 0) {
          request->Set(page);
        }
        entry = (entry & ~kDirty) | kWriting;
        FrameAllocator::AddReference(FrameOf(entry));
        request->Add(FrameOf(entry));
        return request->pages() < PageRequest::kMaxPages;
      });
      over = request->pages() != 0 || cursor >= end;
      if (request->pages() != 0) {
        cursor = request->first_page() + request->pages();
        request->Limit(size());
        RestrictLocked(request->first_page(), cursor, gather);
        AddReference();
        ++writes_;
      }
    }
    machine::Thread::PreemptionPoint();
  }
  gather.Finish();
  if (request->pages() == 0) {
    Delete(request);
    return static_cast<WriteRequest*>(nullptr);
  }
  return request;
}

Status FcmFile::StartWrites() {
  for (std::uint64_t cursor = 0;;) {
    WriteRequest* request = TRY(NewWrite(cursor));
    if (request == nullptr) {
      return Status::kOk;
    }
    representative_->StartWrite(request);
  }
}

void FcmFile::OnWritten(PageRequest* request, Status status, std::uint64_t bytes) {
  auto& write = *static_cast<WriteRequest*>(request);
  FcmFile* owner = write.owner;
  if (IsOk(status) && write.done() < write.size()) {
    if (bytes != 0) {
      return owner->representative_->StartWrite(&write);
    }
    status = Status::kIoError;
  }
  owner->FinishWrite(write, status);
  Delete(&write);
  owner->DropReference();
}

void FcmFile::FinishWrite(WriteRequest& request, Status status) {
  FaultWaiters waiters;
  {
    const SpinGuard guard(lock_, kRequest);
    for (std::uint32_t i = 0; i < request.pages(); ++i) {
      Entry* entry = map_.Find(request.first_page() + i);
      if (entry != nullptr && (*entry & ~kFlags) == request.frame(i)) {
        *entry &= ~kWriting;
        if (!IsOk(status)) {
          *entry |= kDirty;
        }
      }
      services_.frames.DropReference(services_.frames.FrameOf(request.frame(i)));
    }
    if (!IsOk(status) && IsOk(write_error_)) {
      write_error_ = status;
    }
    if (--writes_ == 0) {
      waiters.Append(write_waiters_);
    }
  }
  NotifyAll(waiters, Status::kOk);
}

Status FcmFile::Sync() {
  if (representative_ == nullptr) {
    return Status::kOk;
  }
  const Status started = StartWrites();
  for (;;) {
    SyncWaiter waiter;
    {
      const SpinGuard guard(lock_);
      if (writes_ == 0) {
        const Status error = IsOk(started) ? write_error_ : started;
        write_error_ = Status::kOk;
        return error;
      }
      write_waiters_.PushBack(&waiter);
    }
    [[maybe_unused]] const Status woken = waiter.Wait();
  }
}

}  // namespace k42::mem
