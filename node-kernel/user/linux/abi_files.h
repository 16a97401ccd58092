// Files as Linux x86-64 lays them out: open and fcntl flags, stat, statx, dirent, statfs, iovec.
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::personality {

// OpenFlag.
inline constexpr std::uint32_t kO_RDONLY = 0, kO_WRONLY = 1, kO_RDWR = 2, kO_ACCMODE = 3,
                               kO_CREAT = 0100, kO_EXCL = 0200, kO_NOCTTY = 0400, kO_TRUNC = 01000,
                               kO_APPEND = 02000, kO_NONBLOCK = 04000, kO_DSYNC = 010000,
                               kO_ASYNC = 020000, kO_DIRECT = 040000, kO_LARGEFILE = 0100000,
                               kO_DIRECTORY = 0200000, kO_NOFOLLOW = 0400000, kO_NOATIME = 01000000,
                               kO_CLOEXEC = 02000000, kO_SYNC = 04010000, kO_PATH = 010000000,
                               kO_TMPFILE = 020200000;
// What fcntl(F_SETFL) may change.
inline constexpr std::uint32_t kSetFlagsMask =
    kO_APPEND | kO_NONBLOCK | kO_ASYNC | kO_DIRECT | kO_NOATIME;

inline constexpr std::int32_t kAtFdCwd = -100;
// AtFlag.
inline constexpr std::uint32_t kAT_SYMLINK_NOFOLLOW = 0x100, kAT_REMOVEDIR = 0x200,
                               kAT_EACCESS = 0x200, kAT_SYMLINK_FOLLOW = 0x400,
                               kAT_NO_AUTOMOUNT = 0x800, kAT_EMPTY_PATH = 0x1000,
                               kAT_STATX_SYNC = 0x6000;

// Fcntl.
inline constexpr std::uint32_t kF_DUPFD = 0, kF_GETFD = 1, kF_SETFD = 2, kF_GETFL = 3, kF_SETFL = 4,
                               kF_GETLK = 5, kF_SETLK = 6, kF_SETLKW = 7, kF_SETOWN = 8,
                               kF_GETOWN = 9, kF_SETSIG = 10, kF_GETSIG = 11, kF_OFD_GETLK = 36,
                               kF_OFD_SETLK = 37, kF_OFD_SETLKW = 38, kF_DUPFD_CLOEXEC = 1030,
                               kF_SETPIPE_SZ = 1031, kF_GETPIPE_SZ = 1032, kF_ADD_SEALS = 1033,
                               kF_GET_SEALS = 1034;
inline constexpr std::uint32_t kFdCloexec = 1;

// FileTypeMode.
inline constexpr std::uint32_t kS_IFMT = 0170000, kS_IFSOCK = 0140000, kS_IFLNK = 0120000,
                               kS_IFREG = 0100000, kS_IFBLK = 0060000, kS_IFDIR = 0040000,
                               kS_IFCHR = 0020000, kS_IFIFO = 0010000;

struct LinuxTimespec {
  std::int64_t seconds;
  std::int64_t nanoseconds;
};
struct LinuxTimeval {
  std::int64_t seconds;
  std::int64_t microseconds;
};

struct LinuxStat {
  std::uint64_t dev, ino, nlink;
  std::uint32_t mode, uid, gid, pad0;
  std::uint64_t rdev;
  std::int64_t size, blksize, blocks;
  LinuxTimespec atime, mtime, ctime;
  std::int64_t unused[3];
};
static_assert(sizeof(LinuxStat) == 144);

struct LinuxStatxTime {
  std::int64_t seconds;
  std::uint32_t nanoseconds;
  std::int32_t reserved;
};
struct LinuxStatx {
  std::uint32_t mask, blksize;
  std::uint64_t attributes;
  std::uint32_t nlink, uid, gid;
  std::uint16_t mode, spare0;
  std::uint64_t ino, size, blocks, attributes_mask;
  LinuxStatxTime atime, btime, ctime, mtime;
  std::uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
  std::uint64_t mnt_id;
  std::uint64_t spare[13];
};
static_assert(sizeof(LinuxStatx) == 256);
inline constexpr std::uint32_t kStatxBasic = 0x7ff, kStatxBirth = 0x800, kStatxMount = 0x1000;

struct LinuxStatfs {
  std::int64_t type, bsize;
  std::uint64_t blocks, bfree, bavail, files, ffree;
  std::int32_t fsid[2];
  std::int64_t namelen, frsize, flags;
  std::int64_t spare[4];
};
static_assert(sizeof(LinuxStatfs) == 120);

struct LinuxDirent {  // getdents64; the name follows
  std::uint64_t ino;
  std::int64_t off;
  std::uint16_t reclen;
  std::uint8_t type;
};
inline constexpr std::size_t kDirentNameOffset = 19;
// DirentType.
inline constexpr std::uint8_t kDT_UNKNOWN = 0, kDT_FIFO = 1, kDT_CHR = 2, kDT_DIR = 4, kDT_BLK = 6,
                              kDT_REG = 8, kDT_LNK = 10, kDT_SOCK = 12;

struct LinuxIovec {
  std::uint64_t base, size;
};
inline constexpr std::uint64_t kIovMax = 1024;
inline constexpr std::uint64_t kMaxTransfer = 0x7ffff000;  // bytes of one read or write

struct LinuxFlock {
  std::int16_t type, whence;
  std::int32_t pad0;
  std::int64_t start, length;
  std::int32_t pid, pad1;
};
static_assert(sizeof(LinuxFlock) == 32);
// FlockType.
inline constexpr std::int16_t kF_RDLCK = 0, kF_WRLCK = 1, kF_UNLCK = 2;
// FlockOperation.
inline constexpr std::uint32_t kLOCK_SH = 1, kLOCK_EX = 2, kLOCK_NB = 4, kLOCK_UN = 8;

struct LinuxPollFd {
  std::int32_t fd;
  std::int16_t events, revents;
};
// PollBit.
inline constexpr std::uint32_t kPOLLIN = 1, kPOLLPRI = 2, kPOLLOUT = 4, kPOLLERR = 8,
                               kPOLLHUP = 0x10, kPOLLNVAL = 0x20, kPOLLRDNORM = 0x40,
                               kPOLLRDBAND = 0x80, kPOLLWRNORM = 0x100, kPOLLWRBAND = 0x200,
                               kPOLLRDHUP = 0x2000;

}  // namespace k42::personality
