#include "proc/number_table.h"

namespace k42::proc {

using machine::SpinGuard;

namespace {

constexpr machine::HoldReason kSearch{1500, "128 words that say which chunks are full"};

template <typename T>
void AddTo(std::atomic<T>& own) {  // a word that one CPU writes
  own.store(own.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

NumberTable::~NumberTable() {
  for (std::atomic<Chunk*>& chunk : chunks_) {
    if (Chunk* made = chunk.load())
      allocator_.Destroy(made);
  }
}

void NumberTable::PassFirst() {
  SpinGuard guard(lock_);
  if (begin_ == kFirst)
    begin_ = kFirst + 1;
}

void NumberTable::Assign(Word* words, std::uint32_t index, bool set) {
  Word& word = words[index / 64];
  const std::uint64_t old = word.load(std::memory_order_relaxed);
  const std::uint64_t bit = std::uint64_t{1} << (index % 64);
  if (((old & bit) != 0) != set)
    word.store(old ^ bit, std::memory_order_release);
}

void NumberTable::SettleLocked(std::uint32_t index) {
  const Chunk& chunk = *chunks_[index].load(std::memory_order_relaxed);
  const std::uint32_t used = chunk.used.load();
  Assign(full_, index, used == kFull);
  Assign(occupied_, index,
         used != Empty(index) || chunk.turns.load(std::memory_order_relaxed) != 0);
}

void NumberTable::Settle(std::uint32_t index) {
  SpinGuard guard(lock_);
  SettleLocked(index);
}

Result<NumberTable::Chunk*> NumberTable::ChunkAt(std::uint32_t index) {
  Chunk* chunk = chunks_[index].load(std::memory_order_acquire);
  if (chunk != nullptr)
    return chunk;
  chunk = TRY(allocator_.Make<Chunk>());
  chunk->used.store(Empty(index), std::memory_order_relaxed);
  Chunk* other = nullptr;
  if (chunks_[index].compare_exchange_strong(other, chunk, std::memory_order_acq_rel))
    return chunk;
  allocator_.Destroy(chunk);
  return other;
}

std::uint32_t NumberTable::used() const {
  std::uint32_t used = 0;
  for (const Turn& turn : turns_) {
    used += turn.taken.load(std::memory_order_relaxed);
    used -= turn.freed.load(std::memory_order_relaxed);
  }
  return used;
}

bool NumberTable::IsScarce() const {
  return limit() == kMax && used() >= kMax - kKept;
}

void NumberTable::GrowIfHalfUsed() {
  std::uint32_t old = limit();
  if (used() >= old / 2 && old < kMax)
    (void)limit_.compare_exchange_strong(old, old * 2);
}

std::uint32_t NumberTable::PlaceOfTurn() {
  const std::uint32_t words = limit() / kChunk / 64;
  if (begin_ >= limit())
    begin_ = kFirst;
  const std::uint32_t first = begin_ / kChunk;
  // The first word is looked at twice: what is below the beginning comes last.
  for (std::uint32_t step = 0; step <= words; ++step) {
    const std::uint32_t word = (first / 64 + step) % words;
    std::uint64_t room = ~full_[word].load(std::memory_order_relaxed);
    if (step == 0)
      room &= ~std::uint64_t{0} << (first % 64);
    if (room == 0)
      continue;
    const std::uint32_t index = word * 64 + static_cast<std::uint32_t>(std::countr_zero(room));
    const std::uint32_t from = index == first ? begin_ : index * kChunk;
    begin_ = (index + 1) * kChunk;
    return from < kFirst ? kFirst : from;
  }
  return 0;
}

Status NumberTable::BeginTurn() {
  GrowIfHalfUsed();
  std::uint32_t from = 0;
  {
    SpinGuard guard(lock_, kSearch);
    from = PlaceOfTurn();
  }
  if (from == 0)
    return Status::kLimitExceeded;
  Chunk* chunk = TRY(ChunkAt(from / kChunk));
  Turn& turn = turns_[machine::CurrentCpu()];
  if (turn.is_running)
    return Status::kOk;  // another thread began one while this one asked for memory
  {
    SpinGuard guard(lock_);
    chunk->turns.fetch_add(1);
    SettleLocked(from / kChunk);
  }
  turn.next = from;
  turn.is_running = true;
  return Status::kOk;
}

void NumberTable::EndTurn() {
  Turn& turn = turns_[machine::CurrentCpu()];
  turn.is_running = false;
  const std::uint32_t index = (turn.next - 1) / kChunk;
  SpinGuard guard(lock_);
  chunks_[index].load(std::memory_order_relaxed)->turns.fetch_sub(1);
  SettleLocked(index);
}

std::uint32_t NumberTable::TakeFrom(std::uint32_t index, std::uint32_t from) {
  Chunk& chunk = *chunks_[index].load(std::memory_order_relaxed);
  std::uint32_t used = chunk.used.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint32_t room = ~used & ~0u << (from % kChunk);
    if (room == 0)
      return 0;
    const std::uint32_t bit = room & (0u - room);
    if (!chunk.used.compare_exchange_weak(used, used | bit))
      continue;  // somebody freed one
    if ((used | bit) == kFull)
      Settle(index);
    return index * kChunk + static_cast<std::uint32_t>(std::countr_zero(bit));
  }
}

Result<std::uint32_t> NumberTable::Reserve() {
  Turn& turn = turns_[machine::CurrentCpu()];
  for (;;) {
    if (!turn.is_running)
      TRY(BeginTurn());
    // The number before `next` is in the turn's chunk, except when the turn has just begun.
    const std::uint32_t index = turn.next / kChunk;
    if (const std::uint32_t number = TakeFrom(index, turn.next)) {
      turn.next = number + 1;
      AddTo(turn.taken);
      if (turn.next % kChunk == 0)
        EndTurn();
      return number;
    }
    turn.next = (index + 1) * kChunk;
    EndTurn();
  }
}

void NumberTable::Publish(std::uint32_t number, Task* task, bool is_thread) {
  Chunk& chunk = *chunks_[number / kChunk].load(std::memory_order_relaxed);
  if (is_thread)
    chunk.threads.fetch_or(1u << (number % kChunk), std::memory_order_relaxed);
  chunk.slots[number % kChunk].store(reinterpret_cast<std::uintptr_t>(task) |
                                     (is_thread ? kThread : 0));
}

void NumberTable::Withdraw(std::uint32_t number) {
  Chunk& chunk = *chunks_[number / kChunk].load(std::memory_order_relaxed);
  std::atomic<std::uintptr_t>& slot = chunk.slots[number % kChunk];
  if ((slot.load(std::memory_order_relaxed) & kThread) != 0)
    chunk.threads.fetch_and(~(1u << (number % kChunk)), std::memory_order_relaxed);
  slot.store(0, std::memory_order_release);
}

void NumberTable::Free(std::uint32_t number) {
  Withdraw(number);
  const std::uint32_t index = number / kChunk;
  Chunk& chunk = *chunks_[index].load(std::memory_order_relaxed);
  const std::uint32_t bit = 1u << (number % kChunk);
  AddTo(turns_[machine::CurrentCpu()].freed);
  const std::uint32_t old = chunk.used.fetch_and(~bit);
  // The turn's end looks at the numbers after it has taken the turn away.
  if (old == kFull || ((old & ~bit) == Empty(index) && chunk.turns.load() == 0))
    Settle(index);
}

NumberTable::Slot NumberTable::Find(std::uint32_t number) const {
  const Chunk* chunk =
      number < kMax ? chunks_[number / kChunk].load(std::memory_order_acquire) : nullptr;
  if (chunk == nullptr)
    return {};
  const std::uintptr_t word = chunk->slots[number % kChunk].load();
  return {reinterpret_cast<Task*>(word & ~kThread), (word & kThread) != 0};
}

std::uint32_t NumberTable::Next(std::uint32_t after, bool is_thread) const {
  const std::uint32_t chunks = limit() / kChunk;
  std::uint32_t index = (after + 1) / kChunk;
  std::uint32_t within = (after + 1) % kChunk;
  while (index < chunks) {
    const std::uint64_t rest =
        occupied_[index / 64].load(std::memory_order_acquire) >> (index % 64);
    const Chunk* chunk = (rest & 1) != 0 ? chunks_[index].load(std::memory_order_acquire) : nullptr;
    if (chunk != nullptr) {
      const std::uint32_t threads = chunk->threads.load(std::memory_order_acquire);
      std::uint32_t bits = chunk->used.load() & (is_thread ? threads : ~threads);
      for (bits &= ~0u << within; bits != 0; bits &= bits - 1) {
        const auto bit = static_cast<std::uint32_t>(std::countr_zero(bits));
        const Slot slot = Find(index * kChunk + bit);
        if (slot.task != nullptr && slot.is_thread == is_thread)
          return index * kChunk + bit;
      }
    }
    within = 0;
    index += rest > 1 ? 1 : 64 - index % 64;  // the rest of the word is empty
  }
  return 0;
}

}  // namespace k42::proc
