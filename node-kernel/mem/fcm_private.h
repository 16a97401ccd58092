// FcmPrivate (K42: FCMComputation, FRCRW): private memory of one address space, either zero-filled
// or a copy-on-write view of an FcmFile.
//
// Keyed by virtual address: the offset of a page in an FcmPrivate is the address it is shown at. So
// neighbouring mappings can share one FcmPrivate, grow into each other and merge, and no two
// regions of one FcmPrivate can ever name the same page. Moving a region (mremap) gives it a new
// FcmPrivate.
//
// Copy on write by counted frames, instead of K42's chains of parent FCMs: a copy of an address
// space copies the map and counts each frame once more. A frame with a count of one is written in
// place, whoever holds it; with more, the writer takes a copy. Nothing is left of a copy's
// ancestors, so chains of forks need no collapsing and stay bounded by what is really shared. The
// price is a fork in time of the resident pages, as on Linux.
//
// Large pages: where a request allows it, the first touch takes 512 frames in a row, aligned, and
// enters each of them as any other page; only the page table knows that they can be shown by one
// entry. Such an entry is there only while all 512 pages are these frames and nobody else has one:
// copies, moves and changes of a part drop it (Hat), and what comes after sees 512 small pages. So
// there is nothing to split, and each frame goes back by itself.
//
// An entry of map_ is the frame's address, holding one reference. Absent: the page reads as zero,
// or as the source's page, which may be mapped read-only.
//
// Locking: lock_ guards map_ and regions_. The source calls UnmapSource with its own lock held.
#pragma once

#include "mem/fcm_regions.h"
#include "mem/page_map.h"

namespace k42::mem {

class FcmFile;
class MemoryServices;

class FcmPrivate final : public FcmRegions<LockRank::kPrivateMemory>, public ListLink<> {
 public:
  // `source` null: zero-filled. Else address a shows offset a + source_delta (modulo 2^64) of it;
  // a reference to it is taken.
  static Result<FcmPrivate*> Create(MemoryServices& services, FcmFile* source,
                                    std::uint64_t source_delta);
  FcmPrivate(MemoryServices& services, FcmFile* source, std::uint64_t source_delta)
      : services_(services), source_(source), source_delta_(source_delta) {}
  ~FcmPrivate() = default;

  Status MapPage(const FaultRequest& request, TlbGather& gather) override;
  Status WithPage(const FaultRequest& request, PageUser use, TlbGather& gather) override;
  void Forget(Region* region, std::uint64_t start, std::uint64_t end) override;
  bool is_private() const override { return true; }
  std::uint64_t ObjectOffset(std::uint64_t offset) const override;
  FcmIdentity identity() const override;

  // For a copy of an address space: `to` (of this, empty so far, like `from` otherwise) shows what
  // `from` (of `parent`, closed) shows, all shared on write but for the first `own` writable pages,
  // which are copied at once. Page tables are copied, too. On kNoMemory the copy is unfinished.
  Status ForkFrom(FcmPrivate& parent, Region& from, Region& to, std::uint32_t& own,
                  TlbGather& gather);

  // Shows the pages [start, end) of `other` too, `shift` bytes higher (modulo 2^64), all shared on
  // write. The caller has seen to it that nobody can write them through a page table any more. On
  // kNoMemory some may be in: the caller forgets them.
  Status ShareFrom(FcmPrivate& other, std::uint64_t start, std::uint64_t end, std::uint64_t shift);

  // The source takes its pages [first, end) (indices; a few) out of all page tables; its lock is
  // held.
  void UnmapSource(std::uint64_t first, std::uint64_t end, TlbGather& gather);

  FcmFile* source() const { return source_; }
  std::uint64_t source_delta() const { return source_delta_; }
  MemoryServices& services() const { return services_; }

  // While an address space is copied, under its change_ lock: the copy of this, if made already.
  FcmPrivate* copy = nullptr;

 private:
  void Destroy() override;
  bool IsEmpty();
  Status MapOwnLocked(const FaultRequest& request, Frame* frame, TlbGather& gather)
      K42_REQUIRES(lock_);
  // Makes the page exist, the region's own if it is to be written, and maps it.
  Status MakePage(const FaultRequest& request, TlbGather& gather);
  // After a read fault on the source's page: maps its neighbours that are in memory.
  void MapAround(const FaultRequest& request);
  Status Insert(const FaultRequest& request, Frame* fresh, Frame* expected, TlbGather& gather);
  Status CopyOf(Frame* original, Frame*& copy);
  // Large pages (fcm_private_large.cc). False: small ones must do.
  Result<bool> MakeLarge(const FaultRequest& request, TlbGather& gather);
  bool MapLarge(const FaultRequest& request, TlbGather& gather);
  bool EnterLargeLocked(std::uint64_t address, const Frame* frames) K42_REQUIRES(lock_);
  bool CopyNow(Hat::Leaf& leaf);

  MemoryServices& services_;
  FcmFile* const source_;
  const std::uint64_t source_delta_;
  PageMap map_ K42_GUARDED_BY(lock_);
};

}  // namespace k42::mem
