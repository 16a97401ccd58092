// What files hold: blocks by number.
#include <algorithm>
#include <cstring>

#include "user/memory_files/tree.h"

namespace k42::memory_files {

Block* Tree::FindBlock(File& file, std::uint64_t number, bool make) {
  Block* block = file.contents.Floor(number);
  if (block != nullptr && block->number == number)
    return block;
  if (!make)
    return nullptr;
  block = New<Block>();
  if (block == nullptr)
    return nullptr;
  block->number = number;
  block->bytes = static_cast<std::byte*>(Allocate(kBlock));
  if (block->bytes == nullptr) {
    Delete(block);
    return nullptr;
  }
  std::memset(block->bytes, 0, kBlock);
  file.contents.Insert(block);
  ++file.blocks;
  return block;
}

void Tree::FreeBlocks(File& file, std::uint64_t first) {
  while (Block* block = file.contents.Ceiling(first)) {
    file.contents.Remove(block);
    --file.blocks;
    Free(block->bytes, kBlock);
    Delete(block);
  }
}

Error Tree::Read(File& file, std::uint64_t offset, std::span<std::byte> to, std::size_t* count) {
  *count = 0;
  if (!file.Is(kRegular))
    return file.Is(kDirectory) ? Error::kIsDirectory : Error::kInvalid;
  const std::uint64_t left = file.size - std::min(file.size, offset);
  to = to.first(static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), left)));
  while (*count < to.size()) {
    const std::uint64_t at = offset + *count;
    const std::size_t within = at % kBlock;
    const std::size_t part = std::min(kBlock - within, to.size() - *count);
    if (const Block* block = FindBlock(file, at / kBlock, false))
      std::memcpy(to.data() + *count, block->bytes + within, part);
    else
      std::memset(to.data() + *count, 0, part);
    *count += part;
  }
  file.access_ns = now();
  return Error::kNone;
}

Error Tree::Write(File& file, std::uint64_t offset, std::span<const std::byte> from,
                  std::size_t* count) {
  *count = 0;
  if (!file.Is(kRegular))
    return file.Is(kDirectory) ? Error::kIsDirectory : Error::kInvalid;
  if (offset > kSizeMost || from.size() > kSizeMost - offset)
    return Error::kTooLarge;
  while (*count < from.size()) {
    const std::uint64_t at = offset + *count;
    const std::size_t within = at % kBlock;
    const std::size_t part = std::min(kBlock - within, from.size() - *count);
    Block* block = FindBlock(file, at / kBlock, true);
    if (block == nullptr)
      break;
    std::memcpy(block->bytes + within, from.data() + *count, part);
    *count += part;
  }
  if (*count == 0)
    return from.empty() ? Error::kNone : Error::kNoSpace;
  file.size = std::max(file.size, offset + *count);
  Touch(file);
  return Error::kNone;
}

Error Tree::Resize(File& file, std::uint64_t size) {
  if (!file.Is(kRegular))
    return file.Is(kDirectory) ? Error::kIsDirectory : Error::kInvalid;
  if (size > kSizeMost)
    return Error::kTooLarge;
  if (size < file.size) {
    FreeBlocks(file, size / kBlock + (size % kBlock != 0));
    // What is cut off reads as zero should the file grow again.
    if (Block* last = size % kBlock != 0 ? FindBlock(file, size / kBlock, false) : nullptr)
      std::memset(last->bytes + size % kBlock, 0, kBlock - size % kBlock);
  }
  file.size = size;
  Touch(file);
  return Error::kNone;
}

}  // namespace k42::memory_files
