#include "cobj/object_table.h"

#include "base/assert.h"

namespace k42::cobj {

namespace {
constexpr std::uint32_t kFirstIndex = 1;  // slot 0 stays empty: no object has it
}

Status ObjectTable::MakeSlotsEmpty(machine::CpuId cpu, std::uint32_t chunk) {
  TRY(machine::MapObjectTable(cpu, (chunk + 1) * kChunkIds));
  for (std::uint32_t i = 0; i < kChunkIds; ++i)
    SlotOf(cpu, BitsOfIndex(chunk * kChunkIds + i)).MakeEmpty();
  return Status::kOk;
}

Status ObjectTable::AddCpu(machine::CpuId cpu) {
  for (std::uint32_t chunk = 0; chunk < chunks(); ++chunk) TRY(MakeSlotsEmpty(cpu, chunk));
  (void)cpus_.Add(cpu);
  return Status::kOk;
}

Result<std::uint32_t> ObjectTable::TakeNumber() {
  const machine::SpinGuard guard(chunk_lock_);
  if (unfinished_count_ != 0) {
    const std::size_t number = unfinished_.FindSet();
    unfinished_.Clear(number);
    --unfinished_count_;
    return static_cast<std::uint32_t>(number);
  }
  const std::uint32_t number = chunks();
  if (number == kMaxChunks)
    return Status::kLimitExceeded;
  chunk_count_.store(number + 1, std::memory_order_relaxed);
  return number;
}

void ObjectTable::ReturnNumber(std::uint32_t number) {
  const machine::SpinGuard guard(chunk_lock_);
  unfinished_.Set(number);
  ++unfinished_count_;
}

// Its slots are made on every CPU before any id is known.
Status ObjectTable::MakeChunk(std::uint32_t number) {
  for (machine::CpuId cpu = 0; cpu < machine::kMaxCpus; ++cpu) {
    if (cpus_.Contains(cpu))
      TRY(MakeSlotsEmpty(cpu, number));
  }
  Chunk* const chunk = TRY(allocator_->Make<Chunk>());
  chunks_[number].store(chunk, std::memory_order_release);
  return Status::kOk;
}

// The new chunk's ids all go to this CPU.
Status ObjectTable::Grow() {
  const std::uint32_t number = TRY(TakeNumber());
  const Status made = MakeChunk(number);
  if (made != Status::kOk) {
    ReturnNumber(number);
    return made;
  }
  FreeIds& free = free_[machine::CurrentCpu()];
  for (std::uint32_t i = kChunkIds; i-- > 0;) {
    const std::uint32_t index = number * kChunkIds + i;
    if (index < kFirstIndex)
      continue;
    EntryOf(index).next = free.first;
    free.first = index;
    ++free.count;
  }
  return Status::kOk;
}

// kBatch ids of the front of a list that has more.
void ObjectTable::GiveChain(FreeIds& free) {
  const std::uint32_t first = free.first;
  std::uint32_t last = first;
  for (std::uint32_t i = 1; i < kBatch; ++i) last = EntryOf(last).next;
  free.first = EntryOf(last).next;
  free.count -= kBatch;
  EntryOf(last).next = kNoIndex;
  Entry& entry = EntryOf(first);
  const machine::SpinGuard guard(chunk_lock_);
  entry.chain = shared_;
  shared_ = first;
}

// Into an empty list, if there is one.
void ObjectTable::TakeChain(FreeIds& free) {
  const machine::SpinGuard guard(chunk_lock_);
  if (shared_ == kNoIndex)
    return;
  free = {shared_, kBatch};
  shared_ = EntryOf(shared_).chain;
}

Result<RefBits> ObjectTable::Allocate() {
  FreeIds& free = free_[machine::CurrentCpu()];
  if (free.first == kNoIndex)
    TakeChain(free);
  if (free.first == kNoIndex)
    TRY(Grow());
  const std::uint32_t index = free.first;
  free.first = EntryOf(index).next;
  --free.count;
  return BitsOfIndex(index);
}

void ObjectTable::Free(RefBits bits) {
  FreeIds& free = free_[machine::CurrentCpu()];
  K42_DCHECK(gate(bits).Peek() == nullptr, "the object must be gone");
  link(bits) = free.first;
  free.first = IndexOfBits(bits);
  if (++free.count > kMostFree)
    GiveChain(free);
}

bool ObjectTable::Knows(RefBits bits) const {
  const std::uint64_t offset = std::uint64_t{bits} - machine::kObjectTableOffset;
  if (bits < machine::kObjectTableOffset || offset % sizeof(Slot) != 0)
    return false;
  const std::uint32_t index = IndexOfBits(bits);
  return index / kChunkIds < kMaxChunks &&
         chunks_[index / kChunkIds].load(std::memory_order_acquire) != nullptr;
}

Root* ObjectTable::Peek(RefBits bits) const {
  if (!Knows(bits))
    return nullptr;
  const std::uint32_t index = IndexOfBits(bits);
  const Chunk* chunk = chunks_[index / kChunkIds].load(std::memory_order_acquire);
  return chunk->entry[index % kChunkIds].gate.Peek();
}

}  // namespace k42::cobj
