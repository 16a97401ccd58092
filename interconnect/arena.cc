#include "interconnect/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/arena_format.h"

namespace k42::interconnect {

std::unique_ptr<Arena> Arena::Map(int fd, std::uint64_t offset, std::uint64_t size) {
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0)
    return nullptr;
  void* base =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, own, static_cast<off_t>(offset));
  if (base == MAP_FAILED) {
    close(own);
    return nullptr;
  }
  return std::unique_ptr<Arena>(new Arena(static_cast<std::byte*>(base), own, offset, size));
}

std::unique_ptr<Arena> Arena::CreateFormatted(std::uint64_t size, std::uint32_t cpu_count) {
  int fd = memfd_create("k42-arena", MFD_CLOEXEC);
  if (fd < 0)
    return nullptr;
  std::unique_ptr<Arena> arena;
  if (ftruncate(fd, static_cast<off_t>(size)) == 0)
    arena = Map(fd, 0, size);
  close(fd);
  const std::uint8_t boot_id[16] = {};
  if (arena == nullptr || !abi::FormatArena(arena->base_, size, cpu_count, boot_id).ok() ||
      arena->CheckHeader() != Status::kOk)
    return nullptr;
  return arena;
}

Arena::~Arena() {
  munmap(base_, size_);
  close(fd_);
}

Status Arena::CheckHeader() {
  layout_ = TRY(abi::CheckArenaHeader(header(), size_));
  return Status::kOk;
}

Result<std::uint64_t> Arena::Resolve(abi::WindowId id, PeerId peer, std::uint64_t offset,
                                     std::uint64_t length, std::uint32_t access) {
  std::uint32_t index = abi::WindowIndex(id);
  if (index >= abi::kMaxWindows)
    return Status::kRevoked;
  abi::WindowEntry& entry = window(index);
  std::uint32_t generation = entry.generation.load(std::memory_order_acquire);
  std::uint32_t only_node = LoadOnce(entry.peer_node);
  if (only_node != 0 &&
      (only_node != peer.node || LoadOnce(entry.peer_incarnation) != peer.incarnation))
    return Status::kPermissionDenied;
  return abi::CheckWindow(layout_, generation, LoadOnce(entry.offset), LoadOnce(entry.size),
                          LoadOnce(entry.access), id, offset, length, access);
}

}  // namespace k42::interconnect
