#include "io/stream_attributes.h"

#include <atomic>

#include "fs/clock.h"

namespace k42::io {
namespace {
constexpr std::uint64_t kPipeDevice = 14;
constexpr std::uint64_t kSocketDevice = 15;
constexpr std::uint64_t kOtherDevice = 13;
constinit std::atomic<std::uint64_t> next_number{1};

std::uint64_t DeviceOf(fs::FileKind kind) {
  switch (kind) {
    case fs::FileKind::kFifo:
      return kPipeDevice;
    case fs::FileKind::kSocket:
      return kSocketDevice;
    default:
      return kOtherDevice;
  }
}
}  // namespace

StreamIdentity NewStreamIdentity(fs::FileKind kind, const fs::Identity& who) {
  return {kind, next_number.fetch_add(1, std::memory_order_relaxed), who.user, who.group,
          fs::RealtimeNs()};
}

void FillAttributes(const StreamIdentity& identity, fs::FileAttributes* attributes) {
  *attributes = {};
  attributes->node = identity.number;
  attributes->device = DeviceOf(identity.kind);
  attributes->kind = identity.kind;
  attributes->mode = identity.kind == fs::FileKind::kSocket ? 0777 : 0600;
  attributes->links = 1;
  attributes->user = identity.user;
  attributes->group = identity.group;
  attributes->block_size = 4096;
  attributes->access_ns = attributes->modify_ns = attributes->change_ns = attributes->birth_ns =
      identity.birth_ns;
}

void FillFileSystem(const StreamIdentity& identity, fs::FileSystemInfo* info) {
  *info = {};
  info->kind = identity.kind == fs::FileKind::kSocket ? fs::FileSystemKind::kSockets
                                                      : fs::FileSystemKind::kPipes;
  info->block_size = 4096;
  info->name_max = fs::kNameMax;
  info->device = DeviceOf(identity.kind);
}

Status NodeAttributes(fs::Node& node, fs::FileAttributes* attributes) {
  *attributes = {};
  TRY(node.GetAttributes(attributes));
  attributes->device = node.file_system().device();
  attributes->node = node.number();
  attributes->kind = node.kind();
  return Status::kOk;
}

}  // namespace k42::io
