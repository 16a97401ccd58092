// FcmWindows: memory of a process in which the kernel shows parts of files, and from which it takes
// them away when it likes, whether or not the process runs: the windows of abi/file_slot.h. It is
// mapped once; what a window shows changes without any change of the map.
//
// A window is in one of these states:
//   free     shows nothing: an access fails (kOutOfRange)
//   open     shows kWindow bytes of a file from an offset on, as far as its pages are in memory;
//            nothing is fetched or made
//   closing  on the way back: it shows nothing, translations may be left
//
//   free -> open      Open
//   open -> open      Move: shows another part
//   open -> closing -> free   Close: when it returns, no CPU has a translation, and what was stored
//                     through one is in the file's pages
//
// A window holds no reference of its file and is not known to it: who opens it closes it before the
// file goes, or pages of it are taken out. Open, Move and Close of one window are called one at a
// time. A fault holds a reference for a moment.
//
// Locking: lock_ guards windows_ and regions_. It is taken inside that of the file.
#pragma once

#include <span>

#include "base/function_ref.h"
#include "mem/fcm_regions.h"

namespace k42::mem {

class FcmFile;
class MemoryServices;

// A process maps them once. Regions that show them, all processes' and parts together.
inline constexpr std::uint32_t kMostWindowRegions = 8;

class FcmWindows final : public FcmRegions<LockRank::kPrivateMemory, kMostWindowRegions> {
 public:
  static constexpr std::uint32_t kWindows = 8;
  static constexpr std::uint64_t kWindow = 4ull << 20;

  static Result<FcmWindows*> Create(MemoryServices& services);
  explicit FcmWindows(MemoryServices& services) : services_(services) {}
  ~FcmWindows() = default;

  // The number of the window. `offset` is a page's. kLimitExceeded: none is free.
  Result<std::uint32_t> Open(FcmFile& file, std::uint64_t offset, bool writable);
  void Move(std::uint32_t window, std::uint64_t offset);
  // Waits for other CPUs: thread context, no spin lock held.
  void Close(std::uint32_t window);

  Status MapPage(const FaultRequest& request, TlbGather& gather) override;
  Status WithPage(const FaultRequest& request, PageUser use, TlbGather& gather) override;
  void Forget(Region*, std::uint64_t, std::uint64_t) override {}
  FcmIdentity identity() const override { return {this, 0, 0}; }

 private:
  // Mapped by one fault, and taken out at a time.
  static constexpr std::uint64_t kPiece = 32 * kPageSize;
  static constexpr std::uint64_t kPieces = kWindow / kPiece;
  static_assert(kPieces <= 32);

  struct Shown {
    FcmFile* file = nullptr;
    std::uint64_t offset = 0;
    bool writable = false;
    bool operator==(const Shown&) const = default;
  };
  struct Window {
    Shown shown;
    bool free = true;
    std::uint32_t mapped = 0;  // bit n: pages of piece n may be in page tables
  };
  // Calls use(frames) with the file's lock and ours held, if the window shows the same still: the
  // frames of the pages from `at` (an offset in this Fcm) to `end`, which lie in one piece.
  using FramesUser = FunctionRef<Status(const Shown& shown, std::span<const PhysAddr> frames)>;
  Status WithFrames(std::uint64_t at, std::uint64_t end, Access access, FramesUser use);
  void HideAll(std::uint32_t window);
  void UnmapLocked(std::uint64_t start, std::uint64_t end, TlbGather& gather) K42_REQUIRES(lock_);
  void Destroy() override;

  MemoryServices& services_;
  Window windows_[kWindows] K42_GUARDED_BY(lock_);
};

}  // namespace k42::mem
