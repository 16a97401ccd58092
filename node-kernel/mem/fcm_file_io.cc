// FcmFile: read, write, resize. Copies from and to the caller may fault, so they run without the
// lock, on pages held by a reference.
#include <cstring>

#include "machine/thread.h"
#include "mem/fcm_file_requests.h"
#include "mem/heap.h"
#include "mem/services.h"
#include "mem/sync_waiter.h"

namespace k42::mem {

using machine::SpinGuard;

namespace {

constexpr machine::HoldReason kLook{150, "one look into the map"};
constexpr machine::HoldReason kAdded{4000 + kChunkMade,
                                     "a page goes into the map, whose nodes may be missing"};
constexpr machine::HoldReason kLooks{4000, "up to 64 looks into the map"};
constexpr machine::HoldReason kCleared{1500, "the rest of a page is cleared"};

constexpr unsigned char kZeros[kPageSize] = {};

// The part of one page that a transfer of [offset, end) touches next.
struct Step {
  Step(std::uint64_t offset, std::uint64_t end)
      : page(PageIndex(offset)),
        at(static_cast<std::uint32_t>(offset % kPageSize)),
        count(end - offset < kPageSize - at ? end - offset : kPageSize - at) {}
  std::uint64_t page;
  std::uint32_t at;
  std::uint64_t count;
};

}  // namespace

bool FcmFile::IsResident(std::uint64_t first, std::uint64_t end) {
  constexpr std::uint64_t kAtATime = 64;
  for (std::uint64_t page = first; page < end;) {
    const std::uint64_t stop = end - page < kAtATime ? end : page + kAtATime;
    {
      const SpinGuard guard(lock_, kLooks);
      for (; page < stop; ++page) {
        const Entry* entry = map_.Find(page);
        if (entry == nullptr || (*entry & kFilling) != 0) {
          return false;
        }
      }
    }
    machine::Thread::PreemptionPoint();
  }
  return true;
}

// Brings an absent page in.
Status FcmFile::Fetch(std::uint64_t page, Waiting waiting) {
  const auto nothing = [](Entry&, Frame*) { return Status::kOk; };
  for (;;) {
    SyncWaiter waiter;
    const Status status = WithEntry(page, waiting == Waiting::kYes ? &waiter : nullptr, nothing);
    if (status == Status::kPending) {
      TRY(waiter.Wait());
    } else if (status != Status::kNoMemory || services_.page_manager.Reclaim() == 0) {
      return status;
    }
  }
}

Result<Frame*> FcmFile::PinForRead(std::uint64_t page, Waiting waiting) {
  for (;;) {
    {
      const SpinGuard guard(lock_, kLook);
      Entry* entry = map_.Find(page);
      if (entry != nullptr && (*entry & kFilling) == 0) {
        *entry |= kUsed;
        FrameAllocator::AddReference(FrameOf(*entry));
        return FrameOf(*entry);
      }
      if (entry == nullptr && representative_ == nullptr) {
        return static_cast<Frame*>(nullptr);
      }
    }
    TRY(Fetch(page, waiting));
  }
}

Result<std::uint64_t> FcmFile::Read(std::uint64_t offset, BufferOut buffer, Waiting waiting) {
  const std::uint64_t file_size = size();
  if (offset >= file_size || buffer.empty()) {
    return std::uint64_t{0};
  }
  const std::uint64_t count =
      buffer.size() < file_size - offset ? buffer.size() : file_size - offset;
  if (waiting == Waiting::kNo && representative_ != nullptr &&
      !IsResident(PageIndex(offset), PagesOf(offset + count))) {
    return Status::kWouldBlock;
  }
  std::uint64_t done = 0;
  while (done < count) {
    const Step step(offset + done, offset + count);
    const Result<Frame*> pinned = PinForRead(step.page, waiting);
    if (!pinned.ok()) {
      // Reclaimed or truncated since the look above: what was read counts.
      return done != 0 ? Result<std::uint64_t>(done) : pinned.status();
    }
    Frame* frame = pinned.value();
    const unsigned char* data =
        frame != nullptr ? FrameAllocator::Data<unsigned char>(frame) : kZeros;
    const Status copied = buffer.CopyFrom(data + step.at, done, step.count);
    if (frame != nullptr) {
      services_.frames.DropReference(frame);
    }
    if (!IsOk(copied)) {
      return done != 0 ? Result<std::uint64_t>(done) : copied;
    }
    done += step.count;
    machine::Thread::PreemptionPoint();
  }
  return done;
}

void FcmFile::GrowToLocked(std::uint64_t new_size) {
  if (new_size > size()) {
    size_.store(new_size, std::memory_order_release);
  }
}

// Not in the middle of a cut: what that has yet to take out would be part of the file again.
Status FcmFile::GrowTo(std::uint64_t new_size, Waiting waiting) {
  const SizePass pass(size_gate_, SizeGate::Kind::kShared, waiting);
  if (!pass.entered()) {
    return Status::kWouldBlock;
  }
  const SpinGuard guard(lock_);
  GrowToLocked(new_size);
  return Status::kOk;
}

// Into a page that is there; `present` false: it is not (or still filling), nothing done. The file
// grows where the page becomes dirty: were it later, the page could be written back in between, as
// far as the file reached before, and be clean.
Status FcmFile::WriteToPresent(std::uint64_t page, BufferIn data, std::uint32_t at, bool& present) {
  Frame* frame = nullptr;
  {
    const SpinGuard guard(lock_, kLook);
    const Entry* entry = map_.Find(page);
    present = entry != nullptr && (*entry & kFilling) == 0;
    if (!present) {
      return Status::kOk;
    }
    frame = FrameOf(*entry);
    FrameAllocator::AddReference(frame);
  }
  const Status copied =
      data.CopyTo(FrameAllocator::Data<unsigned char>(frame) + at, 0, data.size());
  {
    const SpinGuard guard(lock_, kLook);
    Entry* entry = map_.Find(page);
    present = entry != nullptr && FrameOf(*entry) == frame;
    if (present) {
      *entry |= kDirty | kUsed;  // even if only part of it was copied
    }
    if (present && IsOk(copied)) {
      GrowToLocked((page << kPageShift) + at + data.size());
    }
  }
  services_.frames.DropReference(frame);
  return copied;
}

// As a new page, with zeros around: only for pages that have nothing to be fetched. The caller's
// loop finds the page, if another thread was faster.
Status FcmFile::AddWritten(std::uint64_t page, BufferIn data, std::uint32_t at,
                           FramePurpose purpose) {
  FrameAllocator& frames = services_.frames;
  Frame* frame = TRY(frames.Allocate(purpose));
  auto* const bytes = FrameAllocator::Data<unsigned char>(frame);
  const std::uint64_t end = at + data.size();
  std::memset(bytes, 0, at);
  std::memset(bytes + end, 0, kPageSize - end);
  Status status = data.CopyTo(bytes + at, 0, data.size());
  if (IsOk(status)) {
    const SpinGuard guard(lock_, kAdded);
    status = map_.Find(page) != nullptr ? Status::kAlreadyExists
                                        : AddPageLocked(page, frame, kDirty | kUsed);
    if (IsOk(status)) {
      GrowToLocked((page << kPageShift) + end);
    }
  }
  if (!IsOk(status)) {
    frames.DropReference(frame);
  }
  return status;
}

Status FcmFile::CopyPageIn(std::uint64_t page, BufferIn data, std::uint32_t at, Waiting waiting,
                           FramePurpose purpose) {
  for (;;) {
    bool present = false;
    TRY(WriteToPresent(page, data, at, present));
    if (present) {
      return Status::kOk;
    }
    const bool nothing_to_fetch =
        representative_ == nullptr || data.size() == kPageSize || page >= PagesOf(size());
    bool filling = false;
    {
      const SpinGuard guard(lock_, kLook);
      filling = map_.Find(page) != nullptr;
    }
    if (nothing_to_fetch && !filling) {
      const Status added = AddWritten(page, data, at, purpose);
      if (added != Status::kAlreadyExists) {
        return added;
      }
    } else {
      TRY(Fetch(page, waiting));
    }
  }
}

Status FcmFile::Promise(std::uint64_t pages) {
  {
    const SpinGuard guard(lock_, kAdded);
    TRY(map_.Prepare(0));
  }
  Status status = services_.frames.Promise(pages);
  while (status == Status::kNoMemory && services_.page_manager.Reclaim() != 0) {
    status = services_.frames.Promise(pages);
  }
  return status;
}

void FcmFile::EndPromise(std::uint64_t pages) {
  services_.frames.EndPromise(pages);
}

Result<std::uint64_t> FcmFile::Write(std::uint64_t offset, BufferIn buffer, Waiting waiting,
                                     FramePurpose purpose) {
  const SizePass pass(size_gate_, SizeGate::Kind::kShared, waiting);
  return pass.entered() ? WriteInside(offset, buffer, waiting, purpose) : Status::kWouldBlock;
}

// Alone: nobody else moves the end meanwhile.
Result<std::uint64_t> FcmFile::Append(BufferIn buffer, Waiting waiting, std::uint64_t* end) {
  const SizePass pass(size_gate_, SizeGate::Kind::kAlone, waiting);
  if (!pass.entered()) {
    return Status::kWouldBlock;
  }
  const std::uint64_t offset = size();
  const std::uint64_t count = TRY(WriteInside(offset, buffer, waiting, FramePurpose::kUser));
  *end = offset + count;
  return count;
}

Result<std::uint64_t> FcmFile::WriteInside(std::uint64_t offset, BufferIn buffer, Waiting waiting,
                                           FramePurpose purpose) {
  const std::uint64_t count = buffer.size();
  if (offset > kMaxFileSize || count > kMaxFileSize - offset) {
    return Status::kNoSpace;
  }
  std::uint64_t done = 0;
  while (done < count) {
    const Step step(offset + done, offset + count);
    Status status = CopyPageIn(step.page, buffer.Part(done, step.count), step.at, waiting, purpose);
    if (status == Status::kNoMemory && services_.page_manager.Reclaim() != 0) {
      continue;
    }
    if (!IsOk(status)) {
      return done != 0 ? Result<std::uint64_t>(done) : status;
    }
    done += step.count;
    machine::Thread::PreemptionPoint();
  }
  return done;
}

Status FcmFile::Overlay(std::uint64_t offset, BufferIn buffer) {
  const SizePass pass(size_gate_, SizeGate::Kind::kShared);
  const std::uint64_t count = buffer.size();
  for (std::uint64_t done = 0; done < count;) {
    const Step step(offset + done, offset + count);
    bool differs = false;
    {
      const SpinGuard guard(lock_, kLook);
      const Entry* entry = map_.Find(step.page);
      differs = entry != nullptr && (*entry & (kDirty | kWriting)) != 0;
    }
    if (differs) {
      bool present = false;
      TRY(WriteToPresent(step.page, buffer.Part(done, step.count), step.at, present));
    }
    done += step.count;
    machine::Thread::PreemptionPoint();
  }
  return Status::kOk;
}

// Zeros within one page, if it is there.
void FcmFile::ClearWithinPage(std::uint64_t begin, std::uint64_t end) {
  Entry* entry = map_.Find(PageIndex(begin));
  if (begin < end && entry != nullptr && (*entry & kFilling) == 0) {
    std::memset(FrameAllocator::Data<unsigned char>(FrameOf(*entry)) + begin % kPageSize, 0,
                end - begin);
  }
}

Status FcmFile::Resize(std::uint64_t new_size, Waiting waiting) {
  if (new_size > kMaxFileSize) {
    return Status::kNoSpace;  // as writing so far would
  }
  if (permanent()) {
    return Status::kNotSupported;
  }
  const SizePass pass(size_gate_, SizeGate::Kind::kAlone, waiting);
  if (!pass.entered()) {
    return Status::kWouldBlock;
  }
  {
    const SpinGuard guard(lock_, kCleared);
    const std::uint64_t old_size = size();
    size_.store(new_size, std::memory_order_release);
    if (new_size >= old_size) {
      return Status::kOk;
    }
    // From here on faults beyond the end fail; what is there goes.
    if (new_size % kPageSize != 0) {
      ClearWithinPage(new_size, AlignUp(new_size, kPageSize));
    }
  }
  TakeOut(PagesOf(new_size), ~std::uint64_t{0});
  return Status::kOk;
}

Status FcmFile::PunchHole(std::uint64_t offset, std::uint64_t count, Waiting waiting) {
  if (representative_ != nullptr || permanent()) {
    return Status::kNotSupported;
  }
  const SizePass pass(size_gate_, SizeGate::Kind::kAlone, waiting);
  if (!pass.entered()) {
    return Status::kWouldBlock;
  }
  const std::uint64_t file_size = size();
  if (offset >= file_size || count == 0) {
    return Status::kOk;
  }
  const std::uint64_t end = count < file_size - offset ? offset + count : file_size;
  const std::uint64_t first_whole = AlignUp(offset, kPageSize);
  // A page is whole too if the hole reaches the end of the file.
  const std::uint64_t last_whole =
      end == file_size ? AlignUp(end, kPageSize) : AlignDown(end, kPageSize);
  {
    const SpinGuard guard(lock_, kCleared);
    ClearWithinPage(offset, first_whole < end ? first_whole : end);
    if (last_whole < end && last_whole >= first_whole) {
      ClearWithinPage(last_whole, end);
    }
  }
  TakeOut(PageIndex(first_whole), PageIndex(last_whole));
  return Status::kOk;
}

}  // namespace k42::mem
