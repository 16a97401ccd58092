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
      ++chunk->used;
      ++used_;
      return last_;
    }
  }
  return Status::kLimitExceeded;
}

void NumberTable::Free(std::uint32_t number) {
  Chunk& chunk = *chunks_[number / kChunk];
  chunk.slots[number % kChunk] = {};
  --chunk.used;
  --used_;
}

NumberTable::Slot NumberTable::Find(std::uint32_t number) const {
  if (number >= kMax || chunks_[number / kChunk] == nullptr)
    return {};
  return chunks_[number / kChunk]->slots[number % kChunk];
}

std::uint32_t NumberTable::Next(std::uint32_t after, bool is_thread) const {
  for (std::uint32_t number = after + 1; number < kMax; ++number) {
    const Chunk* chunk = chunks_[number / kChunk];
    if (chunk == nullptr || chunk->used == 0) {
      number |= kChunk - 1;
      continue;
    }
    const Slot& slot = chunk->slots[number % kChunk];
    if (slot.task != nullptr && slot.is_thread == is_thread)
      return number;
  }
  return 0;
}

}  // namespace k42::proc
