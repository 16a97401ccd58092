// Fcm (K42: file cache manager): the memory behind regions. It owns the pages, knows every region
// that shows them, and is the only one that puts them into or takes them out of page tables.
//
//   FcmPrivate  memory of one address space: zero-filled, or a copy-on-write view of another Fcm
//   FcmFile     one file's page cache; or, without a FileRepresentative, shared anonymous memory
//   FcmPinned   a few pages that the kernel shares with user space
//
// A page is named by its offset in the Fcm (bytes, page aligned).
//
// Life: counted references (regions, creators, private views of it). The last DropReference
// destroys it; that may wait for shoot-downs, so it is called in thread context with no lock held.
//
// Locking: each Fcm has one spin lock of its own, held while page tables are changed for its pages,
// so that mapping and unmapping a page cannot pass each other. An FcmPrivate's lock is taken inside
// the lock of the Fcm it is a view of. Nothing waits under these locks: what must wait for other
// CPUs or for frames' last users goes into a TlbGather, finished after the locks are dropped.
#pragma once

#include <atomic>
#include <cstdint>

#include "mem/types.h"

namespace k42::mem {

class AddressSpace;
class Region;
class TlbGather;

// One fault, on its way down.
struct FaultRequest {
  Region* region;
  std::uint64_t address;  // page aligned
  Access access;
  FaultWaiter* waiter;  // null: answer kWouldBlock rather than wait
};

// What a word in shared memory is called by everybody who maps it (shared futexes).
struct WordKey {
  const void* object = nullptr;
  std::uint64_t offset = 0;
  friend bool operator==(const WordKey&, const WordKey&) = default;
};

// For /proc/self/maps; zero where it has no meaning.
struct FcmIdentity {
  std::uint64_t device = 0;
  std::uint64_t node = 0;
};

class Fcm {
 public:
  Fcm(const Fcm&) = delete;
  Fcm& operator=(const Fcm&) = delete;

  void AddReference() { references_.fetch_add(1, std::memory_order_relaxed); }
  void DropReference() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      Destroy();
    }
  }

  // Makes the page at request.address accessible in the region's address space. Answers: types.h.
  virtual Status MapPage(const FaultRequest& request, TlbGather& gather) = 0;

  // The region shows [offset, offset + size) of this Fcm from now on (until Detach). Region bounds
  // and protection change only through EditRegion while attached.
  virtual void Attach(Region* region) = 0;
  virtual void Detach(Region* region, TlbGather& gather) = 0;
  struct RegionShape {
    std::uint64_t start, end, offset;
    Protection protection;
  };
  // Takes what leaves the region's bounds, or its protection, out of the page table.
  virtual void EditRegion(Region* region, const RegionShape& shape, TlbGather& gather) = 0;

  // The Fcm that the copy of `region` in a forked address space shall show, with a reference for
  // it: this one for shared memory. FcmPrivate: see there.
  virtual Result<Fcm*> ForkCopy(AddressSpace& child) = 0;

  // Forgets the contents of the region's pages [start, end) where that has a meaning (private
  // memory reads as zero, or as the file, afterwards).
  virtual void DropPages(Region* region, std::uint64_t start, std::uint64_t end,
                         TlbGather& gather) = 0;

  // Copies within one page, whether or not it is mapped. kPending / kWouldBlock as MapPage.
  virtual Status CopyFromPage(const FaultRequest& request, void* to, std::uint32_t offset_in_page,
                              std::uint32_t size) = 0;
  virtual Status CopyToPage(const FaultRequest& request, const void* from,
                            std::uint32_t offset_in_page, std::uint32_t size,
                            TlbGather& gather) = 0;

  virtual std::uint64_t Size() const = 0;
  virtual Status Resize(std::uint64_t size) = 0;
  virtual bool is_private() const { return false; }
  virtual FcmIdentity identity() const { return {}; }

 protected:
  Fcm() = default;
  ~Fcm() = default;
  virtual void Destroy() = 0;
  std::uint32_t references() const { return references_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> references_{1};
};

}  // namespace k42::mem
