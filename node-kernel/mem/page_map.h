// PageMap: a sparse array of 64-bit entries by page index, 0 = absent. The page table of an Fcm.
//
// A radix tree of 64-way nodes (512 bytes each). The root covers just as much as is needed, from an
// aligned base: a small file has one node, and so has a small mapping at a high address.
// Memory follows contents: RemoveRange frees the nodes it empties.
//
// No locking: the owner's. Needs no lock-free readers, since faults hold the Fcm's lock anyhow.
#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "base/result.h"

namespace k42::mem {

class PageMap {
 public:
  using Entry = std::uint64_t;
  static constexpr std::uint64_t kRow = 64;

  PageMap() = default;
  // The entries are given up; their meaning is the owner's business (RemoveRange first).
  ~PageMap();
  PageMap(const PageMap&) = delete;
  PageMap& operator=(const PageMap&) = delete;

  // Null if absent. Valid until the next change of the map. Behind it lie the next ones, absent or
  // not, up to a multiple of kRow.
  Entry* Find(std::uint64_t index) const {
    Entry* entry = Row(index);
    return entry != nullptr && *entry != 0 ? entry : nullptr;
  }
  // The same for an absent one, too; null if it and all others up to that multiple are absent.
  Entry* Row(std::uint64_t index) const;
  // The entry, made (as 0) if absent: the caller stores a nonzero value at once. kNoMemory.
  Result<Entry*> FindOrAdd(std::uint64_t index);
  // Until the next RemoveRange, FindOrAdd of this one and of those near it (64 in a row, aligned)
  // finds memory.
  Status Prepare(std::uint64_t index) { return FindOrAdd(index).status(); }

  // Visits present entries of [first, end) in order until `visit` returns false; returns the index
  // to go on from, or `end`. `visit` may change the entry (not to 0) but not the map.
  using Visitor = FunctionRef<bool(std::uint64_t index, Entry& entry)>;
  std::uint64_t ForEach(std::uint64_t first, std::uint64_t end, Visitor visit) const;
  // The same, and each visited entry is removed after `visit` has returned.
  std::uint64_t RemoveRange(std::uint64_t first, std::uint64_t end, Visitor visit);

  bool empty() const { return root_ == nullptr; }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr unsigned kFanOut = 1u << kBits;
  static_assert(kRow == kFanOut);
  static constexpr unsigned kMaxHeight = 9;  // 54 bits of index
  struct Node {
    std::uint64_t slots[kFanOut] = {};  // entries at height 1, Node* above
  };
  struct Walk;

  static std::uint64_t SpanOf(unsigned height) { return std::uint64_t{1} << (kBits * height); }
  static Node* ChildOf(std::uint64_t slot) { return reinterpret_cast<Node*>(slot); }
  bool Covers(std::uint64_t index) const {
    return root_ != nullptr && index >= base_ && index - base_ < SpanOf(height_);
  }
  Status GrowTo(std::uint64_t index);
  static std::uint64_t FirstUsed(const Node& node, std::uint64_t index);
  static void FreeTree(Node* node, unsigned height);
  static bool Visit(Node* node, unsigned height, std::uint64_t base, Walk& walk);

  Node* root_ = nullptr;
  unsigned height_ = 0;     // levels; the root covers 64^height_ pages
  std::uint64_t base_ = 0;  // first index covered, a multiple of 64^height_
};

}  // namespace k42::mem
