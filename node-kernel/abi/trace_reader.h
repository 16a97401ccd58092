// BufferReader: what is in a trace buffer (trace_buffer.h), read while its writers go on, from any
// CPU, from a stopped kernel, or from the companion host out of the node's RAM. Takes no lock,
// changes nothing, and ends whatever is in the buffer: a user's may be made up.
//
// `Memory` says how words are reached:
//   kCopies     true: Fetch takes a copy, and Data reads that copy
//   Control(at)             a word of the head, byte `at` of the buffer, as it is now
//   Fetch(at, bytes)        bytes [at, at + bytes) of the ring are going to be asked for
//   Data(at)                a word of the ring
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "abi/trace_buffer.h"

namespace k42::trace {

struct Record {
  std::uint64_t time;      // cycles
  std::uint64_t sequence;  // how many events of this buffer came before
  std::uint64_t context;   // at the start of its block
  Header header;
  std::span<const std::uint64_t> arguments;
};

// How far a reader has come; zero for a new one.
struct ReadState {
  std::uint64_t position = 0;  // bytes ever reserved up to here are done with
  std::uint64_t next_event = 0;
  std::uint64_t context = 0;
  std::uint64_t seen = 0;     // events visited
  std::uint64_t lost = 0;     // overwritten, or unreadable, before they were visited
  std::uint64_t dropped = 0;  // by writers, that found no block (trace_buffer.h)
  std::uint64_t logged = 0;   // events ever written
};

// `kTries`: how often an unfinished block is looked at again.
template <typename Memory, int kTries = 64>
class BufferReader {
 public:
  BufferReader(Memory& memory, std::uint32_t block_bytes, std::uint32_t blocks)
      : memory_(memory), block_bytes_(block_bytes), blocks_(blocks) {}

  // Calls visit(Record) for the events since `state` that are whole, oldest first. A block that
  // stays unfinished after some tries ends the visit, so that it can go on there later;
  // `leave_nothing`: instead goes on behind it, if there is something. On a buffer that nobody
  // writes to, seen + lost == logged afterwards, but for events that were never finished.
  template <typename Visitor>
  void Visit(ReadState& state, bool leave_nothing, Visitor visit) {
    const Reserved target = Now();
    int tries = kTries;
    // Each block is come to at most once, and each try at it is counted.
    for (std::uint32_t step = 0; step < 4 * blocks_ + kTries && state.position < target.position;
         ++step) {
      const std::uint64_t block = state.position / block_bytes_;
      const std::uint64_t begin = block * block_bytes_;
      const std::uint64_t committed =
          memory_.Control(kCommittedAt + 8 * static_cast<std::uint32_t>(block % blocks_));
      const Reserved now = Now();
      if (now.position > begin + Ring()) {
        state.position = OldestBlock(now.position) * block_bytes_;
        continue;
      }
      const std::uint64_t end =
          now.position < begin + block_bytes_ ? now.position : begin + block_bytes_;
      if (committed != block / blocks_ * block_bytes_ + (end - begin)) {
        if (tries-- > 0)
          continue;
        if (!leave_nothing || end == now.position)
          break;
        state.position = begin + block_bytes_;
        tries = kTries;
        continue;
      }
      memory_.Fetch(Place(state.position), static_cast<std::uint32_t>(end - state.position));
      if (Memory::kCopies && Overwritten(begin))
        continue;
      VisitBlock(state, begin, end, visit);
      tries = kTries;
    }
    state.dropped = memory_.Control(kDroppedAt);
    const Reserved last = Now();
    state.logged = last.events > state.next_event ? last.events : state.next_event;
    // What was skipped and is followed by nothing.
    if (leave_nothing && state.position >= last.position && last.events > state.next_event) {
      state.lost += last.events - state.next_event;
      state.next_event = last.events;
    }
  }

 private:
  struct Reserved {
    std::uint64_t position;
    std::uint64_t events;
  };

  std::uint64_t Ring() const { return std::uint64_t{block_bytes_} * blocks_; }
  std::uint32_t Place(std::uint64_t position) const {
    return static_cast<std::uint32_t>(position % Ring());
  }
  std::uint64_t OldestBlock(std::uint64_t position) const {
    const std::uint64_t last = (position - 1) / block_bytes_;
    return last >= blocks_ ? last - blocks_ + 1 : 0;
  }
  Reserved Now() const {
    const std::uint64_t events = memory_.Control(kEventsAt);
    const std::uint64_t position = memory_.Control(kPositionAt);
    const std::uint64_t state = memory_.Control(kStateAt);
    return {Extend(position, static_cast<std::uint32_t>(state)),
            Extend(events, static_cast<std::uint32_t>(state >> 32))};
  }
  bool Overwritten(std::uint64_t begin) const { return Now().position > begin + Ring(); }

  template <typename Visitor>
  void VisitBlock(ReadState& state, std::uint64_t begin, std::uint64_t end, Visitor& visit) {
    std::uint64_t at = state.position;
    while (at < end) {
      std::uint64_t words[kRecordWords + kMaxArguments];
      words[0] = memory_.Data(Place(at));
      const Header header = Header::Unpack(words[0]);
      const bool start = header.number == kBlockStartNumber;
      const bool filler = header.number == kFillerNumber;
      if (header.words == 0 || header.words > (end - at) / 8 || start != (at == begin) ||
          (!filler && (header.words < kRecordWords || header.words > std::size(words))) ||
          (start && header.words != kStartWords))
        break;  // overwritten, or made up
      if (!filler) {
        for (std::uint32_t i = 1; i < header.words; ++i) words[i] = memory_.Data(Place(at + 8 * i));
      }
      if (!Memory::kCopies && Overwritten(begin))
        return;
      at += 8 * header.words;
      state.position = at;
      if (start) {
        state.lost += words[2] - state.next_event;
        state.next_event = words[2];
        state.context = words[3];
      } else if (!filler) {
        ++state.seen;
        visit(Record{words[1], state.next_event++, state.context, header,
                     std::span(words + kRecordWords, header.words - kRecordWords)});
      }
    }
    if (at < end)
      state.position = begin + block_bytes_;
  }

  Memory& memory_;
  const std::uint32_t block_bytes_;
  const std::uint32_t blocks_;
};

// The buffer itself, in memory that its writers share with the reader.
template <template <typename> typename Atomic, typename Buffer>
class InPlace {
 public:
  static constexpr bool kCopies = false;
  explicit InPlace(const Buffer& buffer)
      : words_(reinterpret_cast<const Atomic<std::uint64_t>*>(&buffer)) {}
  std::uint64_t Control(std::uint32_t at) const {
    return words_[at / 8].load(std::memory_order_acquire);
  }
  void Fetch(std::uint32_t, std::uint32_t) {}
  std::uint64_t Data(std::uint32_t at) const {
    return words_[(Buffer::kHeadBytes + at) / 8].load(std::memory_order_acquire);
  }

 private:
  const Atomic<std::uint64_t>* const words_;
};

}  // namespace k42::trace
