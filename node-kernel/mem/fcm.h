// Fcm (K42: file cache manager): the memory behind regions. It owns the pages, knows every region
// that shows them, and is the only one that puts them into or takes them out of page tables.
//
//   FcmPrivate  memory of one address space: zero-filled, or a copy-on-write view of an FcmFile
//   FcmFile     one file's page cache; or, without a FileRepresentative, shared anonymous memory
//   FcmOnDemand the same, each made when it is first wanted
//   FcmPinned   a few pages that the kernel shares with user space
//
// A page is named by its offset in the Fcm (bytes, page aligned).
//
// Life: counted references (regions, creators, private views of it). The last DropReference
// destroys it, in thread context with no lock held. What every process shows and never goes, the
// images of programs and the time page, is *permanent*: nobody counts, so that processes that come
// and go on different CPUs have no word in common.
//
// An Fcm's address may be another's later. What is to name it for longer than a reference is held
// (WordKey) is its serial number.
//
// Locking: each Fcm has one spin lock of its own, held while page tables are changed for its pages,
// so that mapping and unmapping a page cannot pass each other. An FcmPrivate's lock is taken inside
// the lock of the FcmFile it is a view of. Nothing waits under these locks: what must wait for
// other CPUs goes into a TlbGather, finished after the locks are dropped.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/function_ref.h"
#include "mem/types.h"

namespace k42::mem {

class FcmFile;
struct Frame;
struct Region;
class TlbGather;

// One access, on its way down. The region has been entered (RequestCount).
struct FaultRequest {
  Region* region;
  std::uint64_t address;  // page aligned
  Access access;
  FaultWaiter* waiter;  // null: answer kWouldBlock rather than kPending
  bool large = false;   // the 2 MiB around it lie in the region, and a large page may show them
};

// For /proc/self/maps; zero where it has no meaning.
struct FcmIdentity {
  const void* object = nullptr;  // equal for all views of one object; null: private anonymous
  std::uint64_t device = 0;
  std::uint64_t node = 0;
};

class Fcm {
 public:
  Fcm(const Fcm&) = delete;
  Fcm& operator=(const Fcm&) = delete;

  void AddReference() {
    if (!permanent_) {
      references_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  void DropReference() {
    if (!permanent_ && references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      Destroy();
    }
  }

  // Nobody but the caller has it: no region, no view, no other creator.
  bool HasOneReference() const {
    return !permanent_ && references_.load(std::memory_order_acquire) == 1;
  }

  // No other Fcm of the node has it or had it. Given when it is first asked for, as the next of
  // `last`: few are ever asked, and those that come and go on different CPUs have no word in
  // common.
  std::uint64_t Serial(std::atomic<std::uint64_t>& last);

  // -- pages -------------------------------------------------------------------------------------
  // Makes the page accessible in the region's address space. Answers: mem/types.h.
  virtual Status MapPage(const FaultRequest& request, TlbGather& gather) = 0;
  // Calls use(data of the page) once, with the page present and, for kWrite, the region's own; it
  // must not sleep or fault. Mapped or not, page tables do not matter.
  using PageUser = FunctionRef<void(unsigned char* page)>;
  virtual Status WithPage(const FaultRequest& request, PageUser use, TlbGather& gather) = 0;

  // -- regions: called by the address space, region stopped, its lock_ held (Hide: without) -------
  // kLimitExceeded: so many show it already.
  virtual Status Attach(Region* region) = 0;
  virtual Status Split(Region* low, Region* high, std::uint64_t at) = 0;
  virtual void Merge(Region* low, Region* high) = 0;
  virtual void Grow(Region* region, std::uint64_t end) = 0;
  // (Without lock_, too: it takes its time.)
  virtual void SetProtection(Region* region, Protection protection, TlbGather& gather) = 0;
  // Takes the region's pages out of the page table. The region stays known until every CPU has been
  // told: whoever takes one of its pages away meanwhile must find the page table.
  virtual void Hide(Region* region, TlbGather& gather) = 0;
  // Forgets the region: no translation of it is left, or its whole page table is about to go and
  // nobody uses it any more.
  virtual void Abandon(Region* region) = 0;

  // The pages [start, end) (addresses) that `region` showed are wanted no more. Their translations
  // are gone from every TLB. Shared memory keeps them.
  virtual void Forget(Region* region, std::uint64_t start, std::uint64_t end) = 0;

  // -- questions ---------------------------------------------------------------------------------
  virtual bool is_private() const { return false; }
  // Itself, if it is a page cache, which private views can be made of; else null.
  virtual FcmFile* AsFile() { return nullptr; }
  // `offset` of this Fcm, as an offset in the object that identity() names.
  virtual std::uint64_t ObjectOffset(std::uint64_t offset) const { return offset; }
  virtual FcmIdentity identity() const = 0;

 protected:
  Fcm() = default;
  ~Fcm() = default;
  virtual void Destroy() = 0;
  // While only the creator knows it.
  void BePermanent() { permanent_ = true; }
  bool permanent() const { return permanent_; }
  // False once the last reference is gone.
  bool TryAddReference() {
    if (permanent_) {
      return true;
    }
    std::uint32_t count = references_.load(std::memory_order_relaxed);
    while (count != 0) {
      if (references_.compare_exchange_weak(count, count + 1, std::memory_order_acq_rel)) {
        return true;
      }
    }
    return false;
  }

 private:
  std::atomic<std::uint32_t> references_{1};
  bool permanent_ = false;
  std::atomic<std::uint64_t> serial_{0};  // 0: not yet
};

inline std::uint64_t Fcm::Serial(std::atomic<std::uint64_t>& last) {
  std::uint64_t serial = serial_.load(std::memory_order_relaxed);
  if (serial == 0) {
    const std::uint64_t mine = last.fetch_add(1, std::memory_order_relaxed) + 1;
    serial =
        serial_.compare_exchange_strong(serial, mine, std::memory_order_relaxed) ? mine : serial;
  }
  return serial;
}

}  // namespace k42::mem
