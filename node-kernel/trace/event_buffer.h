// EventBuffer: the trace records of one CPU. Any number of writers, no lock, no interrupt masking.
//
// The ring is kBlocks blocks of kBlockWords words; `next_` is an absolute position (words ever
// reserved). A writer reserves by compare-and-swap, reading the time anew before each try, so that
// times do not go back along the buffer; then it writes its words and adds their number to the
// block's commit count. A record never crosses a block's end: the writer that does not fit fills
// the rest with a filler and begins the next block with a kBlockStart record.
//
// A reader knows that a block of lap L (L = 0, 1, ...) is whole when its commit count is
// (L + 1) * kBlockWords: a writer that was stopped half-way leaves it short. Readers run while
// writers do; a block that was overwritten meanwhile is recognized by `next_` and dropped.
// `Atomic` is a parameter for the interleaving test.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "trace/catalogue.h"
#include "trace/event.h"

namespace k42::trace {

template <template <typename> typename Atomic = std::atomic, std::uint32_t kBlockWords = 1024,
          std::uint32_t kBlocks = 8>
class EventBuffer {
 public:
  static constexpr std::uint32_t kWords = kBlockWords * kBlocks;
  static constexpr std::uint32_t kStartWords = 3;  // of a kBlockStart record
  static_assert(kBlockWords >= kStartWords + 1 + kMaxArguments && kBlockWords <= 4095);

  // `memory`: kWords words, zeroed.
  explicit EventBuffer(std::uint64_t* memory) : memory_(memory) {}

  // `now()`: nanoseconds. Precondition: at most kMaxArguments arguments.
  template <typename Clock>
  void Write(const EventInfo& info, std::span<const std::uint64_t> arguments, Clock now) {
    const auto words = static_cast<std::uint32_t>(arguments.size()) + 1;
    std::uint64_t at = next_.load(std::memory_order_relaxed);
    std::uint64_t time;
    bool new_block;
    std::uint64_t begin;
    do {
      time = now();
      const std::uint64_t used = at % kBlockWords;
      new_block = used == 0 || used + words > kBlockWords;
      begin = !new_block ? at : used == 0 ? at : at + (kBlockWords - used);
    } while (!next_.compare_exchange_strong(at, begin + (new_block ? kStartWords : 0) + words,
                                            std::memory_order_relaxed));
    if (begin != at) {
      Put(at, {Low(time), static_cast<std::uint32_t>(begin - at), 0, kFiller.info.number});
      Commit(at, begin - at);
    }
    std::uint64_t record = begin;
    if (new_block) {
      Put(begin, {Low(time), kStartWords, 0, kBlockStart.info.number});
      Word(begin + 1) = time;
      Word(begin + 2) = begin / kBlockWords;
      record += kStartWords;
    }
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      Word(record + 1 + i) = arguments[i];
    }
    Put(record, {Low(time), words, static_cast<std::uint32_t>(info.event_class), info.number});
    Commit(begin, record + words - begin);
  }

  // Calls visit(full time, header, arguments) for the records of all whole blocks still there,
  // oldest first, and then for those of the block being written as far as no record is missing.
  template <typename Visitor>
  void ForEach(Visitor visit) const {
    const std::uint64_t end = next_.load(std::memory_order_acquire);
    const std::uint64_t last_block = end / kBlockWords;
    const std::uint64_t first_block = last_block >= kBlocks ? last_block - kBlocks + 1 : 0;
    for (std::uint64_t block = first_block; block <= last_block; ++block) {
      const std::uint64_t begin = block * kBlockWords;
      const std::uint64_t block_end = block == last_block ? end : begin + kBlockWords;
      const std::uint64_t lap = block / kBlocks;
      const std::uint64_t committed = committed_[block % kBlocks].load(std::memory_order_acquire);
      if (committed == lap * kBlockWords + (block_end - begin)) {
        ForEachIn(begin, block_end, visit);
      }
    }
  }

  std::uint64_t words_written() const { return next_.load(std::memory_order_relaxed); }

 private:
  static std::uint32_t Low(std::uint64_t time) { return static_cast<std::uint32_t>(time); }
  std::uint64_t& Word(std::uint64_t position) { return memory_[position % kWords]; }
  void Put(std::uint64_t position, const Header& header) { Word(position) = header.Pack(); }
  void Commit(std::uint64_t position, std::uint64_t words) {
    committed_[position / kBlockWords % kBlocks].fetch_add(words, std::memory_order_release);
  }

  template <typename Visitor>
  void ForEachIn(std::uint64_t begin, std::uint64_t end, Visitor visit) const {
    std::uint64_t block_time = 0;
    for (std::uint64_t at = begin; at < end;) {
      const std::uint64_t* record = memory_ + at % kWords;
      const Header header = Header::Unpack(record[0]);
      if (header.words == 0 || header.words > end - at) {
        return;  // overwritten while we read
      }
      if (header.number == kBlockStart.info.number && header.words == kStartWords) {
        block_time = record[1];
      }
      // The low half since the block's start; a writer may have stamped slightly before it.
      const auto since = static_cast<std::int32_t>(header.time - Low(block_time));
      if (header.number != kFiller.info.number) {
        visit(block_time + static_cast<std::uint64_t>(static_cast<std::int64_t>(since)), header,
              std::span<const std::uint64_t>(record + 1, header.words - 1));
      }
      at += header.words;
    }
  }

  std::uint64_t* const memory_;
  Atomic<std::uint64_t> next_{0};
  Atomic<std::uint64_t> committed_[kBlocks] = {};
};

}  // namespace k42::trace
