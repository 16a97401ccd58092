// FcmFile: the page cache of one file: the same frames for mmap, read and write. Without a
// FileRepresentative it is the storage itself: memory files and shared anonymous memory.
//
// States of a page, as bits of its entry in map_ (absent = not in memory):
//   absent -> filling -> clean -> dirty -> writing -> clean ...     with a FileRepresentative
//   absent -> dirty                                                 without (zero-filled)
//   clean -> absent                                                 reclaimed
//   any -> absent                                                   truncated
// writing and dirty may be set together: changed again while it is written. A clean page is mapped
// read-only, so that the first write faults and makes it dirty; writing back maps it read-only
// again first. An entry holds one reference of its frame, a request under way another.
//
// Locking: lock_ guards map_, regions_, views_ and the requests. Calls to the FileRepresentative
// and notifications of waiters are made without it. size_gate_ keeps writes apart from whatever
// else changes the size or takes pages out; lock_ is taken inside it. What reclaims keeps its hands
// off pages that somebody has pinned.
//
// Files: fcm_file.cc (pages and regions), fcm_file_requests.cc (to and from the
// FileRepresentative), fcm_file_io.cc (read, write, resize).
#pragma once

#include <span>

#include "base/buffer.h"
#include "mem/fcm_regions.h"
#include "mem/file_representative.h"
#include "mem/page_manager.h"
#include "mem/page_map.h"
#include "mem/size_gate.h"

namespace k42::mem {

class FcmPrivate;
class MemoryServices;

class FcmFile final : public FcmRegions<LockRank::kFileCache>, private Reclaimable {
 public:
  // `representative` null: memory only. It must stay until its CacheGone has been called.
  static Result<FcmFile*> Create(MemoryServices& services, FileRepresentative* representative,
                                 std::uint64_t size, std::uint64_t device = 0,
                                 std::uint64_t node = 0);
  FcmFile(MemoryServices& services, FileRepresentative* representative, std::uint64_t size,
          std::uint64_t device, std::uint64_t node)
      : services_(services),
        representative_(representative),
        device_(device),
        node_(node),
        size_(size) {}
  ~FcmFile() = default;

  // -- as a file: thread context, no lock held ---------------------------------------------------
  // What may have to be waited for: a page that must be fetched, and others who are in the middle
  // of a write or a cut (SizeGate).
  // Bytes copied; 0 at the end. A bad user address ends the copy; kBadAddress if nothing was
  // copied.
  Result<std::uint64_t> Read(std::uint64_t offset, BufferOut buffer, Waiting waiting);
  // Grows the file as needed.
  Result<std::uint64_t> Write(std::uint64_t offset, BufferIn buffer, Waiting waiting,
                              FramePurpose purpose = FramePurpose::kUser);
  // At the end as it is then; *end: where that is now.
  Result<std::uint64_t> Append(BufferIn buffer, Waiting waiting, std::uint64_t* end);
  // Memory files: until EndPromise, or until the file is cut, `pages` pages from the start on (64
  // at most) find memory by Writes for FramePurpose::kPromised, once each. kNoMemory,
  // kLimitExceeded.
  Status Promise(std::uint64_t pages);
  void EndPromise(std::uint64_t pages);
  std::uint64_t size() const { return size_.load(std::memory_order_acquire); }
  // No file is larger: sums of offsets and sizes below it cannot wrap round.
  static constexpr std::uint64_t kMaxFileSize = std::uint64_t{1} << 50;
  // Shrinking drops pages and clears the rest of the last; mappings beyond fail from then on.
  // kNoSpace: over kMaxFileSize.
  Status Resize(std::uint64_t size, Waiting waiting);
  // To at least `size`.
  Status GrowTo(std::uint64_t size, Waiting waiting);
  // Drops whole pages of [offset, offset + size) and clears the rest: a hole. Memory files only
  // (else kNotSupported).
  Status PunchHole(std::uint64_t offset, std::uint64_t size, Waiting waiting);
  // Writes all dirty pages back and waits; the first error. Nothing to do for memory files.
  Status Sync();
  bool is_memory_only() const { return representative_ == nullptr; }
  // These bytes are where the file is already: pages that differ from it by what was changed in
  // them take the bytes, too. Clean ones are left to DropClean. Waits.
  Status Overlay(std::uint64_t offset, BufferIn buffer);
  // The file has changed elsewhere: clean pages are dropped, all of them. Dirty ones stay, and
  // those on their way out. Waits for writes under way.
  void DropClean();
  std::uint64_t resident_pages() const { return resident_.load(std::memory_order_relaxed); }

  // -- as an Fcm -------------------------------------------------------------------------------
  Status MapPage(const FaultRequest& request, TlbGather& gather) override;
  Status WithPage(const FaultRequest& request, PageUser use, TlbGather& gather) override;
  void Forget(Region*, std::uint64_t, std::uint64_t) override {}  // shared memory stays
  FcmFile* AsFile() override { return this; }
  FcmIdentity identity() const override { return {this, device_, node_}; }

  // It stays for ever (mem/fcm.h), and so do its pages: nobody needs to know its private views, and
  // it is neither cut nor can it have holes from then on. Of a memory file, while only the creator
  // knows it.
  void MakePermanent();

