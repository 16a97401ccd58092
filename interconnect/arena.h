// The host's view of an arena: a shared mapping and, once its kernel has formatted it, its layout.
// Used for the own node's arena and, read from the other side, for a peer's on the same host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "abi/arena_layout.h"
#include "base/result.h"
#include "interconnect/identity.h"

namespace k42::interconnect {

class Arena {
 public:
  // Maps [offset, offset + size) of `fd`, which stays the caller's. Null: errno says why.
  static std::unique_ptr<Arena> Map(int fd, std::uint64_t offset, std::uint64_t size);
  // A new memory file with a formatted arena in it, for tests and for nodes without a kernel.
  static std::unique_ptr<Arena> CreateFormatted(std::uint64_t size, std::uint32_t cpu_count);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Reads the kernel's header; kUnavailable until it has formatted the arena.
  Status CheckHeader();
  bool formatted() const { return layout_.cpu_count != 0; }
  const abi::ArenaLayout& layout() const { return layout_; }

  int fd() const { return fd_; }  // ours, for passing it on
  std::uint64_t file_offset() const { return file_offset_; }
  std::uint64_t size() const { return size_; }
  std::byte* At(std::uint64_t offset) { return base_ + offset; }
  template <typename T>
  T& Get(std::uint64_t offset) {
    return *reinterpret_cast<T*>(base_ + offset);
  }
  abi::ArenaHeader& header() { return Get<abi::ArenaHeader>(0); }
  abi::DaemonHeader& daemon() { return Get<abi::DaemonHeader>(abi::kArenaPage); }
  abi::Operation& operation(std::uint32_t slot) {
    return Get<abi::Operation>(layout_.OperationAt(slot));
  }
  abi::WindowEntry& window(std::uint32_t index) {
    return Get<abi::WindowEntry>(layout_.windows + index * sizeof(abi::WindowEntry));
  }

  // May `peer` do `access` to [offset, offset + length) of the window? Its place in the arena if
  // so.
  Result<std::uint64_t> Resolve(abi::WindowId id, PeerId peer, std::uint64_t offset,
                                std::uint64_t length, std::uint32_t access);

 private:
  Arena(std::byte* base, int fd, std::uint64_t file_offset, std::uint64_t size)
      : base_(base), fd_(fd), file_offset_(file_offset), size_(size) {}

  std::byte* base_;
  int fd_;
  std::uint64_t file_offset_;
  std::uint64_t size_;
  abi::ArenaLayout layout_;
};

}  // namespace k42::interconnect
