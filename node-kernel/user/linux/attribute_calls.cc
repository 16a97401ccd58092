// stat, statx, statfs, and changes of attributes: conversions between fs/file.idl and Linux.
#include <cstring>

#include "user/linux/call_support.h"
#include "user/linux/descriptor_folder.h"
#include "user/linux/file_types.h"

namespace k42::personality::calls {
namespace {

constexpr U32 kStatFlags =
    kAT_EMPTY_PATH | kAT_SYMLINK_NOFOLLOW | kAT_NO_AUTOMOUNT | kAT_STATX_SYNC;
constexpr I64 kUTimeNow = 0x3fffffff, kUTimeOmit = 0x3ffffffe;

// What sits behind a descriptor, of whatever kind.
std::int64_t DescriptorAttributes(Description* description, fs::FileAttributes* attributes) {
  if (description->kind() == Description::Kind::kFile) {
    return ErrnoOf(
        kernel::GetFileAttributes(static_cast<KernelFile*>(description)->handle(), attributes));
  }
  if (AsDescriptorFolder(description)) {
    FolderAttributes(attributes);
    return 0;
  }
  *attributes = {};  // an anonymous inode: no type, owner read and write
  attributes->mode = 0600;
  attributes->links = 1;
  attributes->block_size = 4096;
  attributes->node = 1;
  return 0;
}

std::int64_t PathAttributes(Thread& thread, std::int32_t directory, std::uint64_t address,
                            std::uint32_t flags, fs::FileAttributes* attributes) {
  if (flags & kAT_EMPTY_PATH) {
    // The common form of fstat: no name to walk.
    char first = 1;
    if (address != 0 && !ReadUser(&first, address)) {
      return -kEFAULT;
    }
    if ((address == 0 || first == 0) && directory != kAtFdCwd) {
      DescriptionRef description = Descriptor(thread, static_cast<U32>(directory));
      return description ? DescriptorAttributes(description.get(), attributes) : -kEBADF;
    }
  }
  PathArgument path(thread, directory, address, (flags & kAT_EMPTY_PATH) != 0);
  if (path.error()) {
    return path.error();
  }
  std::uint32_t walk = flags & kAT_SYMLINK_NOFOLLOW ? fs::kWalkNoFollow : 0;
  walk |= flags & kAT_EMPTY_PATH ? fs::kWalkEmptyPath : 0;
  const DescriptorPath& named = path.descriptor();
  if (named.form == DescriptorPath::Form::kFolder &&
      (!named.alias || (walk & fs::kWalkNoFollow) == 0)) {
    FolderAttributes(attributes);
    return 0;
  }
  if (path.names_link(walk) && named.pid == thread.task->pid) {
    LinkAttributesOf(*Descriptor(thread, named.fd).get(), named.fd, attributes);
    return 0;
  }
  walk = path.Follow(thread, walk);
  return path.followed() ? DescriptorAttributes(path.followed(), attributes)
                         : ErrnoOf(kernel::GetAttributes(path.get(), walk, attributes));
}

std::int64_t StatPath(Thread& thread, std::int32_t directory, std::uint64_t path,
                      std::uint32_t flags, std::uint64_t result) {
  fs::FileAttributes attributes{};
  if (const std::int64_t error = PathAttributes(thread, directory, path, flags, &attributes)) {
    return error;
  }
  return WriteUser(result, ToLinuxStat(attributes)) ? 0 : -kEFAULT;
}

std::int64_t ChangePath(Thread& thread, std::int32_t directory, std::uint64_t address,
                        std::uint32_t flags, const fs::AttributeChange& change) {
  PathArgument path(thread, directory, address, (flags & kAT_EMPTY_PATH) != 0);
  if (path.error()) {
    return path.error();
  }
  std::uint32_t walk = flags & kAT_SYMLINK_NOFOLLOW ? fs::kWalkNoFollow : 0;
  walk |= flags & kAT_EMPTY_PATH ? fs::kWalkEmptyPath : 0;
  walk = path.Follow(thread, walk);
  const kernel::Path where = path.get();
  Status status = kernel::SetAttributes(where, walk, change);
  if (path.followed() && status == Status::kNotDirectory) {
    status = kernel::SetFileAttributes(where.directory, change);  // it has no name
  }
  return ErrnoOf(status);
}

std::int64_t ChangeDescriptor(Thread& thread, std::uint32_t fd, const fs::AttributeChange& change) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description || !description.file() || (description->linux_flags() & kO_PATH) != 0) {
    return -kEBADF;
  }
  return ErrnoOf(kernel::SetFileAttributes(description.file()->handle(), change));
}

fs::AttributeChange OwnerChange(U32 user, U32 group) {
  fs::AttributeChange change{};
  change.user = user;
  change.group = group;
  change.mask = (user != ~0u ? fs::kSetUser : 0) | (group != ~0u ? fs::kSetGroup : 0);
  return change;
}
fs::AttributeChange ModeChange(U32 mode) {
  fs::AttributeChange change{};
  change.mask = fs::kSetMode;
  change.mode = mode & 07777;
  return change;
}
fs::AttributeChange TimeChange(I64 access_ns, I64 modify_ns) {
  fs::AttributeChange change{};
  change.mask = fs::kSetAccessTime | fs::kSetModifyTime;
  change.access_ns = access_ns;
  change.modify_ns = modify_ns;
  return change;
}
constexpr U32 kNowMask = fs::kSetAccessTimeNow | fs::kSetModifyTimeNow;

