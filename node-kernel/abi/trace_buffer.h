// EventBuffer: the trace records of one CPU, or of one dispatcher of a process. Whatever runs there
// may write at any time, interrupt handlers included: no lock, no interrupt masking. Others read.
//
// The ring is kBlocks blocks of kBlockBytes. `state` counts what was ever reserved: events in its
// upper half, bytes in its lower one, both modulo 2^32. A writer reserves by one compare-and-swap
// of `state`, reading the time anew before each try, so that times do not go back along the buffer;
// then it writes its words, and adds their number to the block's commit count. A record never
// crosses a block's end: the writer that does not fit fills the rest and begins the next block with
// a kBlockStart record, which carries the number of the event that follows.
//
// What a reader may believe (trace_reader.h):
//   - A block of lap L (0, 1, ...) is whole up to byte E when its commit count, read first, is
//     L * kBlockBytes + E for the E that `state`, read afterwards, reserves: the sum of what is
//     committed cannot exceed what is reserved, so equality means that nothing is missing.
//   - It was not overwritten meanwhile if `state` still reserves nothing of the next lap.
//   - An event's number is its place among all that were ever written, so a gap is counted exactly.
// A block is not begun over one whose writers have not all committed (one was stopped half-way
// while a whole ring went by): the event is dropped, and counted in `dropped`.
//
// `events` and `position` extend the halves of `state` to 64 bits. They are written after it, at
// each new block, and may be behind: whoever reads one reads it before `state`.
// `Atomic` is a parameter for the interleaving tests; real buffers use machine::LocalAtomic.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "abi/trace_event.h"

namespace k42::trace {

// Where a reader finds the head's words, in bytes from the buffer's start.
inline constexpr std::uint32_t kStateAt = 0;
inline constexpr std::uint32_t kEventsAt = 8;
inline constexpr std::uint32_t kPositionAt = 16;
inline constexpr std::uint32_t kDroppedAt = 24;
inline constexpr std::uint32_t kContextAt = 32;
inline constexpr std::uint32_t kCommittedAt = 64;
inline constexpr std::uint32_t kMaxBlocks = 64;

// Header, time, number of the next event, context.
inline constexpr std::uint32_t kStartWords = 4;
inline constexpr std::uint16_t kBlockStartNumber = 0;
inline constexpr std::uint16_t kFillerNumber = 1;

// The 64-bit number whose lower half is `low`, and which is less than 2^32 above `hint`.
constexpr std::uint64_t Extend(std::uint64_t hint, std::uint32_t low) {
  return hint + static_cast<std::uint32_t>(low - static_cast<std::uint32_t>(hint));
}

// Zeroed memory is an empty buffer.
template <template <typename> typename Atomic, std::uint32_t kBlockBytesIn, std::uint32_t kBlocksIn>
class EventBuffer {
 public:
  static constexpr std::uint32_t kBlockBytes = kBlockBytesIn;
  static constexpr std::uint32_t kBlocks = kBlocksIn;
  static constexpr std::uint32_t kRingBytes = kBlockBytes * kBlocks;
  static constexpr std::uint32_t kHeadBytes =
      kRingBytes >= 4096 ? 4096 : kCommittedAt + kBlocks * 8;
  static_assert((kBlockBytes & (kBlockBytes - 1)) == 0 && (kBlocks & (kBlocks - 1)) == 0);
  static_assert(kBlockBytes > 8 * (kStartWords + kRecordWords + kMaxArguments));
  static_assert(kBlocks >= 2 && kBlocks <= kMaxBlocks && kBlockBytes / 8 <= 0xfff);

  // `now()`: the time. Where it fits into the block, which is nearly always, 17 instructions and
  // one for each argument.
  template <typename Clock, typename... Args>
  [[gnu::always_inline]] void Write(std::uint32_t header, Clock now, Args... args) {
    constexpr std::uint32_t kBytes = 8 * (kRecordWords + sizeof...(Args));
    std::uint64_t old = state_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint64_t time = now();
      // Not at a block's start, and something is left of the block afterwards.
      if (((static_cast<std::uint32_t>(old) - 1) & (kBlockBytes - 1)) > kBlockBytes - 2 - kBytes)
          [[unlikely]] {
        const std::uint64_t list[] = {args..., 0};
        return WriteSlowly(header, std::span(list, sizeof...(Args)), now);
      }
      std::uint64_t found = old;
      if (state_.compare_exchange_strong(found, old + (kOneEvent | kBytes),
                                         std::memory_order_relaxed)) [[likely]] {
        const std::uint64_t at = old & (kRingBytes - 1);
        Put(at, header, time, args...);
        Commit(at, kBytes);
        return;
      }
      old = found;
    }
  }

