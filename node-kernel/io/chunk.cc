#include "io/chunk.h"

#include <algorithm>
#include <new>

#include "io/attachment.h"
#include "mem/heap.h"

namespace k42::io {

Result<Chunk*> Chunk::Make(std::uint32_t capacity) {
  void* space = mem::Allocate(sizeof(Chunk) + capacity);
  if (space == nullptr) {
    return Status::kNoMemory;
  }
  Chunk* chunk = ::new (space) Chunk;
  chunk->capacity = capacity;
  return chunk;
}

void Chunk::Free(Chunk* chunk) {
  Attachment::Free(chunk->attachment);
  const std::size_t size = sizeof(Chunk) + chunk->capacity;
  chunk->~Chunk();
  mem::Free(chunk, size);
}

void FreeAll(ChunkList& chunks) {
  while (Chunk* chunk = chunks.PopFront()) {
    Chunk::Free(chunk);
  }
}

Status Fill(ChunkList& chunks, BufferIn from, std::size_t offset, std::size_t size, bool message) {
  bool first = true;
  do {
    const auto part = static_cast<std::uint32_t>(std::min<std::size_t>(size, Chunk::kLargest));
    Chunk* chunk = TRY(Chunk::Make(std::max(part, Chunk::kSmallest)));
    chunks.PushBack(chunk);
    chunk->end = part;
    chunk->message = message && first;
    chunk->more = message && part < size;
    TRY(from.CopyTo(chunk->data(), offset, part));
    offset += part;
    size -= part;
    first = false;
  } while (size != 0);
  return Status::kOk;
}

}  // namespace k42::io