std::int64_t ApplyTimes(Thread& thread, std::int32_t directory, std::uint64_t path, U32 flags,
                        const fs::AttributeChange& change) {
  if (path == 0 || (flags & kAT_EMPTY_PATH)) {
    if (path == 0 && directory == kAtFdCwd) {
      return -kEFAULT;
    }
    if (path == 0) {
      return ChangeDescriptor(thread, static_cast<U32>(directory), change);
    }
  }
  return ChangePath(thread, directory, path, flags, change);
}

std::int64_t StatFsReply(const fs::FileSystemInfo& info, std::uint64_t result) {
  return WriteUser(result, ToLinuxStatfs(info)) ? 0 : -kEFAULT;
}

}  // namespace

Reply Stat(Thread& thread, Address path, Address result) {
  return StatPath(thread, kAtFdCwd, path, 0, result);
}
Reply LStat(Thread& thread, Address path, Address result) {
  return StatPath(thread, kAtFdCwd, path, kAT_SYMLINK_NOFOLLOW, result);
}
Reply FStat(Thread& thread, U32 fd, Address result) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  fs::FileAttributes attributes{};
  if (const std::int64_t error = DescriptorAttributes(description.get(), &attributes)) {
    return error;
  }
  return WriteUser(result, ToLinuxStat(attributes)) ? 0 : -kEFAULT;
}
Reply NewFStatAt(Thread& thread, I32 directory, Address path, Address result, U32 flags) {
  if ((flags & ~kStatFlags) != 0) {
    return -kEINVAL;
  }
  return StatPath(thread, directory, path, flags, result);
}

Reply Statx(Thread& thread, I32 directory, Address path, U32 flags, U32 mask, Address result) {
  if ((flags & ~kStatFlags) != 0 || (mask & 0x80000000u) != 0) {
    return -kEINVAL;
  }
  fs::FileAttributes attributes{};
  if (const std::int64_t error = PathAttributes(thread, directory, path, flags, &attributes)) {
    return error;
  }
  return WriteUser(result, ToLinuxStatx(attributes)) ? 0 : -kEFAULT;
}

Reply StatFs(Thread& thread, Address address, Address result) {
  PathArgument path(thread, kAtFdCwd, address);
  if (path.error()) {
    return path.error();
  }
  (void)path.Follow(thread, 0);
  const kernel::Path where = path.get();
  fs::FileSystemInfo info{};
  const Status status = path.followed() ? kernel::FileSystemOf(where.directory, &info)
                                        : kernel::GetFileSystem(where, &info);
  return status == Status::kOk ? StatFsReply(info, result) : ErrnoOf(status);
}
Reply FStatFs(Thread& thread, U32 fd, Address result) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description || !description.file()) {
    return -kEBADF;
  }
  fs::FileSystemInfo info{};
  const Status status = kernel::FileSystemOf(description.file()->handle(), &info);
  return status == Status::kOk ? StatFsReply(info, result) : ErrnoOf(status);
}

Reply ChangeMode(Thread& thread, Address path, U32 mode) {
  return ChangePath(thread, kAtFdCwd, path, 0, ModeChange(mode));
}
Reply FChangeMode(Thread& thread, U32 fd, U32 mode) {
  return ChangeDescriptor(thread, fd, ModeChange(mode));
}
Reply FChangeModeAt(Thread& thread, I32 directory, Address path, U32 mode) {
  return ChangePath(thread, directory, path, 0, ModeChange(mode));
}
Reply FChangeModeAt2(Thread& thread, I32 directory, Address path, U32 mode, U32 flags) {
  if ((flags & ~(kAT_SYMLINK_NOFOLLOW | kAT_EMPTY_PATH)) != 0) {
    return -kEINVAL;
  }
  if (flags & kAT_SYMLINK_NOFOLLOW) {
    fs::FileAttributes attributes{};
    if (const std::int64_t error = PathAttributes(thread, directory, path, flags, &attributes)) {
      return error;
    }
    if (attributes.kind == fs::FileKind::kSymbolicLink) {
      return -kEOPNOTSUPP;  // a link's mode means nothing, and nobody can change it
    }
  }
  return ChangePath(thread, directory, path, flags, ModeChange(mode));
}
Reply ChangeOwner(Thread& thread, Address path, U32 user, U32 group) {
  return ChangePath(thread, kAtFdCwd, path, 0, OwnerChange(user, group));
}
Reply LChangeOwner(Thread& thread, Address path, U32 user, U32 group) {
  return ChangePath(thread, kAtFdCwd, path, kAT_SYMLINK_NOFOLLOW, OwnerChange(user, group));
}
Reply FChangeOwner(Thread& thread, U32 fd, U32 user, U32 group) {
  return ChangeDescriptor(thread, fd, OwnerChange(user, group));
}
Reply FChangeOwnerAt(Thread& thread, I32 directory, Address path, U32 user, U32 group, U32 flags) {
  return ChangePath(thread, directory, path, flags, OwnerChange(user, group));
}

