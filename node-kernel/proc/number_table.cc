#include "proc/number_table.h"

namespace k42::proc {

NumberTable::~NumberTable() {
  for (Chunk* chunk : chunks_) {
    if (chunk != nullptr)
      allocator_.Destroy(chunk);
  }
}

std::uint32_t NumberTable::ChunkWithRoom(std::uint32_t from) const {
  const std::size_t found = full_.FindClear(from);
  return static_cast<std::uint32_t>(found < limit_ / kChunk ? found : full_.FindClear());
}

Result<std::uint32_t> NumberTable::Take(Task* task, bool is_thread) {
  if (used_ >= limit_ / 2 && limit_ < kMax)
    limit_ *= 2;
  if (used_ + kFirst >= limit_)
    return Status::kLimitExceeded;
  std::uint32_t& next = turns_[machine::CurrentCpu()].next;
  if (next % kTurn != 0 && Find(next).task == nullptr)
    return PutAt(next++, task, is_thread);  // the chunk was made when the turn began
  if (next != 0)
    ClearIfEmpty((next - 1) / kChunk);
  std::uint32_t number = last_ + 1 < limit_ ? last_ + 1 : kFirst;
  // Each turn but the first begins a chunk that has room; the first may have room below `number`
  // only.
  for (;; number = ChunkWithRoom(number / kChunk + 1) * kChunk) {
    if (full_.Test(number / kChunk))
      continue;
    Chunk*& chunk = chunks_[number / kChunk];
    if (chunk == nullptr) {
      chunk = TRY(allocator_.Make<Chunk>());
      chunk->count = number < kChunk ? kFirst : 0;  // what is below the first number is never free
    }
    std::uint32_t within = number < kFirst ? kFirst : number % kChunk;
    while (within < kChunk && chunk->slots[within].task != nullptr) ++within;
    if (within == kChunk)
      continue;
    number = number / kChunk * kChunk + within;
    last_ = number | (kTurn - 1);
    next = number + 1;
    return PutAt(number, task, is_thread);
  }
}

// What says something of all chunks is written only if that changes.
std::uint32_t NumberTable::PutAt(std::uint32_t number, Task* task, bool is_thread) {
  const std::uint32_t index = number / kChunk;
  const Kind kind = KindOf(is_thread);
  Chunk& chunk = *chunks_[index];
  chunk.slots[number % kChunk] = {task, is_thread};
  chunk.used[kind].Set(number % kChunk);
  if (!occupied_[kind].Test(index))
    occupied_[kind].Set(index);
  if (++chunk.count == kChunk)
    full_.Set(index);
  ++used_;
  return number;
}

void NumberTable::Free(std::uint32_t number) {
  Chunk& chunk = *chunks_[number / kChunk];
  Slot& slot = chunk.slots[number % kChunk];
  const Kind kind = KindOf(slot.is_thread);
  slot = {};
  chunk.used[kind].Clear(number % kChunk);
  const std::uint32_t next = turns_[machine::CurrentCpu()].next;
  if (next == 0 || (next - 1) / kChunk != number / kChunk)
    ClearIfEmpty(number / kChunk);
  if (chunk.count-- == kChunk)
    full_.Clear(number / kChunk);
  --used_;
}

void NumberTable::ClearIfEmpty(std::uint32_t index) {
  for (const Kind kind : {kTask, kThread}) {
    if (occupied_[kind].Test(index) && chunks_[index]->used[kind].FindSet() == BitmapView::kNone)
      occupied_[kind].Clear(index);
  }
}

NumberTable::Slot NumberTable::Find(std::uint32_t number) const {
  if (number >= kMax || chunks_[number / kChunk] == nullptr)
    return {};
  return chunks_[number / kChunk]->slots[number % kChunk];
}

std::uint32_t NumberTable::Next(std::uint32_t after, bool is_thread) const {
  const Kind kind = KindOf(is_thread);
  std::size_t chunk = (after + 1) / kChunk;
  std::size_t within = (after + 1) % kChunk;
  const BitmapView occupied = occupied_[kind].First(limit_ / kChunk);
  while ((chunk = occupied.FindSet(chunk)) != BitmapView::kNone) {
    if (chunk != (after + 1) / kChunk)
      within = 0;
    const std::size_t found = chunks_[chunk]->used[kind].FindSet(within);
    if (found != Bitmap<kChunk>::kNone)
      return static_cast<std::uint32_t>(chunk * kChunk + found);
    ++chunk;
  }
  return 0;
}

}  // namespace k42::proc
