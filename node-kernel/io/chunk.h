// Chunk: bytes on their way through a stream. Filled from the sender's memory before any lock is
// taken, linked into a queue, emptied into the receiver's memory after it has been taken out: user
// memory is never touched with a stream locked.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/intrusive_list.h"
#include "base/result.h"

namespace k42::io {

// What travels with the first byte of a chunk: handles, who sent, from where (attachment.h).
class Attachment;

struct Chunk : ListLink<> {
  static constexpr std::uint32_t kLargest = 16 << 10;
  static constexpr std::uint32_t kSmallest = 256;  // room for later small writes

  Attachment* attachment = nullptr;
  std::uint32_t begin = 0;  // bytes [begin, end) of data() wait
  std::uint32_t end = 0;
  std::uint32_t capacity = 0;
  std::uint32_t overhead = 0;  // what it costs beyond its bytes (conduit.h)
  bool message = false;        // a message starts here ...
  bool more = false;           // ... and goes on in the next chunk

  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
  std::uint32_t size() const { return end - begin; }

  static Result<Chunk*> Make(std::uint32_t capacity);
  // Also its attachment: handles nobody received are closed.
  static void Free(Chunk* chunk);
};

using ChunkList = IntrusiveList<Chunk>;

void FreeAll(ChunkList& chunks);

// Copies [offset, offset + size) of `from` into new chunks at the end of `chunks`; with `message`
// they are one message (size 0: an empty one).
Status Fill(ChunkList& chunks, BufferIn from, std::size_t offset, std::size_t size, bool message);

}  // namespace k42::io
