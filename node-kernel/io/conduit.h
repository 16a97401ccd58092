// Conduit: bytes or messages flowing one way, from writers to readers. A pipe is one, a connected
// pair of sockets is two.
//
// States: the reading side is open or closed, the writing side not yet, now, or no more open.
//   write: kBrokenPipe once nobody reads; kWouldBlock without room
//   read:  what is there; then 0 (the end) once nobody writes; kWouldBlock before that
// A write of at most `atomic` bytes goes in whole or not at all; so does a message.
//
// What waits is charged against the capacity: bytes, and the memory that goes beyond them (small
// and empty messages, attachments). An empty conduit takes any message whose bytes fit.
//
// Locking: lock_ guards all; it is never held while user memory is touched or a ticket fires.
// reader_lock_ lets one reader at a time take chunks out, copy them, and put the rest back; lock_
// is taken inside it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/buffer.h"
#include "base/ref_counted.h"
#include "io/chunk.h"
#include "io/ready_list.h"
#include "machine/mutex.h"

namespace k42::io {

struct Origin;

// What a read found beside the bytes.
struct ReadOutcome {
  std::uint64_t message_size = 0;
  bool cut = false;
  Attachment* attachment = nullptr;  // the reader's now; null when peeking
  Origin* peeked = nullptr;          // who peeks has it filled, if there is one
};

class Conduit final : public RefCounted {
 public:
  struct Shape {
    std::uint64_t capacity;
    std::uint64_t atomic;  // writes up to this size are not split
    bool messages;         // boundaries are kept
    bool end_is_readable;  // sockets: the end counts as something to read, and nobody is awaited
  };
  static Result<Conduit*> Make(const Shape& shape);
  explicit Conduit(const Shape& shape) : shape_(shape) {}

  // The lists to keep up to date; null: nobody is interested any more. A list must be given up here
  // before it dies.
  void WatchReader(ReadyList* list);
  void WatchWriter(ReadyList* list);

  // They return how often the other side has been opened, without those that are open now.
  std::uint64_t OpenReader();
  std::uint64_t OpenWriter();
  void CloseReader();  // one of them
  void CloseWriter();
  void Shut();  // no more writes, whoever still has it open for writing
  // The writing side broke off: what waits is dropped, the reader is told once (kConnectionReset).
  void Reset();
  // The same, but what waits is read before that is told.
  void Break();
  // kConnectionReset if that has not been told yet.
  Status TakeReset();
  // What the reader's owner sent elsewhere was refused: shown to him as an error until he takes it.
  void ShowRefusal();
  bool TakeRefusal();
  std::uint32_t readers();
  std::uint32_t writers();
  // How often they were opened, ever.
  std::uint64_t reader_openings();
  std::uint64_t writer_openings();

  // `attachment`: the conduit's on success, also of nothing. `all`: room for everything or nothing.
  Result<std::uint64_t> Write(BufferIn data, Attachment* attachment = nullptr, bool all = false);
  Result<std::uint64_t> Read(BufferOut data, bool peek = false, ReadOutcome* outcome = nullptr);

  // What a reader has taken and could not use, to be read next; goes beyond the capacity if writers
  // were quick. kWouldBlock: by more than that. kBrokenPipe: nobody reads any more.
  Status PutBack(BufferIn data);

  // Whether a write of `size` bytes, with an attachment, would be refused for want of room.
  bool IsFullFor(std::uint64_t size);

  std::uint64_t bytes();
  std::uint64_t NextMessageSize();
  std::uint64_t capacity();
  // kBusy: more bytes are waiting.
  Status SetCapacity(std::uint64_t capacity);
  void SetMessages(bool messages);

  ~Conduit() = default;

 private:
  void Dispose() override;
  std::uint64_t RoomLocked() const K42_REQUIRES(lock_) {
    return shape_.capacity - std::min(shape_.capacity, bytes_ + overhead_);
  }
  // For bytes that come with so much overhead.
  std::uint64_t RoomLocked(std::uint64_t overhead) const K42_REQUIRES(lock_) {
    const std::uint64_t room = RoomLocked();
    return bytes_ + overhead_ == 0 ? room : room - std::min(room, overhead);
  }
  Status CheckWriteLocked(std::uint64_t size, std::uint64_t overhead, bool all) K42_REQUIRES(lock_);
  void DropAllLocked(ChunkList& dropped) K42_REQUIRES(lock_);
  void AppendLocked(ChunkList& chunks, ChunkList& unused) K42_REQUIRES(lock_);
  std::uint64_t TakeLocked(std::uint64_t wanted, ChunkList& taken) K42_REQUIRES(lock_);
  void UpdateLocked(std::uint32_t activity, Wakeups& wakeups) K42_REQUIRES(lock_);
  Status CopyOut(ChunkList& taken, BufferOut data, std::uint64_t size);
  void PutBackLocked(ChunkList& taken, std::uint64_t consumed, ChunkList& unused)
      K42_REQUIRES(lock_);
  static std::uint64_t Trim(ChunkList& chunks, std::uint64_t size, ChunkList& unused);

  machine::Mutex<LockRank::kStreamReader> reader_lock_;  // one reader takes bytes at a time
  machine::Mutex<LockRank::kStream> lock_;
  Shape shape_ K42_GUARDED_BY(lock_);
  ChunkList queue_ K42_GUARDED_BY(lock_);
  std::uint64_t bytes_ K42_GUARDED_BY(lock_) = 0;
  std::uint64_t overhead_ K42_GUARDED_BY(lock_) = 0;  // of all chunks: Chunk::overhead
  std::uint64_t drops_ K42_GUARDED_BY(lock_) = 0;     // how often all that waits was dropped
  std::uint64_t messages_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t readers_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t writers_ K42_GUARDED_BY(lock_) = 0;
  std::uint64_t reader_openings_ K42_GUARDED_BY(lock_) = 0;
  std::uint64_t writer_openings_ K42_GUARDED_BY(lock_) = 0;
  bool had_writer_ K42_GUARDED_BY(lock_) = false;
  bool shut_ K42_GUARDED_BY(lock_) = false;
  bool reset_ K42_GUARDED_BY(lock_) = false;  // and not told yet
  std::atomic<bool> refused_{false};          // the same; written under lock_
  ReadyList* reader_list_ K42_GUARDED_BY(lock_) = nullptr;
  ReadyList* writer_list_ K42_GUARDED_BY(lock_) = nullptr;
};

}  // namespace k42::io
