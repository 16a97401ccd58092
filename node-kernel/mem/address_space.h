// AddressSpace: the memory of one process: its regions and its page tables. The part of K42's
// Process and RegionList that is about memory; proc's Process owns one and calls it.
//
// Two kinds of operation:
//   faults      many at once, on all CPUs. They look the region up under lock_, enter its request
//               count, and have left lock_ behind when they go down to the Fcm.
//   changes     (map, unmap, protect, remap, fork, ...) one at a time, under change_. A change
//   first
//               closes the range it touches: new faults there wait (kPending), those under way
//               drain. Then only the changer looks at those regions, and it may wait for other
//               CPUs' TLBs meanwhile. At the end it opens the range and wakes the waiters.
//
// Locking: change_ (mutex, outermost) may be held while waiting for CPUs of this node, never for
// I/O. lock_ (spin) guards the region tree, the closed range, the waiters and the sums.
//
// Every address and size is checked here: callers pass on what user space said.
//
// Files: address_space.cc (birth, death, closing ranges), address_space_map.cc (map, unmap,
// protect, advise), address_space_remap.cc, address_space_fork.cc, address_space_fault.cc (faults
// and copies), address_space_query.cc.
#pragma once

#include "abi/dispatcher_page.h"
#include "machine/mutex.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"
#include "mem/fcm.h"
#include "mem/hat.h"
#include "mem/region.h"

namespace k42::mem {

class FcmPrivate;
class MemoryServices;

enum class Placement : std::uint8_t {
  kAnywhere,        // `address` is a hint: taken if free, else top down
  kFixed,           // there; what was there goes
  kFixedNoReplace,  // there; kAlreadyExists if anything is there
};

struct MapRequest {
  std::uint64_t address = 0;
  std::uint64_t size = 0;  // rounded up to pages
  Placement placement = Placement::kAnywhere;
  Protection protection = kProtectRead;
  bool shared = false;
  bool no_reserve = false;   // may promise more than the node has
  bool populate = false;     // as far as it goes without waiting
  bool personality = false;  // above kUserMapLimit, hidden from programs
  bool may_write = true;     // shared only: whether it may ever be writable
  ForkPolicy fork = ForkPolicy::kCopy;
  // kPromised: anonymous private memory, in whole large pages, size and address; kNoMemory if there
  // are not enough (no_reserve: whatever there is). Those that others take meanwhile are small
  // ones, silently.
  LargePages large = LargePages::kAsNode;
  // What to show; null: anonymous memory. The region takes its own reference. Private mappings are
  // copy-on-write views and want an FcmFile (kNotSupported otherwise).
  Fcm* source = nullptr;
  std::uint64_t offset = 0;  // in the source, page aligned
};

enum class Advice : std::uint8_t {
  kDontNeed,  // contents of private pages are forgotten
  kPopulateRead,
  kPopulateWrite,
  kDontFork,
  kDoFork,
  kWipeOnFork,
  kKeepOnFork,
  kLargePages,  // LargePages::kWanted; what is there already stays as it is
  kSmallPages,
};

struct RemapRequest {
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint64_t new_size = 0;
  bool may_move = false;
  bool fixed = false;  // to new_address; what is there goes
  std::uint64_t new_address = 0;
};

struct RegionInfo {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;    // of `start` in the object
  std::uint64_t resident = 0;  // bytes in the page table
  std::uint64_t large = 0;     // of them by large pages
  FcmIdentity identity;
  Protection protection = kProtectNone;
  bool shared = false;
  bool personality = false;
};

struct MemoryUse {  // bytes, and counts
  std::uint64_t mapped = 0;
  std::uint64_t peak_mapped = 0;
  std::uint64_t resident = 0;
  std::uint64_t peak_resident = 0;
  std::uint64_t faults = 0;
  std::uint64_t faults_waited = 0;
};

// What a word in memory is called by everybody who shares it (shared futexes). Equal keys: same
// word. A key may be kept for longer than the memory is there: no other word gets it.
struct WordKey {
  std::uint64_t object = 0;  // Fcm::Serial
  std::uint64_t offset = 0;
  friend bool operator==(const WordKey&, const WordKey&) = default;
};

class AddressSpace {
 public:
  static constexpr std::uint64_t kLowest = 0x10000;  // below: null pointers
  static constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

