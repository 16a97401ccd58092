#include "proc/number_table.h"

namespace k42::proc {

NumberTable::~NumberTable() {
  for (Chunk* chunk : chunks_) {
    if (chunk != nullptr)
      allocator_.Destroy(chunk);
  }
}

Result<std::uint32_t> NumberTable::Take(Task* task, bool is_thread) {
  for (std::uint32_t tries = 0; tries < kMax; ++tries) {
    last_ = last_ + 1 < kMax ? last_ + 1 : kFirst;
    Chunk*& chunk = chunks_[last_ / kChunk];
    if (chunk == nullptr)
      chunk = TRY(allocator_.Make<Chunk>());
    Slot& slot = chunk->slots[last_ % kChunk];
    if (slot.task == nullptr) {
      slot = {task, is_thread};
      chunk->used[KindOf(is_thread)].Set(last_ % kChunk);
      occupied_[KindOf(is_thread)].Set(last_ / kChunk);
      ++used_;
      return last_;
    }
  }
  return Status::kLimitExceeded;
}

void NumberTable::Free(std::uint32_t number) {
  Chunk& chunk = *chunks_[number / kChunk];
  Slot& slot = chunk.slots[number % kChunk];
  const Kind kind = KindOf(slot.is_thread);
  slot = {};
  chunk.used[kind].Clear(number % kChunk);
  if (chunk.used[kind].FindSet() == Bitmap<kChunk>::kNone)
    occupied_[kind].Clear(number / kChunk);
  --used_;
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
  while ((chunk = occupied_[kind].FindSet(chunk)) != Bitmap<kChunks>::kNone) {
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