  // -- for private views --------------------------------------------------------------------------
  void AddView(FcmPrivate* view);
  void RemoveView(FcmPrivate* view);
  // Calls use(frame) with the page present, under lock_. It becomes part of the answer.
  Status WithFilePage(std::uint64_t offset, FaultWaiter* waiter, FunctionRef<Status(Frame*)> use);
  // Calls use() under lock_: no page is taken out of page tables meanwhile (of a permanent file
  // none ever is).
  void Locked(const machine::HoldReason& why, FunctionRef<void()> use) {
    if (permanent()) {
      use();
      return;
    }
    const machine::SpinGuard guard(lock_, why);
    use();
  }
  // Calls use(frames) under lock_: the frames of the pages from `offset` on, kPresent at most, 0
  // for those that are not in memory. Fetches nothing.
  static constexpr std::uint64_t kPresent = 32;
  void WithPresent(std::uint64_t offset, std::uint64_t end,
                   FunctionRef<void(std::span<const PhysAddr> frames)> use);

 private:
  using Entry = PageMap::Entry;
  static constexpr Entry kFilling = 1;
  static constexpr Entry kDirty = 2;
  static constexpr Entry kWriting = 4;
  static constexpr Entry kMapped = 8;  // may be in a page table
  static constexpr Entry kUsed = 16;   // second chance
  static constexpr Entry kFlags = kPageSize - 1;
  static constexpr std::uint64_t kNoPage = ~std::uint64_t{0};  // beyond all
  static constexpr std::uint32_t kBatch = 16;                  // pages that leave at a time
  struct FillRequest;
  struct WriteRequest;
  struct Leaving;
  using Gathered = FunctionRef<Status(Entry&, Frame*)>;

  void Destroy() override;
  bool TryPin() override { return TryAddReference(); }
  void Unpin() override { DropReference(); }
  std::uint64_t Reclaim(std::uint64_t pages) override;

  // Calls use(entry, frame) under lock_ with the page present, filling or making it first.
  Status WithEntry(std::uint64_t page, FaultWaiter* waiter, Gathered use);
  Frame* FrameOf(Entry entry) const;
  // Mostly the flag is there, and other CPUs' caches have the line, too.
  static void Mark(Entry& entry, Entry flag) {
    if ((entry & flag) == 0)
      entry |= flag;
  }
  static std::uint64_t PagesOf(std::uint64_t size) { return (size + kPageSize - 1) / kPageSize; }
  Status AddPageLocked(std::uint64_t page, Frame* frame, Entry flags) K42_REQUIRES(lock_);
  void GrowToLocked(std::uint64_t size) K42_REQUIRES(lock_);
  std::uint64_t TakeBatchLocked(std::uint64_t first, std::uint64_t end, Leaving& leaving)
      K42_REQUIRES(lock_);
  void TakeOut(std::uint64_t first, std::uint64_t end);
  void UnmapLocked(std::uint64_t first, std::uint64_t end, TlbGather& gather) K42_REQUIRES(lock_);
  void RestrictLocked(std::uint64_t first, std::uint64_t end, TlbGather& gather)
      K42_REQUIRES(lock_);

  // requests
  Result<FillRequest*> NewFillLocked(std::uint64_t page) K42_REQUIRES(lock_);
  void QueueOnFillLocked(std::uint64_t page, FaultWaiter* waiter) K42_REQUIRES(lock_);
  void StartFill(FillRequest* request);
  static void OnFilled(PageRequest* request, Status status, std::uint64_t bytes);
  void FinishFill(FillRequest& request, Status status, std::uint64_t bytes);
  Status StartWrites();
  Result<WriteRequest*> NewWrite(std::uint64_t& cursor);
  static void OnWritten(PageRequest* request, Status status, std::uint64_t bytes);
  void FinishWrite(WriteRequest& request, Status status);

  // io
  // Inside the gate.
  Result<std::uint64_t> WriteInside(std::uint64_t offset, BufferIn buffer, Waiting waiting,
                                    FramePurpose purpose);
  // The page's frame with a reference, or null for a hole of a memory file.
  Result<Frame*> PinForRead(std::uint64_t page, Waiting waiting);
  Status CopyPageIn(std::uint64_t page, BufferIn data, std::uint32_t at, Waiting waiting,
                    FramePurpose purpose);
  Status WriteToPresent(std::uint64_t page, BufferIn data, std::uint32_t at, bool& present);
  Status AddWritten(std::uint64_t page, BufferIn data, std::uint32_t at, FramePurpose purpose);
  bool IsResident(std::uint64_t first, std::uint64_t end);
  Status Fetch(std::uint64_t page, Waiting waiting);
  void ClearWithinPage(std::uint64_t begin, std::uint64_t end) K42_REQUIRES(lock_);

  MemoryServices& services_;
  FileRepresentative* const representative_;
  const std::uint64_t device_;
  const std::uint64_t node_;
  SizeGate size_gate_;
  std::atomic<std::uint64_t> size_;         // written under lock_
  std::atomic<std::uint64_t> resident_{0};  // written under lock_
  PageMap map_ K42_GUARDED_BY(lock_);
  IntrusiveList<FcmPrivate> views_ K42_GUARDED_BY(lock_);
  IntrusiveList<FillRequest> fills_ K42_GUARDED_BY(lock_);
  FaultWaiters write_waiters_ K42_GUARDED_BY(lock_);  // for writes_ to become 0
  std::uint32_t writes_ K42_GUARDED_BY(lock_) = 0;    // requests under way
  Status write_error_ K42_GUARDED_BY(lock_) = Status::kOk;
  std::uint64_t clock_hand_ K42_GUARDED_BY(lock_) = 0;
  bool closing_ = false;  // the last reference is gone: what cannot be written is lost
};

}  // namespace k42::mem
