#include "io/conduit.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "io/attachment.h"
#include "mem/heap.h"

namespace k42::io {

namespace {

// Memory that a write costs beyond its bytes.
std::uint64_t OverheadOf(std::uint64_t size, const Attachment* attachment, bool message) {
  constexpr std::uint64_t kLeast = sizeof(Chunk) + Chunk::kSmallest;
  return (message ? kLeast - std::min(kLeast, size) : 0) +
         (attachment != nullptr ? sizeof(Attachment) : 0);
}

}  // namespace

Result<Conduit*> Conduit::Make(const Shape& shape) {
  return mem::New<Conduit>(shape);
}

void Conduit::Dispose() {
  ChunkList rest;
  {
    machine::MutexGuard guard(lock_);
    rest.Append(queue_);
  }
  FreeAll(rest);
  mem::Delete(this);
}

// -- ends -----------------------------------------------------------------------------------------

void Conduit::WatchReader(ReadyList* list) {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  reader_list_ = list;
  UpdateLocked(0, wakeups);
}

void Conduit::WatchWriter(ReadyList* list) {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  writer_list_ = list;
  UpdateLocked(0, wakeups);
}

std::uint64_t Conduit::OpenReader() {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  if (readers_ == 0 && writers_ == 0) {
    had_writer_ = false;  // a fifo's earlier users are no affair of the next ones
  }
  ++readers_;
  ++reader_openings_;
  UpdateLocked(0, wakeups);
  return writer_openings_ - writers_;
}

std::uint64_t Conduit::OpenWriter() {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  ++writers_;
  ++writer_openings_;
  had_writer_ = true;
  UpdateLocked(0, wakeups);
  return reader_openings_ - readers_;
}

void Conduit::CloseReader() {
  ChunkList rest;
  Wakeups wakeups;
  {
    machine::MutexGuard guard(lock_);
    if (--readers_ == 0) {
      DropAllLocked(rest);
    }
    UpdateLocked(abi::kWritable, wakeups);
  }
  FreeAll(rest);  // may close handles that were on their way
}

// Also what a reader has taken out just now: it does not account for that any more.
void Conduit::DropAllLocked(ChunkList& dropped) {
  dropped.Append(queue_);
  bytes_ = overhead_ = messages_ = 0;
  ++drops_;
}

void Conduit::CloseWriter() {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  --writers_;
  UpdateLocked(abi::kReadable, wakeups);
}

void Conduit::Shut() {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  shut_ = true;
  UpdateLocked(abi::kReadable, wakeups);
}

std::uint32_t Conduit::readers() {
  machine::MutexGuard guard(lock_);
  return readers_;
}
std::uint32_t Conduit::writers() {
  machine::MutexGuard guard(lock_);
  return writers_;
}
std::uint64_t Conduit::reader_openings() {
  machine::MutexGuard guard(lock_);
  return reader_openings_;
}
std::uint64_t Conduit::writer_openings() {
  machine::MutexGuard guard(lock_);
  return writer_openings_;
}
std::uint64_t Conduit::bytes() {
  machine::MutexGuard guard(lock_);
  return bytes_;
}
std::uint64_t Conduit::capacity() {
  machine::MutexGuard guard(lock_);
  return shape_.capacity;
}
void Conduit::Reset() {
  ChunkList rest;
  {
    Wakeups wakeups;
    machine::MutexGuard guard(lock_);
    DropAllLocked(rest);
    shut_ = reset_ = true;
    UpdateLocked(abi::kReadable, wakeups);
  }
  FreeAll(rest);
}

void Conduit::Break() {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  shut_ = reset_ = true;
  UpdateLocked(abi::kReadable, wakeups);
}

void Conduit::ShowRefusal() {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  refused_.store(true, std::memory_order_relaxed);
  UpdateLocked(abi::kError, wakeups);
}

bool Conduit::TakeRefusal() {
  if (!refused_.load(std::memory_order_relaxed)) {
    return false;
  }
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  const bool refused = refused_.exchange(false, std::memory_order_relaxed);
  UpdateLocked(0, wakeups);
  return refused;
}

Status Conduit::TakeReset() {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  if (!reset_) {
    return Status::kOk;
  }
  reset_ = false;
  UpdateLocked(0, wakeups);
  return Status::kConnectionReset;
}

std::uint64_t Conduit::NextMessageSize() {
  machine::MutexGuard guard(lock_);
  std::uint64_t size = 0;
  for (const Chunk& chunk : queue_) {
    size += chunk.size();
    if (!chunk.more) {
      break;
    }
  }
  return size;
}

void Conduit::SetMessages(bool messages) {
  machine::MutexGuard guard(lock_);
  shape_.messages = messages;
}

Status Conduit::SetCapacity(std::uint64_t capacity) {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  if (capacity < bytes_) {
    return Status::kBusy;
  }
  shape_.capacity = capacity;
  UpdateLocked(0, wakeups);
  return Status::kOk;
}

// -- readiness ------------------------------------------------------------------------------------

void Conduit::UpdateLocked(std::uint32_t activity, Wakeups& wakeups) {
  const bool waiting = bytes_ != 0 || messages_ != 0;
  const bool ended = shut_ || (writers_ == 0 && had_writer_);
  const bool closed = readers_ == 0;
  if (reader_list_ != nullptr) {
    std::uint32_t ready = 0;
    ready |= waiting || (ended && shape_.end_is_readable) ? abi::kReadable : 0;
    ready |= ended && shape_.end_is_readable ? abi::kReadHangup : 0;
    ready |= ended ? kInputEnded : 0;
    ready |= reset_ || refused_.load(std::memory_order_relaxed) ? abi::kError : 0;
    ready |= writers_ != 0 ? abi::kPeerPresent : 0;
    std::uint32_t mask = abi::kReadable | abi::kReadHangup | kInputEnded;
    mask |= shape_.end_is_readable ? abi::kError : abi::kPeerPresent;
    reader_list_->Update(mask, ready, activity & abi::kReadSide, wakeups);
  }
  if (writer_list_ != nullptr) {
    // A pipe takes one more atomic write, a socket a third of its buffer, before it wakes writers.
    const std::uint64_t low =
        shape_.end_is_readable ? shape_.capacity / 3 : std::min(shape_.atomic, shape_.capacity);
    const std::uint64_t room = RoomLocked();
    const bool fits = room != 0 && (room >= low || bytes_ + overhead_ == 0);
    std::uint32_t ready = 0;
    ready |= fits || closed || shut_ ? abi::kWritable : 0;
    ready |= closed && had_writer_ && !shape_.end_is_readable ? abi::kError : 0;
    ready |= closed || shut_ ? kOutputEnded : 0;
    ready |= readers_ != 0 ? abi::kPeerPresent : 0;
    std::uint32_t mask = abi::kWritable | kOutputEnded;
    mask |= shape_.end_is_readable ? 0 : abi::kError | abi::kPeerPresent;
    writer_list_->Update(mask, ready, activity & abi::kWriteSide, wakeups);
  }
}

// -- writing --------------------------------------------------------------------------------------

bool Conduit::IsFullFor(std::uint64_t size) {
  machine::MutexGuard guard(lock_);
  const std::uint64_t overhead = OverheadOf(size, nullptr, shape_.messages) + sizeof(Attachment);
  return CheckWriteLocked(size, overhead, /*all=*/true) == Status::kWouldBlock;
}

Status Conduit::CheckWriteLocked(std::uint64_t size, std::uint64_t overhead, bool all) {
  if (readers_ == 0 || shut_) {
    return Status::kBrokenPipe;
  }
  const bool whole = all || shape_.messages || size <= shape_.atomic;
  if (whole && size > shape_.capacity) {
    return Status::kMessageTooLong;
  }
  const bool empty = bytes_ + overhead_ == 0;
  const std::uint64_t wanted = (whole ? size : 1) + (empty ? 0 : overhead);
  return RoomLocked() < wanted ? Status::kWouldBlock : Status::kOk;
}

// Cuts the chunks to `size` bytes in all; returns how many bytes there are.
std::uint64_t Conduit::Trim(ChunkList& chunks, std::uint64_t size, ChunkList& unused) {
  std::uint64_t kept = 0;
  Chunk* next = nullptr;
  for (Chunk* chunk = chunks.Front(); chunk != nullptr; chunk = next) {
    next = chunks.Next(chunk);
    if (kept == size && chunk->size() != 0) {
      ChunkList::Remove(chunk);
      unused.PushBack(chunk);
      continue;
    }
    chunk->end = chunk->begin +
                 static_cast<std::uint32_t>(std::min<std::uint64_t>(chunk->size(), size - kept));
    kept += chunk->size();
  }
  return kept;
}

void Conduit::AppendLocked(ChunkList& chunks, ChunkList& unused) {
  Chunk* first = chunks.Front();
  Chunk* last = queue_.Back();
  if (first != nullptr && last != nullptr && !first->message && !last->message && !last->more &&
      first->attachment == nullptr && last->attachment == nullptr &&
      first->size() <= last->capacity - last->end) {
    std::memcpy(last->data() + last->end, first->data() + first->begin, first->size());
    last->end += first->size();
    ChunkList::Remove(first);
    unused.PushBack(first);
  }
  queue_.Append(chunks);
}

Result<std::uint64_t> Conduit::Write(BufferIn data, Attachment* attachment, bool all) {
  std::uint64_t size = data.size();
  std::uint64_t overhead = 0;
  bool messages = false;
  {
    machine::MutexGuard guard(lock_);
    messages = shape_.messages;
    overhead = OverheadOf(size, attachment, messages);
    if (size != 0 || messages) {
      TRY(CheckWriteLocked(size, overhead, all));
    }
    if (!all && !messages && size > shape_.atomic) {
      size = std::min(size, RoomLocked(overhead));
    }
  }
  if (data.empty() && !messages) {
    Attachment::Free(attachment);  // travels with a byte, and there is none
    return std::uint64_t{0};
  }
  ChunkList chunks;
  ChunkList unused;
  Status status = Fill(chunks, data, 0, size, messages);
  if (IsOk(status)) {
    Wakeups wakeups;
    machine::MutexGuard guard(lock_);
    status = CheckWriteLocked(data.size(), overhead, all);
    if (IsOk(status)) {
      if (!messages) {
        size = Trim(chunks, std::min(size, RoomLocked(overhead)), unused);
      }
      chunks.Front()->attachment = attachment;
      chunks.Front()->overhead = static_cast<std::uint32_t>(overhead);
      bytes_ += size;
      overhead_ += overhead;
      messages_ += messages ? 1 : 0;
      AppendLocked(chunks, unused);
      UpdateLocked(abi::kReadable, wakeups);
    }
  }
  FreeAll(unused);
  FreeAll(chunks);
  TRY(status);
  return size;
}

// -- reading --------------------------------------------------------------------------------------

// Moves chunks to `taken` until they hold `wanted` bytes, or one message, or what one attachment
// belongs to. Returns how many of their bytes the read may use.
std::uint64_t Conduit::TakeLocked(std::uint64_t wanted, ChunkList& taken) {
  std::uint64_t size = 0;
  while (Chunk* chunk = queue_.Front()) {
    const Chunk* previous = taken.Back();
    const bool continues = previous != nullptr && previous->more;
    if (previous != nullptr && !continues &&
        (previous->message || chunk->message || chunk->attachment != nullptr || size >= wanted)) {
      break;
    }
    ChunkList::Remove(chunk);
    taken.PushBack(chunk);
    size += chunk->size();
  }
  return std::min(size, wanted);
}

Status Conduit::CopyOut(ChunkList& taken, BufferOut data, std::uint64_t size) {
  std::uint64_t done = 0;
  for (Chunk& chunk : taken) {
    const std::uint64_t part = std::min<std::uint64_t>(chunk.size(), size - done);
    if (part == 0) {
      break;
    }
    TRY(data.CopyFrom(chunk.data() + chunk.begin, done, part));
    done += part;
  }
  return Status::kOk;
}

// The first `consumed` bytes are gone, the rest goes back to the front.
void Conduit::PutBackLocked(ChunkList& taken, std::uint64_t consumed, ChunkList& unused) {
  ChunkList rest;
  while (Chunk* chunk = taken.PopFront()) {
    const std::uint64_t part = std::min<std::uint64_t>(chunk->size(), consumed);
    chunk->begin += static_cast<std::uint32_t>(part);
    consumed -= part;
    (chunk->size() == 0 ? unused : rest).PushBack(chunk);
  }
  rest.Append(queue_);
  queue_.Append(rest);
}

Status Conduit::PutBack(BufferIn data) {
  if (data.empty()) {
    return Status::kOk;
  }
  bool messages = false;
  {
    machine::MutexGuard guard(lock_);
    messages = shape_.messages;
  }
  ChunkList chunks;
  Status status = Fill(chunks, data, 0, data.size(), messages);
  if (IsOk(status)) {
    // A reader who is copying puts the rest of his back first: that is from behind ours.
    machine::MutexGuard reading(reader_lock_);
    Wakeups wakeups;
    machine::MutexGuard guard(lock_);
    const std::uint64_t overhead = OverheadOf(data.size(), nullptr, messages);
    if (readers_ == 0) {
      status = Status::kBrokenPipe;  // the next to open it are not to find what others took
    } else if (bytes_ + overhead_ + data.size() + overhead > 2 * shape_.capacity) {
      // Readers take no more than an atomic write at a time if they may have to put it back; some
      // of them may do so at once.
      status = Status::kWouldBlock;
    } else {
      chunks.Front()->overhead = static_cast<std::uint32_t>(overhead);
      bytes_ += data.size();
      overhead_ += overhead;
      messages_ += messages ? 1 : 0;
      chunks.Append(queue_);
      queue_.Append(chunks);
      UpdateLocked(abi::kReadable, wakeups);
    }
  }
  FreeAll(chunks);
  return status;
}

Result<std::uint64_t> Conduit::Read(BufferOut data, bool peek, ReadOutcome* outcome) {
  machine::MutexGuard reading(reader_lock_);
  ChunkList taken;
  ChunkList unused;
  std::uint64_t size = 0;
  std::uint64_t drops = 0;
  {
    machine::MutexGuard guard(lock_);
    drops = drops_;
    if (data.empty() && !shape_.messages) {
      return std::uint64_t{0};
    }
    if (queue_.empty()) {
      if (std::exchange(reset_, false)) {
        Wakeups wakeups;
        UpdateLocked(0, wakeups);
        return Status::kConnectionReset;
      }
      if (shut_ || (writers_ == 0 && had_writer_)) {
        return std::uint64_t{0};
      }
      if (!had_writer_ && !shape_.end_is_readable) {
        return std::uint64_t{0};  // a fifo that nobody has opened for writing yet
      }
      return Status::kWouldBlock;
    }
    size = TakeLocked(data.size(), taken);
  }
  const Status status = CopyOut(taken, data, size);
  std::uint64_t total = 0;
  for (const Chunk& chunk : taken) {
    total += chunk.size();
  }
  const bool message = taken.Front()->message;
  const bool keep = peek || !IsOk(status);
  if (outcome != nullptr) {
    outcome->message_size = message ? total : size;
    outcome->cut = message && total > size;
    if (!keep) {
      outcome->attachment = std::exchange(taken.Front()->attachment, nullptr);
    } else if (outcome->peeked != nullptr && taken.Front()->attachment != nullptr) {
      *outcome->peeked = *taken.Front()->attachment;
    }
  }
  {
    Wakeups wakeups;
    machine::MutexGuard guard(lock_);
    if (drops_ != drops) {
      unused.Append(taken);  // closed or reset meanwhile
    } else if (keep) {
      taken.Append(queue_);
      queue_.Append(taken);
    } else if (message) {  // what did not fit of a message is lost
      overhead_ -= taken.Front()->overhead;
      unused.Append(taken);
      bytes_ -= total;
      --messages_;
    } else {
      overhead_ -= std::exchange(taken.Front()->overhead, 0);
      PutBackLocked(taken, size, unused);
      bytes_ -= size;
    }
    // Writers of a socket have an edge for everything read, those of a pipe for the first room
    // only.
    UpdateLocked(keep || !shape_.end_is_readable ? 0 : abi::kWritable, wakeups);
  }
  FreeAll(unused);
  TRY(status);
  return size;
}

}  // namespace k42::io
