#include "user/linux/file_types.h"

namespace k42::personality {
namespace {

constexpr std::int64_t kNs = 1'000'000'000;

// Rounds towards the past, so that the nanoseconds are never negative.
std::int64_t Seconds(std::int64_t ns) {
  return ns >= 0 ? ns / kNs : -((-ns + kNs - 1) / kNs);
}
LinuxTimespec Timespec(std::int64_t ns) {
  return {Seconds(ns), ns - Seconds(ns) * kNs};
}
LinuxStatxTime StatxTime(std::int64_t ns) {
  return {Seconds(ns), static_cast<std::uint32_t>(ns - Seconds(ns) * kNs), 0};
}

std::int64_t FileSystemMagic(fs::FileSystemKind kind) {
  switch (kind) {
    case fs::FileSystemKind::kMemory:
      return 0x01021994;
    case fs::FileSystemKind::kRemote:
      return 0x01021997;
    case fs::FileSystemKind::kProcesses:
      return 0x9fa0;
    case fs::FileSystemKind::kSystem:
      return 0x62656572;
    case fs::FileSystemKind::kDevices:
      return 0x01021994;
    case fs::FileSystemKind::kTerminals:
      return 0x1cd1;
    case fs::FileSystemKind::kPipes:
      return 0x50495045;
    case fs::FileSystemKind::kSockets:
      return 0x534f434b;
  }
  return 0;
}

}  // namespace

std::uint32_t LinuxMode(const fs::FileAttributes& attributes) {
  std::uint32_t type = 0;
  switch (attributes.kind) {
    case fs::FileKind::kRegular:
      type = kS_IFREG;
      break;
    case fs::FileKind::kDirectory:
      type = kS_IFDIR;
      break;
    case fs::FileKind::kSymbolicLink:
      type = kS_IFLNK;
      break;
    case fs::FileKind::kFifo:
      type = kS_IFIFO;
      break;
    case fs::FileKind::kSocket:
      type = kS_IFSOCK;
      break;
    case fs::FileKind::kCharacterDevice:
      type = kS_IFCHR;
      break;
    case fs::FileKind::kBlockDevice:
      type = kS_IFBLK;
      break;
    default:
      break;
  }
  return type | (attributes.mode & fs::kModeAll);
}

LinuxStat ToLinuxStat(const fs::FileAttributes& attributes) {
  LinuxStat stat{};
  stat.dev = attributes.device;
  stat.ino = attributes.node;
  stat.nlink = attributes.links;
  stat.mode = LinuxMode(attributes);
  stat.uid = attributes.user;
  stat.gid = attributes.group;
  stat.rdev = LinuxDevice(attributes.device_major, attributes.device_minor);
  stat.size = static_cast<std::int64_t>(attributes.size);
  stat.blksize = attributes.block_size;
  stat.blocks = static_cast<std::int64_t>((attributes.allocated + 511) / 512);
  stat.atime = Timespec(attributes.access_ns);
  stat.mtime = Timespec(attributes.modify_ns);
  stat.ctime = Timespec(attributes.change_ns);
  return stat;
}

LinuxStatx ToLinuxStatx(const fs::FileAttributes& attributes) {
  LinuxStatx statx{};
  statx.mask = kStatxBasic | kStatxMount | (attributes.birth_ns ? kStatxBirth : 0);
  statx.blksize = attributes.block_size;
  statx.nlink = attributes.links;
  statx.uid = attributes.user;
  statx.gid = attributes.group;
  statx.mode = static_cast<std::uint16_t>(LinuxMode(attributes));
  statx.ino = attributes.node;
  statx.size = attributes.size;
  statx.blocks = (attributes.allocated + 511) / 512;
  statx.atime = StatxTime(attributes.access_ns);
  statx.btime = StatxTime(attributes.birth_ns);
  statx.ctime = StatxTime(attributes.change_ns);
  statx.mtime = StatxTime(attributes.modify_ns);
  statx.rdev_major = attributes.device_major;
  statx.rdev_minor = attributes.device_minor;
  statx.dev_major = static_cast<std::uint32_t>(attributes.device >> 8 & 0xfff);
  statx.dev_minor =
      static_cast<std::uint32_t>((attributes.device & 0xff) | (attributes.device >> 12 & ~0xffull));
  statx.mnt_id = attributes.mount;
  return statx;
}

LinuxStatfs ToLinuxStatfs(const fs::FileSystemInfo& info) {
  constexpr std::int64_t kReadOnly = 1, kValid = 0x20;
  LinuxStatfs statfs{};
  statfs.type = FileSystemMagic(info.kind);
  statfs.bsize = info.block_size;
  statfs.blocks = info.blocks;
  statfs.bfree = info.blocks_free;
  statfs.bavail = info.blocks_free;
  statfs.files = info.files;
  statfs.ffree = info.files_free;
  statfs.fsid[0] = static_cast<std::int32_t>(info.device);
  statfs.fsid[1] = static_cast<std::int32_t>(info.device >> 32);
  statfs.namelen = info.name_max;
  statfs.frsize = info.block_size;
  statfs.flags = kValid | (info.read_only ? kReadOnly : 0);
  return statfs;
}

}  // namespace k42::personality
