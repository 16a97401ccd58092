#include "proc/trace_buffers.h"

#include <atomic>

#include "machine/page_table.h"
#include "mem/services.h"
#include "trace/trace.h"
#include "trace/user_buffer.h"

namespace k42::proc {

using machine::SpinGuard;

namespace {

constexpr std::uint32_t kPages = sizeof(trace::UserBuffer) / machine::kPageSize;

void NextTurn(trace::UserTrace& shown) {
  shown.turn.store(shown.turn.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

}  // namespace

TraceBuffers::TraceBuffers(mem::MemoryServices& memory) : memory_(memory) {
  for (Entry& entry : entries_) unused_.PushBack(&entry);
}

TraceBuffers::~TraceBuffers() {
  for (std::uint32_t i = 0; i < trace::kMaxUserTraces; ++i) {
    if (entries_[i].pages_ == nullptr)
      continue;
    NextTurn(k42_trace_area.users[i]);
    entries_[i].pages_->DropReference();
  }
}

Result<TraceBuffers::Entry*> TraceBuffers::Take(std::uint32_t process) {
  mem::FcmPinned* pages = TRY(mem::FcmPinned::Create(memory_, kPages));
  pages->data<trace::UserBuffer>()->SetContext(process);
  mem::FcmPinned* old = pages;
  Entry* entry = nullptr;
  {
    const SpinGuard guard(lock_);
    entry = unused_.PopFront();
    if (entry != nullptr) {
      trace::UserTrace& shown = k42_trace_area.users[entry - entries_];
      if (entry->pages_ != nullptr)
        NextTurn(shown);
      // What follows is not seen under the old turn: x86 keeps stores in order, compilers need not.
      std::atomic_signal_fence(std::memory_order_seq_cst);
      shown.address = pages->address();
      shown.process = process;
      shown.ended = 0;
      NextTurn(shown);
      old = entry->pages_;
      entry->pages_ = pages;
    }
  }
  if (old != nullptr)
    old->DropReference();
  if (entry == nullptr)
    return Status::kLimitExceeded;
  return entry;
}

void TraceBuffers::End(Entry* entry) {
  const SpinGuard guard(lock_);
  k42_trace_area.users[entry - entries_].ended = 1;
  unused_.PushBack(entry);
}

}  // namespace k42::proc
