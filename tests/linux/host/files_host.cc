// The seam over the host's Linux: names, files, streams.
#include <cstring>

#include "abi/directory_record.h"
#include "tests/linux/host/host_calls.h"
#include "tests/linux/host/host_tickets.h"
#include "user/linux/abi_files.h"
#include "user/linux/abi_sockets.h"
#include "user/linux/kernel.h"
#include "user/linux/poll_bits.h"
#include "user/linux/socket_address.h"
#include "user/linux/terminal.h"

namespace k42::personality::kernel {
using namespace k42::host;
namespace {

std::uint32_t flag_table[1024];

Result<Handle> AsHandle(long fd) {
  if (fd < 0) {
    return StatusOf(fd);
  }
  return static_cast<Handle>(fd + 16);
}
Result<std::uint64_t> Value(long result) {
  if (result < 0) {
    return StatusOf(result);
  }
  return static_cast<std::uint64_t>(result);
}

// A path as the host wants it.
struct HostPath {
  explicit HostPath(const Path& path) {
    directory = path.directory == kNoHandle ? -100 : FdOf(path.directory);
    std::size_t at = 0;
    if (path.directory == kNoHandle && (path.size == 0 || path.text[0] != '/')) {
      text[at++] = '/';
    }
    std::memcpy(text + at, path.text, path.size);
    text[at + path.size] = 0;
  }
  long directory;
  char text[4200];
};

void FromStat(const LinuxStat& stat, fs::FileAttributes* attributes) {
  *attributes = {};
  attributes->node = stat.ino;
  attributes->device = stat.dev;
  attributes->size = static_cast<std::uint64_t>(stat.size);
  attributes->allocated = static_cast<std::uint64_t>(stat.blocks) * 512;
  attributes->access_ns = stat.atime.seconds * 1'000'000'000 + stat.atime.nanoseconds;
  attributes->modify_ns = stat.mtime.seconds * 1'000'000'000 + stat.mtime.nanoseconds;
  attributes->change_ns = stat.ctime.seconds * 1'000'000'000 + stat.ctime.nanoseconds;
  attributes->mode = stat.mode & 07777;
  attributes->links = static_cast<std::uint32_t>(stat.nlink);
  attributes->user = stat.uid;
  attributes->group = stat.gid;
  attributes->block_size = static_cast<std::uint32_t>(stat.blksize);
  attributes->device_major = static_cast<std::uint32_t>(stat.rdev >> 8 & 0xfff);
  attributes->device_minor = static_cast<std::uint32_t>(stat.rdev & 0xff);
  switch (stat.mode & kS_IFMT) {
    case kS_IFREG:
      attributes->kind = fs::FileKind::kRegular;
      break;
    case kS_IFDIR:
      attributes->kind = fs::FileKind::kDirectory;
      break;
    case kS_IFLNK:
      attributes->kind = fs::FileKind::kSymbolicLink;
      break;
    case kS_IFIFO:
      attributes->kind = fs::FileKind::kFifo;
      break;
    case kS_IFSOCK:
      attributes->kind = fs::FileKind::kSocket;
      break;
    case kS_IFCHR:
      attributes->kind = fs::FileKind::kCharacterDevice;
      break;
    case kS_IFBLK:
      attributes->kind = fs::FileKind::kBlockDevice;
      break;
    default:
      attributes->kind = fs::FileKind::kUnknown;
      break;
  }
}

bool Ready(int fd, short events) {
  struct {
    int fd;
    short events, revents;
  } entry{fd, events, 0};
  return Call(kPoll, Word(&entry), 1, 0) > 0;
}
constexpr long kEmptyPath = 0x1000, kNoFollow = 0x100;
long AtFlags(std::uint32_t walk) {
  return (walk & fs::kWalkNoFollow ? kNoFollow : 0) | (walk & fs::kWalkEmptyPath ? kEmptyPath : 0);
}

Status Apply(long directory, const char* path, long flags, const fs::AttributeChange& change) {
  long result = 0;
  if (change.mask & fs::kSetMode) {
    result = path[0] ? Call(kFchmodat, directory, Word(path), change.mode)
                     : Call(kFchmod, directory, change.mode);
  }
  if (result >= 0 && change.mask & (fs::kSetUser | fs::kSetGroup)) {
    result =
        Call(kFchownat, directory, Word(path), change.mask & fs::kSetUser ? change.user : -1,
             change.mask & fs::kSetGroup ? change.group : -1, flags | (path[0] ? 0 : kEmptyPath));
  }
  if (result >= 0 && change.mask & fs::kSetSize) {
    result = path[0] ? Call(76, Word(path), static_cast<long>(change.size))
                     : Call(kFtruncate, directory, static_cast<long>(change.size));
  }
  if (result >= 0 && change.mask & (fs::kSetAccessTime | fs::kSetModifyTime |
                                    fs::kSetAccessTimeNow | fs::kSetModifyTimeNow)) {
    long times[4] = {change.access_ns / 1'000'000'000, change.access_ns % 1'000'000'000,
                     change.modify_ns / 1'000'000'000, change.modify_ns % 1'000'000'000};
    if (!(change.mask & fs::kSetAccessTime)) {
      times[1] = change.mask & fs::kSetAccessTimeNow ? 0x3fffffff : 0x3ffffffe;
    }
    if (!(change.mask & fs::kSetModifyTime)) {
      times[3] = change.mask & fs::kSetModifyTimeNow ? 0x3fffffff : 0x3ffffffe;
    }
    result = Call(kUtimensat, directory, path[0] ? Word(path) : 0, Word(times), flags);
  }
  return StatusOf(result);
}

}  // namespace

Result<Handle> Open(const Path& path, std::uint32_t flags, std::uint32_t mode) {
  const HostPath host(path);
  long how = 02000000;
  const std::uint32_t access = flags & (fs::kOpenRead | fs::kOpenWrite);
  how |= access == fs::kOpenWrite ? 1 : access == (fs::kOpenRead | fs::kOpenWrite) ? 2 : 0;
  struct {
    std::uint32_t flag;
    long host;
  } const kPairs[] = {{fs::kOpenCreate, 0100},        {fs::kOpenExclusive, 0200},
                      {fs::kOpenTruncate, 01000},     {fs::kOpenAppend, 02000},
                      {fs::kOpenDirectory, 0200000},  {fs::kOpenNoFollow, 0400000},
                      {fs::kOpenPathOnly, 010000000}, {fs::kOpenNonBlocking, 04000}};
  for (const auto& pair : kPairs) {
    how |= flags & pair.flag ? pair.host : 0;
  }
  const long fd = Call(kOpenat, host.directory, Word(host.text), how & ~02000000l, mode);
  if (fd >= 0) {
    flag_table[fd] = flags;
  }
  return AsHandle(fd);
}
Status GetAttributes(const Path& path, std::uint32_t walk, fs::FileAttributes* attributes) {
  const HostPath host(path);
  LinuxStat stat{};
  const long result =
      Call(kNewfstatat, host.directory, Word(host.text), Word(&stat), AtFlags(walk));
  FromStat(stat, attributes);
  return StatusOf(result);
}
Status SetAttributes(const Path& path, std::uint32_t walk, const fs::AttributeChange& change) {
  const HostPath host(path);
  return Apply(host.directory, host.text, AtFlags(walk), change);
}
Status CheckAccess(const Path& path, std::uint32_t walk, std::uint32_t access) {
  const HostPath host(path);
  return StatusOf(Call(kFaccessat2, host.directory, Word(host.text), access,
                       AtFlags(walk) | (walk & fs::kWalkEffective ? 0x200 : 0)));
}
Status MakeDirectory(const Path& path, std::uint32_t mode) {
  const HostPath host(path);
  return StatusOf(Call(kMkdirat, host.directory, Word(host.text), mode));
}
Status MakeNode(const Path& path, fs::FileKind kind, std::uint32_t mode) {
  const HostPath host(path);
  const long type = kind == fs::FileKind::kFifo     ? kS_IFIFO
                    : kind == fs::FileKind::kSocket ? kS_IFSOCK
                                                    : kS_IFREG;
  return StatusOf(Call(kMknodat, host.directory, Word(host.text), type | mode, 0));
}
Status Remove(const Path& path, std::uint32_t flags) {
  const HostPath host(path);
  return StatusOf(
      Call(kUnlinkat, host.directory, Word(host.text), flags & fs::kRemoveDirectory ? 0x200 : 0));
}
Status Rename(const Path& from, const Path& to, std::uint32_t flags) {
  const HostPath a(from), b(to);
  return StatusOf(Call(kRenameat2, a.directory, Word(a.text), b.directory, Word(b.text), flags));
}
Status Link(const Path& from, const Path& to, std::uint32_t walk) {
  const HostPath a(from), b(to);
  return StatusOf(Call(kLinkat, a.directory, Word(a.text), b.directory, Word(b.text),
                       walk & fs::kWalkNoFollow ? 0 : 0x400));
}
Status MakeSymbolicLink(const char* target, std::size_t size, const Path& path) {
  const HostPath text({kNoHandle, target, size}), host(path);
  const char* what = target[0] == '/' ? text.text : text.text + 1;
  return StatusOf(Call(kSymlinkat, Word(what), host.directory, Word(host.text)));
}
Result<std::uint64_t> ReadLink(const Path& path, char* text, std::size_t size) {
  const HostPath host(path);
  return Value(
      Call(kReadlinkat, host.directory, Word(host.text), Word(text), static_cast<long>(size)));
}
Status GetFileSystem(const Path& path, fs::FileSystemInfo* info) {
  const HostPath host(path);
  LinuxStatfs statfs{};
  const long result = Call(kStatfs, Word(host.text), Word(&statfs));
  *info = {};
  info->kind = fs::FileSystemKind::kMemory;
  info->block_size = static_cast<std::uint32_t>(statfs.bsize);
  info->blocks = statfs.blocks;
  info->name_max = 255;
  return StatusOf(result);
}
Result<std::uint64_t> GetPath(Handle file, char* path, std::size_t size) {
  char link[40] = "/proc/self/fd/";
  std::size_t at = 14;
  const int fd = FdOf(file);
  char digits[12];
  int count = 0;
  for (int rest = fd; count == 0 || rest != 0; rest /= 10) {
    digits[count++] = static_cast<char>('0' + rest % 10);
  }
  while (count > 0) {
    link[at++] = digits[--count];
  }
  return Value(Call(kReadlinkat, -100, Word(link), Word(path), static_cast<long>(size)));
}
Result<Handle> MakeUnnamed(std::uint32_t) {
  return AsHandle(Call(kMemfdCreate, Word("unnamed"), 0));
}

Result<Handle> MakeFileWatcher(std::uint32_t) {
  return Status::kNotSupported;
}
Result<std::uint32_t> AddWatch(Handle, const Path&, std::uint32_t, std::uint32_t) {
  return Status::kNotSupported;
}
Status RemoveWatch(Handle, std::uint32_t) {
  return Status::kNotSupported;
}
Result<Handle> OpenTask(std::uint32_t, std::uint32_t) {
  return Status::kNotSupported;
}
Result<std::uint32_t> NumberOfTask(Handle) {
  return Status::kNotSupported;
}

Result<std::uint64_t> Read(Handle file, std::uint64_t buffer, std::uint64_t size) {
  if (!Ready(FdOf(file), 1)) {
    return Status::kWouldBlock;
  }
  return Value(Call(kRead, FdOf(file), static_cast<long>(buffer), static_cast<long>(size)));
}
Result<std::uint64_t> Write(Handle file, std::uint64_t buffer, std::uint64_t size) {
  if (!Ready(FdOf(file), 4)) {
    return Status::kWouldBlock;
  }
  return Value(Call(kWrite, FdOf(file), static_cast<long>(buffer), static_cast<long>(size)));
}
Result<std::uint64_t> ReadStream(Handle stream, std::uint64_t buffer, std::uint64_t size) {
  return Read(stream, buffer, size);
}
Result<std::uint64_t> WriteStream(Handle stream, std::uint64_t buffer, std::uint64_t size) {
  return Write(stream, buffer, size);
}
Result<std::uint64_t> ReadAt(Handle file, std::uint64_t offset, std::uint64_t buffer,
                             std::uint64_t size) {
  return Value(Call(kPread, FdOf(file), static_cast<long>(buffer), static_cast<long>(size),
                    static_cast<long>(offset)));
}
Result<std::uint64_t> WriteAt(Handle file, std::uint64_t offset, std::uint64_t buffer,
                              std::uint64_t size) {
  return Value(Call(kPwrite, FdOf(file), static_cast<long>(buffer), static_cast<long>(size),
                    static_cast<long>(offset)));
}
Result<std::uint64_t> Seek(Handle file, std::int64_t offset, fs::SeekFrom from) {
  return Value(Call(kLseek, FdOf(file), offset, static_cast<long>(from)));
}
Result<std::uint64_t> ReadDirectory(Handle file, void* records, std::size_t size) {
  static char raw[8192];
  const long got = Call(kGetdents64, FdOf(file), Word(raw),
                        static_cast<long>(size / 2 < sizeof(raw) ? size / 2 : sizeof(raw)));
  if (got < 0) {
    return StatusOf(got);
  }
  auto* out = static_cast<char*>(records);
  std::size_t used = 0;
  for (long at = 0; at < got;) {
    LinuxDirent entry;
    std::memcpy(&entry, raw + at, kDirentNameOffset);
    const char* name = raw + at + kDirentNameOffset;
    const std::size_t name_size = std::strlen(name);
    auto* record = reinterpret_cast<abi::DirectoryRecord*>(out + used);
    record->node = entry.ino;
    record->cookie = static_cast<std::uint64_t>(entry.off);
    record->record_size = static_cast<std::uint16_t>(abi::DirectoryRecord::SizeFor(name_size));
    record->name_size = static_cast<std::uint8_t>(name_size);
    record->kind = static_cast<std::uint8_t>(entry.type == kDT_DIR   ? fs::FileKind::kDirectory
                                             : entry.type == kDT_LNK ? fs::FileKind::kSymbolicLink
                                                                     : fs::FileKind::kRegular);
    std::memcpy(record->name, name, name_size);
    used += record->record_size;
    at += entry.reclen;
  }
  return used;
}
Status GetFileAttributes(Handle file, fs::FileAttributes* attributes) {
  LinuxStat stat{};
  const long result = Call(kFstat, FdOf(file), Word(&stat));
  FromStat(stat, attributes);
  return StatusOf(result);
}
Status SetFileAttributes(Handle file, const fs::AttributeChange& change) {
  return Apply(FdOf(file), "", 0, change);
}
Status FileSystemOf(Handle, fs::FileSystemInfo* info) {
  *info = {};
  return Status::kOk;
}
Result<std::uint32_t> GetFlags(Handle file) {
  return flag_table[FdOf(file)];
}
Status SetFlags(Handle file, std::uint32_t flags) {
  std::uint32_t& entry = flag_table[FdOf(file)];
  entry = (entry & ~fs::kOpenChangeable) | (flags & fs::kOpenChangeable);
  return Status::kOk;
}
Result<fs::FileKind> Kind(Handle file) {
  fs::FileAttributes attributes;
  const Status status = GetFileAttributes(file, &attributes);
  if (status != Status::kOk) {
    return status;
  }
  return attributes.kind;
}
Status Allocate(Handle file, fs::AllocateMode mode, std::uint64_t offset, std::uint64_t size) {
  constexpr long kModes[] = {0, 1, 3, 0x10};
  return StatusOf(Call(kFallocate, FdOf(file), kModes[static_cast<int>(mode)],
                       static_cast<long>(offset), static_cast<long>(size)));
}
Status Sync(Handle file, bool) {
  return StatusOf(Call(kFsync, FdOf(file)));
}
Status LockRange(Handle file, const fs::RangeLock& lock, bool wait) {
  LinuxFlock request{};
  request.type = lock.kind == fs::LockKind::kNone     ? kF_UNLCK
                 : lock.kind == fs::LockKind::kShared ? kF_RDLCK
                                                      : kF_WRLCK;
  request.start = static_cast<std::int64_t>(lock.start);
  request.length = static_cast<std::int64_t>(lock.length);
  return StatusOf(Call(kFcntl, FdOf(file), wait ? kF_SETLKW : kF_SETLK, Word(&request)));
}
Status QueryLock(Handle, const fs::RangeLock&, fs::RangeLock* found) {
  *found = {};
  return Status::kOk;
}
Status LockWhole(Handle file, fs::LockKind kind, bool wait) {
  constexpr long kOperations[] = {8, 1, 2};
  return StatusOf(Call(kFlock, FdOf(file), kOperations[static_cast<int>(kind)] | (wait ? 0 : 4)));
}
void DropProcessLocks(Handle) {}
Result<std::uint64_t> Control(Handle file, std::uint32_t operation, const void* in, std::size_t,
                              void* out, std::size_t) {
  switch (operation) {
    case io::kTerminalGetWindowSize:
      return Value(Call(kIoctl, FdOf(file), 0x5413, Word(out)));
    case io::kTerminalGetSettings: {
      LinuxTermios termios{};
      const long result = Call(kIoctl, FdOf(file), 0x5401, Word(&termios));
      if (result < 0) {
        return StatusOf(result);
      }
      *static_cast<io::TerminalSettings*>(out) = FromTermios(termios);
      return std::uint64_t{0};
    }
    case io::kTerminalSetSettings: {
      const LinuxTermios termios = ToTermios(*static_cast<const io::TerminalSettings*>(in));
      return Value(Call(kIoctl, FdOf(file), 0x5402, Word(&termios)));
    }
    case io::kTerminalIsBackground:
      return std::uint64_t{0};  // the host stops us where it has to
    case io::kControlBytesReadable: {
      int count = 0;
      const long result = Call(kIoctl, FdOf(file), 0x541b, Word(&count));
      return result < 0 ? Value(result) : Value(count);
    }
    default:
      return Status::kNotTerminal;
  }
}
Result<std::uint64_t> PollState(Handle file) {
  struct {
    int fd;
    short events, revents;
  } entry{FdOf(file), 0x2007, 0};
  Call(kPoll, Word(&entry), 1, 0);
  std::uint32_t ready = ReadyMask(static_cast<std::uint16_t>(entry.revents));
  ready |= entry.revents & 0x10 ? abi::kHangup : 0;
  ready |= entry.revents & 8 ? abi::kError : 0;
  return abi::PollWord{ready, 0, 0}.Pack();
}
Status Arm(Handle file, std::uint32_t mask, std::uint64_t, std::uint32_t ticket) {
  ArmFile(ticket, FdOf(file), static_cast<short>(PollBits(mask)));
  return Status::kPending;
}
bool Disarm(Handle, std::uint32_t ticket) {
  return DisarmTicket(ticket);
}
Result<std::uint64_t> ReadOrArm(Handle file, std::uint64_t buffer, std::uint64_t size,
                                std::uint32_t ticket) {
  const Result<std::uint64_t> got = Read(file, buffer, size);
  if (got.status() != Status::kWouldBlock) {
    return got;
  }
  return Arm(file, abi::kReadable, 0, ticket);
}

Result<Handle> MakePipe(std::uint32_t flags, Handle* writer) {
  int fds[2];
  const long result = Call(kPipe2, Word(fds), 04000);
  if (result < 0) {
    return StatusOf(result);
  }
  flag_table[fds[0]] = fs::kOpenRead | (flags & fs::kOpenNonBlocking);
  flag_table[fds[1]] = fs::kOpenWrite | (flags & fs::kOpenNonBlocking);
  *writer = static_cast<Handle>(fds[1] + 16);
  return AsHandle(fds[0]);
}
Result<Handle> MakeEventCounter(std::uint64_t value, bool semaphore) {
  const long fd = Call(kEventfd2, static_cast<long>(value), 04000 | (semaphore ? 1 : 0));
  if (fd >= 0) {
    flag_table[fd] = fs::kOpenRead | fs::kOpenWrite;
  }
  return AsHandle(fd);
}
namespace {
long HostType(io::SocketType type) {
  return (type == io::SocketType::kStream ? 1 : type == io::SocketType::kDatagram ? 2 : 5) | 04000;
}
Result<Handle> NewSocket(long fd) {
  if (fd >= 0) {
    flag_table[fd] = fs::kOpenRead | fs::kOpenWrite;
  }
  return AsHandle(fd);
}
}  // namespace
Result<Handle> MakeSocket(io::SocketFamily family, io::SocketType type, std::uint32_t protocol) {
  return NewSocket(
      Call(kSocket, family == io::SocketFamily::kLocal ? 1 : 2, HostType(type), protocol));
}
Result<Handle> MakeSocketPair(io::SocketType type, Handle* other) {
  int fds[2];
  const long result = Call(kSocketpair, 1, HostType(type), 0, Word(fds));
  if (result < 0) {
    return StatusOf(result);
  }
  *other = NewSocket(fds[1]).value();
  return NewSocket(fds[0]);
}
Status Bind(Handle socket, Handle, const io::SocketAddress& address, std::uint32_t) {
  char bytes[kSockAddrMax] = {};
  const std::uint32_t size = AddressToLinux(address, bytes);
  return StatusOf(Call(kBind, FdOf(socket), Word(bytes), size));
}
Status Listen(Handle socket, std::uint32_t backlog) {
  return StatusOf(Call(kListen, FdOf(socket), backlog));
}
Result<Handle> Accept(Handle socket) {
  return NewSocket(Call(kAccept4, FdOf(socket), 0, 0, 04000));
}
Status Connect(Handle socket, Handle, const io::SocketAddress& address) {
  char bytes[kSockAddrMax] = {};
  const std::uint32_t size = AddressToLinux(address, bytes);
  return StatusOf(Call(kConnect, FdOf(socket), Word(bytes), size));
}
struct HostMessage {
  LinuxMsgHdr header{};
  LinuxIovec piece{};
  char address[kSockAddrMax] = {};
  struct {
    LinuxCmsgHdr header;
    int fds[64];
  } control{};
};
Result<std::uint64_t> Send(Handle socket, Handle, std::uint64_t buffer, std::uint64_t size,
                           const io::SocketMessage& message, std::uint32_t) {
  HostMessage host;
  host.piece = {buffer, size};
  host.header.vector = reinterpret_cast<std::uint64_t>(&host.piece);
  host.header.vector_count = 1;
  if (message.has_address) {
    host.header.name = reinterpret_cast<std::uint64_t>(host.address);
    host.header.name_size = AddressToLinux(message.address, host.address);
  }
  if (message.handle_count) {
    host.control.header = {sizeof(LinuxCmsgHdr) + message.handle_count * 4, kSolSocket, kScmRights};
    for (std::uint32_t i = 0; i < message.handle_count; ++i) {
      host.control.fds[i] = FdOf(message.handles[i]);
    }
    host.header.control = reinterpret_cast<std::uint64_t>(&host.control);
    host.header.control_size = host.control.header.size;
  }
  return Value(Call(46, FdOf(socket), Word(&host.header), 0x4000));
}
Result<std::uint64_t> Receive(Handle socket, std::uint64_t buffer, std::uint64_t size,
                              std::uint32_t flags, std::uint32_t room, io::SocketMessage* message) {
  HostMessage host;
  host.piece = {buffer, size};
  host.header.vector = reinterpret_cast<std::uint64_t>(&host.piece);
  host.header.vector_count = 1;
  host.header.name = reinterpret_cast<std::uint64_t>(host.address);
  host.header.name_size = sizeof(host.address);
  if (room) {
    host.header.control = reinterpret_cast<std::uint64_t>(&host.control);
    host.header.control_size = sizeof(host.control);
  }
  *message = {};
  int type = 0;
  std::uint32_t type_size = sizeof(type);
  Call(kGetsockopt, FdOf(socket), 1, 3, Word(&type), Word(&type_size));
  const long got = Call(47, FdOf(socket), Word(&host.header),
                        (flags & io::kReceivePeek ? 2 : 0) | (type != 1 ? 0x20 : 0));
  if (got < 0) {
    return StatusOf(got);
  }
  if (host.header.name_size > 2) {
    message->has_address =
        AddressFromLinux(host.address, host.header.name_size, &message->address) == 0;
  }
  if (host.header.flags & 0x20) {
    message->outcome |= io::kDataCut;
  }
  if (type != 1) {
    message->datagram_size = static_cast<std::uint64_t>(got);
  }
  if (room && host.header.control_size >= sizeof(LinuxCmsgHdr)) {
    message->handle_count =
        static_cast<std::uint32_t>((host.control.header.size - sizeof(LinuxCmsgHdr)) / 4);
    for (std::uint32_t i = 0; i < message->handle_count; ++i) {
      message->handles[i] = static_cast<Handle>(host.control.fds[i] + 16);
      flag_table[host.control.fds[i]] = fs::kOpenRead | fs::kOpenWrite;
    }
  }
  const auto bytes = static_cast<std::uint64_t>(got);
  return bytes < size ? bytes : size;
}
Status Shutdown(Handle socket, io::ShutdownSide side) {
  return StatusOf(Call(kShutdown, FdOf(socket), static_cast<long>(side) - 1));
}
Status GetName(Handle socket, bool peer, io::SocketAddress* address) {
  char bytes[kSockAddrMax] = {};
  std::uint32_t size = sizeof(bytes);
  const long result =
      Call(peer ? kGetpeername : kGetsockname, FdOf(socket), Word(bytes), Word(&size));
  if (result < 0) {
    return StatusOf(result);
  }
  (void)AddressFromLinux(bytes, size, address);
  return Status::kOk;
}
Result<std::int64_t> GetSocketOption(Handle socket, io::SocketOption option) {
  int value = 0;
  std::uint32_t size = sizeof(value);
  if (option == io::SocketOption::kType) {
    Call(kGetsockopt, FdOf(socket), 1, 3, Word(&value), Word(&size));
    return std::int64_t{value == 5 ? 3 : value};
  }
  if (option != io::SocketOption::kError) {
    return std::int64_t{0};
  }
  Call(kGetsockopt, FdOf(socket), 1, 4, Word(&value), Word(&size));
  return static_cast<std::int64_t>(StatusOf(-value));
}
Status SetSocketOption(Handle, io::SocketOption, std::int64_t) {
  return Status::kOk;
}
Status GetPeerIdentity(Handle, io::SenderIdentity* identity) {
  *identity = {};
  return Status::kOk;
}

}  // namespace k42::personality::kernel
