// SharedText: a text that /proc shows of a task: made when first set, shared with forked children
// until either sets its own. Constant once a task has it; whoever has a reference may read it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/allocator.h"
#include "proc/process.types.h"

namespace k42::proc {

struct SharedText {
  std::atomic<std::uint32_t> references{1};
  std::uint32_t size = 0;
  char bytes[1];  // `size` of them

  static constexpr std::size_t Room(std::size_t size) { return sizeof(SharedText) + size; }
  void Add() { references.fetch_add(1, std::memory_order_relaxed); }
  static void Drop(SharedText* text, Allocator& allocator) {
    if (text != nullptr && text->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      allocator.Free(text, Room(text->size));
  }
};

// One reference; or none, of a text that was never set.
class HeldText {
 public:
  explicit HeldText(Allocator& allocator) : allocator_(allocator) {}
  ~HeldText() { SharedText::Drop(text_, allocator_); }
  HeldText(const HeldText&) = delete;
  HeldText& operator=(const HeldText&) = delete;

  // Before anything else.
  void Take(SharedText* text) {
    text_ = text;
    if (text != nullptr)
      text->Add();
  }
  // The holder's reference passes to `place`, whose passes to the holder.
  void Exchange(SharedText*& place) { std::swap(text_, place); }
  // To be filled in, by who made it. Precondition: there is one.
  char* bytes() { return text_->bytes; }
  std::string_view view() const {
    return text_ == nullptr ? std::string_view() : std::string_view(text_->bytes, text_->size);
  }

 private:
  Allocator& allocator_;
  SharedText* text_ = nullptr;
};

struct TaskTexts {
  SharedText* text[5] = {};  // null: not set

  SharedText*& Of(TaskText which) { return text[static_cast<std::uint32_t>(which)]; }
};

}  // namespace k42::proc