  static Result<AddressSpace*> Create(MemoryServices& services);
  // Nobody runs in it or calls it any more. Waits for CPUs that have it loaded to leave.
  void Destroy();

  // -- changes: thread context, no spin lock held; wait for this node's CPUs at most -------------
  Result<std::uint64_t> Map(const MapRequest& request);
  Status Unmap(std::uint64_t address, std::uint64_t size);
  // kOutOfRange where something in the range is not mapped; what lies before that has changed.
  Status Protect(std::uint64_t address, std::uint64_t size, Protection protection);
  // The new address. The old range must lie within one region.
  Result<std::uint64_t> Remap(const RemapRequest& request);
  // kOutOfRange as Protect. Populating stops, without error, where it would have to wait.
  Status Advise(std::uint64_t address, std::uint64_t size, Advice advice);
  // A copy of what the regions' fork policies let through; private memory copy-on-write. kNoMemory
  // leaves nothing behind.
  Result<AddressSpace*> ForkCopy();

  // -- faults and copies: thread context, no spin lock held
  // ---------------------------------------- Answers: mem/types.h. `waiter` null: kWouldBlock
  // instead of kPending.
  Status HandleFault(std::uint64_t address, Access access, FaultWaiter* waiter);
  // The same, with the calling thread waiting until it is decided.
  Status ResolveFault(std::uint64_t address, Access access);
  // Whatever address space is loaded; wait for I/O. Bytes before the first inaccessible one;
  // kBadAddress if there are none.
  Result<std::uint64_t> CopyFromSpace(void* to, std::uint64_t from, std::uint64_t size);
  Result<std::uint64_t> CopyToSpace(std::uint64_t to, const void* from, std::uint64_t size);

  // Writes back what was changed in the files that are mapped shared in the range, and waits.
  // kNotFound: part of it is not mapped, the rest is done. [blocking]
  Status Sync(std::uint64_t address, std::uint64_t size);

  // -- questions ---------------------------------------------------------------------------------
  // The region that holds `address`, or the first above it; kNotFound at the end.
  Status QueryRegion(std::uint64_t address, RegionInfo& info);
  Result<WordKey> KeyOf(std::uint64_t address);
  MemoryUse Use();

  // Of mapped bytes; what is mapped already stays.
  void SetLimit(std::uint64_t bytes);
  // No large pages but promised ones, whatever the regions want; copies inherit it.
  void RefuseLargePages(bool refuse) { large_refused_.store(refuse, std::memory_order_relaxed); }
  bool refuses_large_pages() const { return large_refused_.load(std::memory_order_relaxed); }
  Hat& hat() { return hat_; }
  // The calling thread reads and writes this address space from now on, on this CPU.
  void Activate() {
    hat_.Activate();
    if (copier_.load(std::memory_order_seq_cst) != nullptr) [[unlikely]] {
      DisturbCopier();
    }
  }

  explicit AddressSpace(MemoryServices& services);
  ~AddressSpace() = default;

 private:
  class Closure;  // a closed range, for the duration of a change

  // -- closing (address_space.cc) --
  bool OverlapsClosedLocked(std::uint64_t address) const K42_REQUIRES(lock_) {
    return address >= closed_start_ && address < closed_end_;
  }
  Region* FindLocked(std::uint64_t address) const K42_REQUIRES(lock_);
  // The first region that ends above `address`.
  Region* FirstAboveLocked(std::uint64_t address) const K42_REQUIRES(lock_);
  // Where change_ is held, without which nobody changes the tree: a program makes as many regions
  // as it likes, and its faults need not wait while they are walked.
  Region* FirstAbove(std::uint64_t address) const K42_NO_THREAD_SAFETY_ANALYSIS {
    return FirstAboveLocked(address);
  }
  Region* Next(Region* region) const K42_NO_THREAD_SAFETY_ANALYSIS { return regions_.Next(region); }
  // Makes `at` a boundary between regions. The range is closed.
  Status SplitAt(std::uint64_t at);
  void MergeAround(std::uint64_t start, std::uint64_t end);
  bool TryMergeLocked(Region* low, Region* high) K42_REQUIRES(lock_);

