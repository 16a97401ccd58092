#include "mem/fcm_windows.h"

#include <algorithm>
#include <bit>

#include "mem/fcm_file.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

using machine::SpinGuard;

namespace {

// A page table's lock is taken within these: hat.cc.
constexpr machine::HoldReason kPieceIn{12000, "up to 32 pages of a file go into one table"};
constexpr machine::HoldReason kPieceOut{30000,
                                        "32 pages leave the tables of all regions, 8 at most"};

Protection WithoutWrite(Protection protection) {
  return protection & static_cast<Protection>(~kProtectWrite);
}

}  // namespace

Result<FcmWindows*> FcmWindows::Create(MemoryServices& services) {
  static_assert(kPiece == FcmFile::kPresent * kPageSize && FcmFile::kPresent <= Hat::kLeaves);
  return New<FcmWindows>(services);
}

void FcmWindows::Destroy() {
  Delete(this);
}

Result<std::uint32_t> FcmWindows::Open(FcmFile& file, std::uint64_t offset, bool writable) {
  const SpinGuard guard(lock_);
  for (std::uint32_t i = 0; i < kWindows; ++i) {
    if (windows_[i].free) {
      windows_[i] = {{&file, offset, writable}, false, 0};
      return i;
    }
  }
  return Status::kLimitExceeded;
}

void FcmWindows::Move(std::uint32_t window, std::uint64_t offset) {
  Shown shown;
  {
    const SpinGuard guard(lock_);
    shown = windows_[window].shown;
    windows_[window].shown = {};
  }
  HideAll(window);
  shown.offset = offset;
  const SpinGuard guard(lock_);
  windows_[window].shown = shown;
}

void FcmWindows::Close(std::uint32_t window) {
  {
    const SpinGuard guard(lock_);
    windows_[window].shown = {};
  }
  HideAll(window);
  const SpinGuard guard(lock_);
  windows_[window].free = true;
}

// It shows nothing, so nothing is mapped any more.
void FcmWindows::HideAll(std::uint32_t window) {
  std::uint32_t left = 0;
  {
    const SpinGuard guard(lock_);
    left = windows_[window].mapped;
    windows_[window].mapped = 0;
  }
  TlbGather gather(services_.frames);
  for (; left != 0; left &= left - 1) {
    const std::uint64_t start =
        window * kWindow + static_cast<std::uint64_t>(std::countr_zero(left)) * kPiece;
    {
      const SpinGuard guard(lock_, kPieceOut);
      UnmapLocked(start, start + kPiece, gather);
    }
    machine::Thread::PreemptionPoint();
  }
  gather.Finish();
}

void FcmWindows::UnmapLocked(std::uint64_t start, std::uint64_t end, TlbGather& gather) {
  for (const Region& region : regions_) {
    const std::uint64_t from = std::max(start, region.offset);
    const std::uint64_t to = std::min(end, region.offset + region.size());
    if (from < to) {
      region.hat->Unmap(region.AddressOf(from), region.AddressOf(to), gather);
    }
  }
}

// The window may be closed, and its file be gone, as soon as our lock is not held.
Status FcmWindows::WithFrames(std::uint64_t at, std::uint64_t end, Access access, FramesUser use) {
  const std::uint64_t window = at / kWindow;
  if (window >= kWindows) {
    return Status::kOutOfRange;
  }
  Shown shown;
  {
    const SpinGuard guard(lock_);
    shown = windows_[window].shown;
    if (shown.file == nullptr) {
      return Status::kOutOfRange;
    }
    if (access == Access::kWrite && !shown.writable) {
      return Status::kPermissionDenied;
    }
    shown.file->AddReference();
  }
  Status status = Status::kOutOfRange;
  const std::uint64_t delta = shown.offset - window * kWindow;
  shown.file->WithPresent(at + delta, end + delta, [&](std::span<const PhysAddr> frames) {
    const SpinGuard guard(lock_, kPieceIn);
    if (windows_[window].shown == shown) {
      windows_[window].mapped |= 1u << at % kWindow / kPiece;
      status = use(shown, frames);
    }
  });
  shown.file->DropReference();
  return status;
}

// A fault costs as much as mapping half a dozen pages: the neighbours are mapped, too.
Status FcmWindows::MapPage(const FaultRequest& request, TlbGather& gather) {
  const Region& region = *request.region;
  const std::uint64_t piece = AlignDown(region.OffsetOf(request.address), kPiece);
  const std::uint64_t start = std::max(piece, region.offset);
  const std::uint64_t end = std::min(piece + kPiece, region.offset + region.size());
  return WithFrames(
      start, end, request.access, [&](const Shown& shown, std::span<const PhysAddr> frames) {
        const Protection protection =
            shown.writable ? region.protection : WithoutWrite(region.protection);
        const machine::PageTableEntry bits = Hat::LeafEntry(0, WithoutWrite(protection));
        Hat::Leaves leaves;
        Status status = Status::kOutOfRange;
        std::uint64_t address = region.AddressOf(start);
        for (const PhysAddr frame : frames) {
          if (frame != 0 && address == request.address) {
            status = region.hat->Map(address, frame, protection, gather);
          } else if (frame != 0) {
            leaves.leaf[leaves.count++] = {address, frame | bits,
                                           Permits(protection, Access::kWrite)};
          }
          address += kPageSize;
        }
        if (IsOk(status)) {
          region.hat->MapLeaves(leaves);
        }
        return status;
      });
}

Status FcmWindows::WithPage(const FaultRequest& request, PageUser use, TlbGather&) {
  const std::uint64_t at = request.region->OffsetOf(request.address);
  return WithFrames(at, at + kPageSize, request.access,
                    [&](const Shown&, std::span<const PhysAddr> frames) {
                      if (frames[0] == 0) {
                        return Status::kOutOfRange;
                      }
                      use(machine::PhysToVirt<unsigned char>(frames[0]));
                      return Status::kOk;
                    });
}

}  // namespace k42::mem