Reply Truncate(Thread& thread, Address path, I64 size) {
  if (size < 0) {
    return -kEINVAL;
  }
  fs::AttributeChange change{};
  change.mask = fs::kSetSize;
  change.size = static_cast<std::uint64_t>(size);
  return ChangePath(thread, kAtFdCwd, path, 0, change);
}

Reply UTime(Thread& thread, Address path, Address times) {
  fs::AttributeChange change{};
  change.mask = kNowMask;
  if (times != 0) {
    I64 seconds[2];
    if (!ReadUser(&seconds, times)) {
      return -kEFAULT;
    }
    change = TimeChange(seconds[0] * kNsPerSecond, seconds[1] * kNsPerSecond);
  }
  return ApplyTimes(thread, kAtFdCwd, path, 0, change);
}
Reply UTimes(Thread& thread, Address path, Address times) {
  return FUTimesAt(thread, kAtFdCwd, path, times);
}
Reply FUTimesAt(Thread& thread, I32 directory, Address path, Address times) {
  fs::AttributeChange change{};
  change.mask = kNowMask;
  if (times != 0) {
    LinuxTimeval values[2];
    if (!ReadUser(&values, times)) {
      return -kEFAULT;
    }
    for (const LinuxTimeval& value : values) {
      if (value.microseconds < 0 || value.microseconds >= 1'000'000) {
        return -kEINVAL;
      }
    }
    change = TimeChange(values[0].seconds * kNsPerSecond + values[0].microseconds * 1000,
                        values[1].seconds * kNsPerSecond + values[1].microseconds * 1000);
  }
  return ApplyTimes(thread, directory, path, 0, change);
}

Reply UTimeNsAt(Thread& thread, I32 directory, Address path, Address times, U32 flags) {
  if ((flags & ~(kAT_SYMLINK_NOFOLLOW | kAT_EMPTY_PATH)) != 0) {
    return -kEINVAL;
  }
  fs::AttributeChange change{};
  change.mask = kNowMask;
  if (times != 0) {
    LinuxTimespec values[2];
    if (!ReadUser(&values, times)) {
      return -kEFAULT;
    }
    for (const LinuxTimespec& value : values) {
      if (value.nanoseconds != kUTimeNow && value.nanoseconds != kUTimeOmit &&
          (value.nanoseconds < 0 || value.nanoseconds >= kNsPerSecond)) {
        return -kEINVAL;
      }
    }
    change = {};
    change.access_ns = values[0].seconds * kNsPerSecond + values[0].nanoseconds;
    change.modify_ns = values[1].seconds * kNsPerSecond + values[1].nanoseconds;
    if (values[0].nanoseconds != kUTimeOmit) {
      change.mask |=
          values[0].nanoseconds == kUTimeNow ? fs::kSetAccessTimeNow : fs::kSetAccessTime;
    }
    if (values[1].nanoseconds != kUTimeOmit) {
      change.mask |=
          values[1].nanoseconds == kUTimeNow ? fs::kSetModifyTimeNow : fs::kSetModifyTime;
    }
    if (change.mask == 0) {
      return 0;
    }
  }
  return ApplyTimes(thread, directory, path, flags, change);
}

// No file has extended attributes; but there must be a file.
namespace {
std::int64_t FindFile(Thread& thread, Address address, U32 walk) {
  fs::FileAttributes attributes{};
  PathArgument path(thread, kAtFdCwd, address);
  if (path.error()) {
    return path.error();
  }
  walk = path.Follow(thread, walk);
  if (path.error()) {
    return path.error();
  }
  return ErrnoOf(kernel::GetAttributes(path.get(), walk, &attributes));
}
std::int64_t OrNotSupported(std::int64_t error) {
  return error ? error : -std::int64_t{kEOPNOTSUPP};
}
}  // namespace

Reply ExtendedAttribute(Thread& thread, Address path) {
  return OrNotSupported(FindFile(thread, path, 0));
}
Reply LExtendedAttribute(Thread& thread, Address path) {
  return OrNotSupported(FindFile(thread, path, fs::kWalkNoFollow));
}
Reply FExtendedAttribute(Thread& thread, U32 fd) {
  return Descriptor(thread, fd) ? -kEOPNOTSUPP : -kEBADF;
}
Reply ListExtendedAttributes(Thread& thread, Address path) {
  return FindFile(thread, path, 0);
}
Reply LListExtendedAttributes(Thread& thread, Address path) {
  return FindFile(thread, path, fs::kWalkNoFollow);
}
Reply FListExtendedAttributes(Thread& thread, U32 fd) {
  return Descriptor(thread, fd) ? 0 : -kEBADF;
}

}  // namespace k42::personality::calls
