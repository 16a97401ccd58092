#include "mem/page_map.h"

#include "base/align.h"
#include "mem/heap.h"

namespace k42::mem {

struct PageMap::Walk {
  std::uint64_t first;
  std::uint64_t end;
  Visitor visit;
  bool remove;
  std::uint64_t stopped_at;
};

PageMap::~PageMap() {
  if (root_ != nullptr) {
    FreeTree(root_, height_);
  }
}

void PageMap::FreeTree(Node* node, unsigned height) {
  if (height > 1) {
    for (const std::uint64_t slot : node->slots) {
      if (slot != 0) {
        FreeTree(ChildOf(slot), height - 1);
      }
    }
  }
  Delete(node);
}

PageMap::Entry* PageMap::Row(std::uint64_t index) const {
  if (!Covers(index)) {
    return nullptr;
  }
  const std::uint64_t within = index - base_;
  Node* node = root_;
  for (unsigned height = height_; height > 1; --height) {
    const std::uint64_t slot = node->slots[within >> (kBits * (height - 1)) & (kFanOut - 1)];
    if (slot == 0) {
      return nullptr;
    }
    node = ChildOf(slot);
  }
  return &node->slots[within & (kFanOut - 1)];
}

// Puts roots above the root until it covers `index`.
Status PageMap::GrowTo(std::uint64_t index) {
  if (root_ == nullptr) {
    root_ = TRY(New<Node>());
    height_ = 1;
    base_ = AlignDown(index, SpanOf(1));
  }
  while (!Covers(index)) {
    if (height_ == kMaxHeight) {
      return Status::kOutOfRange;
    }
    Node* root = TRY(New<Node>());
    const std::uint64_t base = AlignDown(base_, SpanOf(height_ + 1));
    root->slots[(base_ - base) / SpanOf(height_)] = reinterpret_cast<std::uint64_t>(root_);
    root_ = root;
    base_ = base;
    ++height_;
  }
  return Status::kOk;
}

Result<PageMap::Entry*> PageMap::FindOrAdd(std::uint64_t index) {
  TRY(GrowTo(index));
  const std::uint64_t within = index - base_;
  Node* node = root_;
  for (unsigned height = height_; height > 1; --height) {
    std::uint64_t& slot = node->slots[within >> (kBits * (height - 1)) & (kFanOut - 1)];
    if (slot == 0) {
      slot = reinterpret_cast<std::uint64_t>(TRY(New<Node>()));
    }
    node = ChildOf(slot);
  }
  return &node->slots[within & (kFanOut - 1)];
}

// The first slot from `index` on that is not 0; kFanOut if there is none. Eight at a time.
std::uint64_t PageMap::FirstUsed(const Node& node, std::uint64_t index) {
  for (; index < kFanOut && index % 8 != 0; ++index) {
    if (node.slots[index] != 0) {
      return index;
    }
  }
  for (; index < kFanOut; index += 8) {
    const std::uint64_t* at = &node.slots[index];
    if ((at[0] | at[1] | at[2] | at[3] | at[4] | at[5] | at[6] | at[7]) != 0) {
      while (node.slots[index] == 0) {
        ++index;
      }
      return index;
    }
  }
  return kFanOut;
}

// False if the visitor wants to stop.
bool PageMap::Visit(Node* node, unsigned height, std::uint64_t base, Walk& walk) {
  const std::uint64_t span = SpanOf(height - 1);  // of one slot
  // The first may lie beyond all that the map has grown to.
  const std::uint64_t from = walk.first > base ? (walk.first - base) / span : 0;
  for (std::uint64_t i = FirstUsed(*node, from); i < kFanOut; i = FirstUsed(*node, i + 1)) {
    const std::uint64_t slot_base = base + i * span;
    if (slot_base >= walk.end) {
      break;
    }
    std::uint64_t& slot = node->slots[i];
    if (height == 1) {
      const bool more = walk.visit(slot_base, slot);
      if (walk.remove) {
        slot = 0;
      }
      if (!more) {
        walk.stopped_at = slot_base + 1;
        return false;
      }
      continue;
    }
    const bool more = Visit(ChildOf(slot), height - 1, slot_base, walk);
    if (walk.remove && FirstUsed(*ChildOf(slot), 0) == kFanOut) {
      Delete(ChildOf(slot));
      slot = 0;
    }
    if (!more) {
      return false;
    }
  }
  return true;
}

std::uint64_t PageMap::ForEach(std::uint64_t first, std::uint64_t end, Visitor visit) const {
  Walk walk{first, end, visit, false, end};
  if (root_ != nullptr) {
    Visit(root_, height_, base_, walk);
  }
  return walk.stopped_at;
}

std::uint64_t PageMap::RemoveRange(std::uint64_t first, std::uint64_t end, Visitor visit) {
  Walk walk{first, end, visit, true, end};
  if (root_ != nullptr) {
    Visit(root_, height_, base_, walk);
    if (FirstUsed(*root_, 0) == kFanOut) {
      Delete(root_);
      root_ = nullptr;
    }
  }
  return walk.stopped_at;
}

}  // namespace k42::mem
