#include "mem/debug_heap.h"

#include <algorithm>
#include <cstring>

#include "machine/call_chain.h"
#include "machine/cpu.h"
#include "machine/log.h"
#include "mem/heap.h"

namespace k42::mem {

using machine::SpinGuard;

namespace {

// Of debug kernels only, and counted nowhere else.
constexpr machine::HoldReason kRecord{20000,
                                      "a block's record is found, or a frame for records made"};
constexpr machine::HoldReason kBucket{20000, "the records of one bucket"};

// The call chain from `caller` on, which is a return address in it; ends with zeros if it is short.
// (Counting the frames between would be wrong wherever a call was made as a jump.)
void TakeChain(const void* caller, std::uint64_t (&chain)[DebugHeap::kDepth]) {
  constexpr std::size_t kBetween = 6;
  std::uint64_t all[DebugHeap::kDepth + kBetween];
  const std::size_t count = machine::CaptureCallChain(all, 0);
  const std::uint64_t* end = all + count;
  const std::uint64_t* begin = std::find(all, all + count, reinterpret_cast<std::uint64_t>(caller));
  if (begin == end) {
    begin = all;
  }
  for (std::uint64_t& place : chain) {
    place = begin != end ? *begin++ : 0;
  }
}

}  // namespace

std::size_t DebugHeap::BucketOf(const void* block) {
  static_assert(kBuckets == 1 << 12);
  return (reinterpret_cast<std::uint64_t>(block) >> 4) * 0x9e3779b97f4a7c15ull >> (64 - 12);
}

DebugHeap::Record* DebugHeap::FindLocked(const void* block) {
  Record* record = buckets_[BucketOf(block)];
  while (record != nullptr && record->block != block) {
    record = record->next;
  }
  return record;
}

DebugHeap::Record* DebugHeap::NewRecordLocked() {
  Frame* frame = with_room_.Front();
  if (frame == nullptr) {
    const Result<Frame*> made = frames_.Allocate(FramePurpose::kProgress);
    if (!made.ok()) {
      return nullptr;
    }
    CountRecordFrames(1);
    frame = made.value();
    frame->slab = {nullptr, 0};
    auto* records = FrameAllocator::Data<Record>(frame);
    for (std::size_t i = 0; i < kPageSize / sizeof(Record); ++i) {
      records[i].next = static_cast<Record*>(frame->slab.free);
      frame->slab.free = &records[i];
    }
    with_room_.PushFront(frame);
  }
  auto* record = static_cast<Record*>(frame->slab.free);
  frame->slab.free = record->next;
  ++frame->slab.used;
  if (record->next == nullptr) {
    frame->Unlink();
  }
  return record;
}

// A frame whose records are all free goes back, unless it is the only one with room.
void DebugHeap::FreeRecordLocked(Record* record) {
  Frame* frame = frames_.FrameOf(
      static_cast<PhysAddr>(reinterpret_cast<char*>(record) - machine::PhysToVirt<char>(0)));
  if (frame->slab.free == nullptr) {
    with_room_.PushFront(frame);
  }
  record->next = static_cast<Record*>(frame->slab.free);
  frame->slab.free = record;
  if (--frame->slab.used == 0 && with_room_.Front() != with_room_.Back()) {
    frame->Unlink();
    CountRecordFrames(-1);
    frames_.DropReference(frame);
  }
}

void DebugHeap::CountRecordFrames(int by) {
  record_frames_.store(record_frames() + static_cast<std::uint64_t>(by), std::memory_order_relaxed);
}

void* DebugHeap::Allocate(std::size_t size, std::size_t align) {
  if (frames_.failures().ShouldFail()) {
    return nullptr;
  }
  void* block = heap_.Allocate(size, align);
  if (block == nullptr) {
    EmptyQuarantine();
    block = heap_.Allocate(size, align);
  }
  return Enter(block, size, false, __builtin_return_address(0));
}

void* DebugHeap::AllocateLocal(std::size_t size, std::size_t align) {
  if (frames_.failures().ShouldFail()) {
    return nullptr;
  }
  void* block = heap_.AllocateLocal(size, align);
  if (block == nullptr) {
    EmptyQuarantine();
    block = heap_.AllocateLocal(size, align);
  }
  return Enter(block, size, true, __builtin_return_address(0));
}

void* DebugHeap::Enter(void* block, std::size_t size, bool local, const void* caller) {
  if (block == nullptr) {
    return nullptr;
  }
  const machine::UncountedWork uncounted;
  std::uint64_t chain[kDepth];
  TakeChain(caller, chain);
  bool entered = false;
  {
    const SpinGuard guard(lock_, kRecord);
    if (Record* record = NewRecordLocked()) {
      Record*& bucket = buckets_[BucketOf(block)];
      *record = {bucket,
                 static_cast<unsigned char*>(block),
                 size,
                 births_.fetch_add(1, std::memory_order_relaxed),
                 machine::CurrentCpu(),
                 local,
                 false,
                 {},
                 {}};
      std::copy(std::begin(chain), std::end(chain), record->allocated_by);
      bucket = record;
      entered = true;
    }
  }
  if (!entered) {
    heap_.Free(block, size);
    return nullptr;
  }
  std::memset(block, kFreshFill, size);  // nobody else has it yet, and it may be large
  return block;
}

void DebugHeap::Free(void* block, std::size_t size) {
  if (block == nullptr) {
    return;
  }
  const machine::UncountedWork uncounted;  // the heap's own part, too: it is a few instructions
  std::uint64_t chain[kDepth];
  TakeChain(__builtin_return_address(0), chain);
  Record* record = nullptr;
  bool twice = false;
  {
    const SpinGuard guard(lock_, kRecord);
    record = FindLocked(block);
    twice = record != nullptr && record->resting;
    if (record != nullptr && !twice) {
      record->resting = true;
      std::copy(std::begin(chain), std::end(chain), record->freed_by);
    }
  }
  if (record == nullptr) {
    Explain(block);
    machine::Panic("free of {x}, which is no block of the heap",
                   reinterpret_cast<std::uint64_t>(block));
  }
  if (twice) {
    Die(*record, "freed twice");
  }
  if (record->size != size) {
    machine::Log("freed with size {}", size);
    Die(*record, "freed in another size than it was allocated");
  }
  const machine::CpuId cpu = machine::CurrentCpu();
  if (record->local && record->home != cpu) {
    Die(*record, "strictly local, and freed on another CPU");
  }
  if (size > Heap::kLargest) {
    Leave(record);
    return;
  }
  std::memset(block, kFreeFill, size);
  Quarantine& quarantine = quarantines_[cpu];
  Record*& place = quarantine.records[quarantine.next];
  quarantine.next = (quarantine.next + 1) % kResting;
  Record* oldest = place;
  place = record;
  if (oldest != nullptr) {
    Leave(oldest);
  }
}

void DebugHeap::EmptyQuarantine() {
  const machine::UncountedWork uncounted;
  Quarantine& quarantine = quarantines_[machine::CurrentCpu()];
  for (Record*& place : quarantine.records) {
    if (Record* record = place) {
      place = nullptr;
      Leave(record);
    }
  }
}

// The end of a block: looks at what was done to it since it was freed, and gives it back.
void DebugHeap::Leave(Record* record) {
  unsigned char* block = record->block;
  const std::uint64_t size = record->size;
  if (size <= Heap::kLargest) {
    const unsigned char* end = block + size;
    const unsigned char* written =
        std::find_if(block, block + size, [](unsigned char byte) { return byte != kFreeFill; });
    if (written != end) {
      machine::Log("byte {} of {} is {x}", static_cast<std::uint64_t>(written - block), size,
                   *written);
      Die(*record, "written after it was freed");
    }
  }
  {
    const SpinGuard guard(lock_, kRecord);
    Record** link = &buckets_[BucketOf(block)];
    while (*link != record) {
      link = &(*link)->next;
    }
    *link = record->next;
    FreeRecordLocked(record);
  }
  heap_.Free(block, size);
}

DebugHeap::Count DebugHeap::LiveSince(std::uint64_t mark) {
  Count count;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const SpinGuard guard(lock_, kBucket);
    for (const Record* record = buckets_[i]; record != nullptr; record = record->next) {
      if (!record->resting && record->birth >= mark) {
        ++count.blocks;
        count.bytes += record->size;
      }
    }
  }
  return count;
}

