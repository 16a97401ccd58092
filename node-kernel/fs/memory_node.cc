#include "fs/memory_node.h"

#include <algorithm>

#include "fs/memory_fs.h"

namespace k42::fs {

MemoryNode::MemoryNode(MemoryFileSystem& file_system, FileKind kind, std::uint64_t number,
                       const Ownership& owned)
    : Node(file_system, kind, number, owned),
      access_ns_(RealtimeNs()),
      modify_ns_(access_ns_),
      change_ns_(access_ns_),
      birth_ns_(access_ns_) {
  file_system.CountFile(1);
}

MemoryNode::~MemoryNode() {
  memory_file_system().CountFile(-1);
}

MemoryFileSystem& MemoryNode::memory_file_system() const {
  return static_cast<MemoryFileSystem&>(file_system());
}

Status MemoryNode::GetAttributes(FileAttributes* attributes) {
  FillSize(attributes);
  attributes->block_size = 4096;
  machine::SpinGuard guard(attributes_lock_);
  const Ownership owned = ownership();
  attributes->mode = owned.mode;
  attributes->user = owned.user;
  attributes->group = owned.group;
  attributes->links = links_;
  attributes->access_ns = access_ns_;
  attributes->modify_ns = modify_ns_;
  attributes->change_ns = change_ns_;
  attributes->birth_ns = birth_ns_;
  return Status::kOk;
}

Status MemoryNode::SetAttributes(const AttributeChange& change) {
  if ((change.mask & kSetSize) != 0) {
    TRY(Resize(change.size));
  }
  const std::int64_t now = RealtimeNs();
  machine::SpinGuard guard(attributes_lock_);
  Ownership owned = ownership();
  if ((change.mask & kSetMode) != 0) {
    owned.mode = change.mode & kModeAll;
  }
  if ((change.mask & kSetUser) != 0) {
    owned.user = change.user;
  }
  if ((change.mask & kSetGroup) != 0) {
    owned.group = change.group;
  }
  SetOwnership(owned);
  if ((change.mask & (kSetAccessTime | kSetAccessTimeNow)) != 0) {
    access_ns_ = (change.mask & kSetAccessTimeNow) != 0 ? now : change.access_ns;
  }
  if ((change.mask & (kSetModifyTime | kSetModifyTimeNow)) != 0) {
    modify_ns_ = (change.mask & kSetModifyTimeNow) != 0 ? now : change.modify_ns;
  } else if ((change.mask & kSetSize) != 0) {
    modify_ns_ = now;
  }
  change_ns_ = now;
  return Status::kOk;
}

Status MemoryNode::Resize(std::uint64_t) {
  return Status::kInvalidArgument;
}

std::uint32_t MemoryNode::links() {
  machine::SpinGuard guard(attributes_lock_);
  return links_;
}

void MemoryNode::CountLink(int delta) {
  const std::int64_t now = RealtimeNs();
  machine::SpinGuard guard(attributes_lock_);
  links_ += static_cast<std::uint32_t>(delta);
  change_ns_ = now;
}

void MemoryNode::TouchModified() {
  const std::int64_t now = RealtimeNs();
  machine::SpinGuard guard(attributes_lock_);
  modify_ns_ = change_ns_ = now;
}

void MemoryNode::TouchModifiedAt(std::int64_t ns) {
  const std::int64_t now = RealtimeNs();
  machine::SpinGuard guard(attributes_lock_);
  modify_ns_ = change_ns_ = std::max(std::min(change_ns_, now), std::min(ns, now));
}

void MemoryNode::TouchChanged() {
  const std::int64_t now = RealtimeNs();
  machine::SpinGuard guard(attributes_lock_);
  change_ns_ = now;
}

// As "relatime": only if the last read was before the last change, or a day ago.
void MemoryNode::TouchAccessed() {
  constexpr std::int64_t kDay = 86'400'000'000'000;
  const std::int64_t now = RealtimeNs();
  machine::SpinGuard guard(attributes_lock_);
  if (access_ns_ <= modify_ns_ || access_ns_ <= change_ns_ || now - access_ns_ > kDay) {
    access_ns_ = now;
  }
}

}  // namespace k42::fs
