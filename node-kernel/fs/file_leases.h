// Leases: which openings of one file are served in a slot of their process (abi/file_slot.h).
//
// K42 chose a file's client implementation when it was opened and switched it while it was used;
// here the kernel's side of each opening is in one of these states:
//
//   shared   the kernel serves it: position, bytes, everything
//   held     the process does, in a slot: any number of readers, or one writer and nobody else
//   ended    taken back; the position it had is waiting for the opening to pick it up
//
//   shared -> held   Grant: the file is not mapped, and nobody is changing it now; it is small, and
//                    copied, or it is shown in a window, and has no holes
//   held -> held     Grant: its window goes elsewhere
//   held -> ended    End, or by whoever comes for the file: BeforeRead, Change
//   ended -> shared  TakePosition
//
// Taking back asks nothing of the process: its word is exchanged with 0, what it had written is
// copied into the file, and its next exchange fails. So a process that is dead, stopped or hostile
// holds nobody up, and what it had not put into its word by then was never written. What it had is
// sure to find memory: it was promised when the lease was granted, or is there (no page leaves the
// file but by a change). A window is hidden from every CPU first: what is stored in it later would
// be of nobody's write.
//
// A change by the kernel and a grant exclude each other without a lock on the way of files that
// nobody leases: a change counts itself and then looks for leases; a grant shows itself and then
// looks for changes.
//
// Locking: lock_ guards the list and the leases. It is held while bytes are copied between slots
// and the file, both the kernel's own addresses, and while a window is taken from other CPUs.
#pragma once

#include <atomic>

#include "base/intrusive_list.h"
#include "fs/file_data.h"
#include "fs/memory_node.h"
#include "fs/slot_memory.h"
#include "machine/mutex.h"

namespace k42::fs {

// One opening's, inside it.
class FileLease : public ListLink<> {
 public:
  // A look without a lock: nothing to pick up, nothing to take back.
  bool shared() const { return state_.load(std::memory_order_acquire) == State::kShared; }

 private:
  friend class FileLeases;
  enum class State : std::uint8_t { kShared, kHeld, kEnded, kClosed };

  std::atomic<State> state_{State::kShared};
  static constexpr std::uint32_t kNoWindow = ~0u;

  bool writer_ = false;
  std::uint32_t slot_ = 0;
  std::uint32_t window_ = kNoWindow;
  std::uint64_t position_ = 0;
  RefPtr<SlotMemory> memory_;
};

class FileLeases {
 public:
  // All are the owner's, which outlives this.
  FileLeases(MemoryNode& node, FileData& data) : node_(node), data_(data) {}

  // kNotSupported, kNoMemory, kLimitExceeded: not now, the opening stays as it is.
  Status Grant(FileLease& lease, const LeaseRequest& request);
  // Takes one back; nothing to do if it is not held.
  void End(FileLease& lease);
  // Takes all back.
  void EndAll();
  // The opening ends: no grant from now on.
  void Close(FileLease& lease);
  // After End: where the process had moved to, or `otherwise` if it never held the file.
  std::uint64_t TakePosition(FileLease& lease, std::uint64_t otherwise);

  // What a writer has written is in the file when this returns.
  void BeforeRead() {
    if (has_writer_.load(std::memory_order_acquire)) {
      EndWriter();
    }
  }
  // Size as the writer sees it (0: there is none), and times brought up to date. Takes nothing
  // back.
  std::uint64_t Look();

  // While one exists, the kernel changes the file, and no process holds it.
  class Change {
   public:
    explicit Change(FileLeases& leases) : leases_(leases) {
      leases_.changes_.fetch_add(1, std::memory_order_seq_cst);
      if (leases_.any_.load(std::memory_order_seq_cst)) {
        leases_.EndAll();
      }
    }
    ~Change() { leases_.changes_.fetch_sub(1, std::memory_order_release); }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    FileLeases& leases_;
  };

 private:
  using State = FileLease::State;

  void EndWriter();
  void EndWriterLocked() K42_REQUIRES(lock_);
  void EndAllLocked() K42_REQUIRES(lock_);
  void EndLocked(FileLease& lease) K42_REQUIRES(lock_);
  void CopyBackLocked(FileLease& lease, std::uint64_t word) K42_REQUIRES(lock_);
  bool IsWorthWhileLocked(const LeaseRequest& request) K42_REQUIRES(lock_);
  Status FillLocked(FileLease& lease, const LeaseRequest& request) K42_REQUIRES(lock_);
  Status ServeLocked(FileLease& lease, const LeaseRequest& request) K42_REQUIRES(lock_);
  Status ServeSmallLocked(FileLease& lease, const LeaseRequest& request) K42_REQUIRES(lock_);
  Status ShowLocked(FileLease& lease, const LeaseRequest& request) K42_REQUIRES(lock_);
  Status MoveLocked(FileLease& lease, const LeaseRequest& request) K42_REQUIRES(lock_);
  bool FitsWindow(const LeaseRequest& request, bool writer) const;
  std::uint64_t WindowFor(std::uint64_t offset) const;
  // Bytes of `range` (abi::FileSlot::changed) below `size`: those of the room, where the file
  // begins, or of the stage, where the range does.
  enum class Part : std::uint8_t { kRoom, kStage };
  void CopyBack(SlotMemory& memory, std::uint32_t slot, Part part, std::uint64_t range,
                std::uint64_t size);
  void Note(const abi::FileSlot& slot, std::uint64_t word);

  MemoryNode& node_;
  FileData& data_;
  machine::Mutex<LockRank::kFileLeases> lock_;
  IntrusiveList<FileLease> held_ K42_GUARDED_BY(lock_);
  bool read_once_ K42_GUARDED_BY(lock_) = false;  // by the last reader that held it
  std::uint8_t passed_over_ K42_GUARDED_BY(lock_) = 0;
  std::atomic<std::uint32_t> changes_{0};
  std::atomic<bool> any_{false};         // written under lock_
  std::atomic<bool> has_writer_{false};  // written under lock_
};

}  // namespace k42::fs