DebugHeap::Count DebugHeap::LogLeaks(std::uint64_t mark, std::size_t chains) {
  Count all;
  std::size_t sites = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const SpinGuard guard(lock_, kBucket);
    for (const Record* record = buckets_[i]; record != nullptr; record = record->next) {
      if (record->resting || record->birth < mark) {
        continue;
      }
      ++all.blocks;
      all.bytes += record->size;
      Site* site = std::find_if(sites_, sites_ + sites, [&](const Site& known) {
        return std::equal(std::begin(known.chain), std::end(known.chain), record->allocated_by);
      });
      if (site == sites_ + sites) {
        if (sites == kMostSites) {
          continue;
        }
        ++sites;
        site->count = {};
        std::copy(std::begin(record->allocated_by), std::end(record->allocated_by), site->chain);
      }
      ++site->count.blocks;
      site->count.bytes += record->size;
    }
  }
  std::sort(sites_, sites_ + sites,
            [](const Site& a, const Site& b) { return a.count.blocks > b.count.blocks; });
  for (std::size_t i = 0; i < sites && i < chains; ++i) {
    machine::Log("leak: {} blocks, {} bytes", sites_[i].count.blocks, sites_[i].count.bytes);
    LogChain(sites_[i].chain, "allocated");
  }
  return all;
}

bool DebugHeap::Explain(const void* address) {
  for (std::size_t i = 0; i < kBuckets; ++i) {
    Record copy;
    bool found = false;
    {
      const SpinGuard guard(lock_, kBucket);
      for (const Record* record = buckets_[i]; record != nullptr && !found; record = record->next) {
        found = address >= record->block && address < record->block + record->size;
        if (found) {
          copy = *record;
        }
      }
    }
    if (found) {
      machine::Log("{x} is in the block of {} bytes at {x}, {}",
                   reinterpret_cast<std::uint64_t>(address), copy.size,
                   reinterpret_cast<std::uint64_t>(copy.block), copy.resting ? "freed" : "in use");
      LogChain(copy.allocated_by, "allocated");
      if (copy.resting) {
        LogChain(copy.freed_by, "freed");
      }
      return true;
    }
  }
  return false;
}

void DebugHeap::LogChain(const std::uint64_t* chain, const char* title) {
  for (std::size_t i = 0; i < kDepth && chain[i] != 0; ++i) {
    const machine::CodePlace place = machine::PlaceOfCall(chain[i]);
    machine::Log("  {} {x16} {}+{x}", i == 0 ? title : "  from", chain[i], place.name,
                 place.offset);
  }
}

void DebugHeap::Die(const Record& record, const char* what) {
  machine::Log("heap block of {} bytes at {x}: {}", record.size,
               reinterpret_cast<std::uint64_t>(record.block), what);
  LogChain(record.allocated_by, "allocated");
  if (record.resting) {
    LogChain(record.freed_by, "freed");
  }
  machine::Panic("heap block {}", what);
}

}  // namespace k42::mem
