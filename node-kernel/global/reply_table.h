// ReplyTable: what makes a call happen at most once. One per caller CPU (node, incarnation, CPU),
// kept by the callee: the last 64 calls with their replies.
//
//   new        not seen: to be executed
//   executing  seen, no reply yet: a repetition is dropped, the reply will come
//   done       seen and answered: a repetition gets the same reply again
//   forgotten  older than everything kept: nobody can say whether it was executed
// Only done entries are dropped to make room, the lowest sequence first.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/bytes.h"
#include "base/result.h"

namespace k42::global {

class ReplyTable {
 public:
  static constexpr std::uint32_t kKept = 64;

  explicit ReplyTable(Allocator& allocator) : allocator_(allocator) {}
  ~ReplyTable();
  ReplyTable(const ReplyTable&) = delete;
  ReplyTable& operator=(const ReplyTable&) = delete;

  enum class Verdict : std::uint8_t { kNew, kExecuting, kDone, kForgotten, kFull };
  // kNew: now executing. kFull: 64 are executing; this one has not been taken.
  Verdict Admit(std::uint64_t sequence);
  // The reply of an executing call, kept from now on. Without memory for it the call is as
  // forgotten.
  void Answer(std::uint64_t sequence, Bytes reply);
  // Of a done call.
  Bytes ReplyOf(std::uint64_t sequence) const;

 private:
  struct Entry {
    std::uint64_t sequence = 0;  // 0: free
    bool done = false;
    std::byte* reply = nullptr;
    std::size_t size = 0;
  };
  Entry* Find(std::uint64_t sequence);
  void Drop(Entry& entry);

  Allocator& allocator_;
  std::uint64_t forgotten_ = 0;  // sequences up to here that are not in the table
  Entry entries_[kKept];
};

}  // namespace k42::global