  // Whose time is running from now on, for the starts of later blocks: a process's number.
  void SetContext(std::uint64_t context) { context_.store(context, std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t kOneEvent = std::uint64_t{1} << 32;

  template <typename Clock>
  [[gnu::noinline, gnu::cold]] void WriteSlowly(std::uint32_t header,
                                                std::span<const std::uint64_t> arguments,
                                                Clock now) {
    const auto bytes = static_cast<std::uint32_t>(8 * (kRecordWords + arguments.size()));
    std::uint64_t events, position, begin, record, time;
    bool new_block;
    for (;;) {
      const std::uint64_t events_hint = events_.load(std::memory_order_relaxed);
      const std::uint64_t position_hint = position_.load(std::memory_order_relaxed);
      std::uint64_t old = state_.load(std::memory_order_relaxed);
      events = Extend(events_hint, static_cast<std::uint32_t>(old >> 32));
      position = Extend(position_hint, static_cast<std::uint32_t>(old));
      const std::uint64_t used = position % kBlockBytes;
      new_block = used == 0 || used + bytes > kBlockBytes;
      begin = used == 0 || !new_block ? position : position + (kBlockBytes - used);
      record = begin + (new_block ? 8 * kStartWords : 0);
      // Read after `state`: what is committed by now covers all that was reserved by then.
      if (new_block &&
          CommittedOf(begin).load(std::memory_order_acquire) != begin / kRingBytes * kBlockBytes) {
        if (state_.load(std::memory_order_relaxed) != old)
          continue;  // somebody else has begun it
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      time = now();
      const std::uint64_t wanted = (events + 1) << 32 | static_cast<std::uint32_t>(record + bytes);
      if (state_.compare_exchange_strong(old, wanted, std::memory_order_relaxed))
        break;
    }
    if (new_block) {
      events_.store(events, std::memory_order_relaxed);
      position_.store(begin, std::memory_order_relaxed);
      const auto rest = static_cast<std::uint32_t>(begin - position);
      if (rest != 0) {
        Word(position).store(Header{rest / 8, 0, kFillerNumber}.Pack(), std::memory_order_relaxed);
        Commit(position, rest);
      }
      Put(begin, Header{kStartWords, 0, kBlockStartNumber}.Pack(), time, events,
          context_.load(std::memory_order_relaxed));
    }
    Word(record).store(header, std::memory_order_relaxed);
    Word(record + 8).store(time, std::memory_order_relaxed);
    for (std::size_t i = 0; i < arguments.size(); ++i)
      Word(record + 16 + 8 * i).store(arguments[i], std::memory_order_relaxed);
    Commit(begin, record + bytes - begin);
  }

  template <typename... Words>
  void Put(std::uint64_t at, std::uint64_t first, Words... words) {
    Atomic<std::uint64_t>* to = &Word(at);
    (to++)->store(first, std::memory_order_relaxed);
    ((to++)->store(static_cast<std::uint64_t>(words), std::memory_order_relaxed), ...);
  }
  Atomic<std::uint64_t>& Word(std::uint64_t position) {
    return words_[(position & (kRingBytes - 1)) / 8];
  }
  Atomic<std::uint64_t>& CommittedOf(std::uint64_t position) {
    return committed_[(position & (kRingBytes - 1)) / kBlockBytes];
  }
  void Commit(std::uint64_t position, std::uint64_t bytes) {
    CommittedOf(position).fetch_add(bytes, std::memory_order_release);
  }

  friend struct LayoutCheck;

  Atomic<std::uint64_t> state_{0};
  Atomic<std::uint64_t> events_{0};
  Atomic<std::uint64_t> position_{0};
  Atomic<std::uint64_t> dropped_{0};
  Atomic<std::uint64_t> context_{0};
  Atomic<std::uint64_t> reserved_[3] = {};
  Atomic<std::uint64_t> committed_[(kHeadBytes - kCommittedAt) / 8] = {};
  Atomic<std::uint64_t> words_[kRingBytes / 8] = {};
};

}  // namespace k42::trace