  // -- map, unmap (address_space_map.cc); the range is closed --
  Status CheckMap(const MapRequest& request, std::uint64_t size) const;
  Status CheckPromised(const MapRequest& request, std::uint64_t size) const;
  Result<std::uint64_t> Place(const MapRequest& request, std::uint64_t size);
  Result<std::uint64_t> FindGap(std::uint64_t size, std::uint64_t low, std::uint64_t high,
                                std::uint64_t alignment = kPageSize) const
      K42_NO_THREAD_SAFETY_ANALYSIS;  // as FirstAbove
  bool IsFree(std::uint64_t start, std::uint64_t end) const;
  Status CheckLimit(std::uint64_t more, std::uint64_t less);
  Result<Region*> NewRegion(const MapRequest& request, std::uint64_t address, std::uint64_t size);
  Region* Extendable(const MapRequest& request, std::uint64_t address);
  bool ExtendNeighbour(const MapRequest& request, std::uint64_t address, std::uint64_t size);
  // Takes it over, also where it fails (as Fcm::Attach).
  Status Insert(Region* region);
  Status UnmapClosed(std::uint64_t start, std::uint64_t end);
  static void GiveBack(IntrusiveList<Region>& gone);
  void Populate(std::uint64_t start, std::uint64_t end, Access access);
  std::uint64_t MappedIn(std::uint64_t start, std::uint64_t end) const;
  void AddMapped(std::int64_t bytes);
  // Calls change(region) for each region of the closed range, cut to it; kOutOfRange at a hole.
  template <typename F>
  Status ForEachWhole(std::uint64_t start, std::uint64_t end, F change);

  // -- remap (address_space_remap.cc), fork (address_space_fork.cc) --
  Result<std::uint64_t> RemapInPlace(const RemapRequest& request, std::uint64_t size,
                                     std::uint64_t new_size, bool& done);
  Result<std::uint64_t> Move(std::uint64_t from, std::uint64_t size, std::uint64_t to,
                             std::uint64_t new_size);
  Result<Region*> CopyOf(const Region& region, std::uint64_t to);
  struct Copying;  // what is common to the regions of one copy
  Result<AddressSpace*> CopyClosed(bool alone);
  void DisturbCopier();
  Status CopyRegions(Copying& copying);
  Status CopyRegion(Region& region, Copying& copying);
  void DropCopies();

  // -- faults --
  // Enters the region for an access; kOk, or the answer to the fault.
  Status EnterRegion(std::uint64_t address, Access access, FaultWaiter* waiter, Region*& region);
  void CountWait();
  // Whether a large page may serve the fault.
  bool MayUseLarge(const Region& region, std::uint64_t address) const;
  bool AllowsLarge(const Region& region, std::uint64_t address) const;
  // Calls copy(bytes of the page, done so far, count) for each part of a page in the range.
  using PartCopier =
      FunctionRef<void(unsigned char* bytes, std::uint64_t done, std::uint64_t count)>;
  Result<std::uint64_t> CopyPages(std::uint64_t address, std::uint64_t size, Access access,
                                  PartCopier copy);

  // In this order faults of several CPUs write two common lines: the Hat, and from services_ on.
  Hat hat_;
  MemoryServices& services_;
  machine::SpinLock<LockRank::kRegionList> lock_;
  IntrusiveTree<Region> regions_ K42_GUARDED_BY(lock_);
  std::uint64_t closed_start_ K42_GUARDED_BY(lock_) = 0;
  std::uint64_t closed_end_ K42_GUARDED_BY(lock_) = 0;
  std::uint64_t faults_ K42_GUARDED_BY(lock_) = 0;
  FaultWaiters waiters_ K42_GUARDED_BY(lock_);      // for the closed range to open
  machine::Mutex<LockRank::kAddressSpace> change_;  // one change of the map at a time
  std::uint64_t mapped_ K42_GUARDED_BY(lock_) = 0;
  std::uint64_t peak_mapped_ K42_GUARDED_BY(lock_) = 0;
  std::uint64_t limit_ K42_GUARDED_BY(lock_) = kNoLimit;
  std::uint64_t faults_waited_ K42_GUARDED_BY(lock_) = 0;
  std::atomic<bool> large_refused_{false};
  // Who makes a copy and takes it that nobody else uses the memory meanwhile; whoever does takes
  // the name away (address_space_fork.cc).
  std::atomic<const machine::Thread*> copier_{nullptr};
};

}  // namespace k42::mem
