// The seam over native calls: names, open files, streams and sockets.
#include <cstring>

#include "fs/file_slots.stub.h"
#include "fs/file_watcher.stub.h"
#include "fs/name_space.stub.h"
#include "io/io_factory.stub.h"
#include "proc/process.stub.h"
#include "user/linux/heap.h"
#include "user/linux/kernel.h"
#include "user/linux/kernel_wait.h"

namespace k42::personality::kernel {
namespace {

constexpr fs::NameSpaceStub kNames(abi::kNameSpaceHandle);
constexpr io::IoFactoryStub kIo(abi::kIoHandle);

using File = fs::OpenFileStub;

// Two paths in one buffer, a zero byte between.
class TwoPaths {
 public:
  TwoPaths(const char* one, std::size_t one_size, const char* other, std::size_t other_size)
      : bytes_(one_size + 1 + other_size) {
    if (bytes_) {
      std::memcpy(bytes_.data(), one, one_size);
      bytes_.data()[one_size] = 0;
      std::memcpy(bytes_.data() + one_size + 1, other, other_size);
    }
  }
  explicit operator bool() const { return static_cast<bool>(bytes_); }
  const void* data() { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }

 private:
  Buffer bytes_;
};

void* Out(std::uint64_t address) {
  return reinterpret_cast<void*>(address);
}
const void* In(std::uint64_t address) {
  return reinterpret_cast<const void*>(address);
}
std::uint64_t Clamp(std::uint64_t size) {
  return size < kMostAtOnce ? size : kMostAtOnce;
}

template <typename Stub>
Result<Handle> HandleOf(const Result<Stub>& result) {
  if (!result.ok()) {
    return result.status();
  }
  return result.value().handle();
}

}  // namespace

Result<Handle> Open(const Path& path, std::uint32_t flags, std::uint32_t mode) {
  return AwaitHandle([&](std::uint32_t ticket) {
    return kNames.Open(File(path.directory), path.text, path.size, flags, mode, ticket);
  });
}
Status GetAttributes(const Path& path, std::uint32_t walk, fs::FileAttributes* attributes) {
  return Await([&](std::uint32_t ticket) {
           return kNames.GetAttributes(File(path.directory), path.text, path.size, walk, attributes,
                                       ticket);
         })
      .status();
}
Status SetAttributes(const Path& path, std::uint32_t walk, const fs::AttributeChange& change) {
  return Await([&](std::uint32_t ticket) {
           return kNames.SetAttributes(File(path.directory), path.text, path.size, walk, change,
                                       ticket);
         })
      .status();
}
Status CheckAccess(const Path& path, std::uint32_t walk, std::uint32_t access) {
  return Await([&](std::uint32_t ticket) {
           return kNames.CheckAccess(File(path.directory), path.text, path.size, walk, access,
                                     ticket);
         })
      .status();
}
Status MakeDirectory(const Path& path, std::uint32_t mode) {
  return Await([&](std::uint32_t ticket) {
           return kNames.MakeDirectory(File(path.directory), path.text, path.size, mode, ticket);
         })
      .status();
}
Status MakeNode(const Path& path, fs::FileKind kind, std::uint32_t mode) {
  return Await([&](std::uint32_t ticket) {
           return kNames.MakeNode(File(path.directory), path.text, path.size, kind, mode, ticket);
         })
      .status();
}
Status Remove(const Path& path, std::uint32_t flags) {
  return Await([&](std::uint32_t ticket) {
           return kNames.Remove(File(path.directory), path.text, path.size, flags, ticket);
         })
      .status();
}
Status Rename(const Path& from, const Path& to, std::uint32_t flags) {
  TwoPaths paths(from.text, from.size, to.text, to.size);
  if (!paths) {
    return Status::kNoMemory;
  }
  return Await([&](std::uint32_t ticket) {
           return kNames.Rename(File(from.directory), File(to.directory), paths.data(),
                                paths.size(), flags, ticket);
         })
      .status();
}
Status Link(const Path& from, const Path& to, std::uint32_t walk) {
  TwoPaths paths(from.text, from.size, to.text, to.size);
  if (!paths) {
    return Status::kNoMemory;
  }
  return Await([&](std::uint32_t ticket) {
           return kNames.Link(File(from.directory), File(to.directory), paths.data(), paths.size(),
                              walk, ticket);
         })
      .status();
}
Status MakeSymbolicLink(const char* target, std::size_t size, const Path& path) {
  TwoPaths paths(target, size, path.text, path.size);
  if (!paths) {
    return Status::kNoMemory;
  }
  return Await([&](std::uint32_t ticket) {
           return kNames.MakeSymbolicLink(File(path.directory), paths.data(), paths.size(), ticket);
         })
      .status();
}
Result<std::uint64_t> ReadLink(const Path& path, char* text, std::size_t size) {
  return Await([&](std::uint32_t ticket) {
    return kNames.ReadLink(File(path.directory), path.text, path.size, text, size, ticket);
  });
}
Status GetFileSystem(const Path& path, fs::FileSystemInfo* info) {
  return Await([&](std::uint32_t ticket) {
           return kNames.GetFileSystem(File(path.directory), path.text, path.size, info, ticket);
         })
      .status();
}
Result<std::uint64_t> GetPath(Handle file, char* path, std::size_t size) {
  return kNames.GetPath(File(file), path, size);
}
Result<Handle> MakeUnnamed(std::uint32_t flags) {
  return HandleOf(kNames.MakeUnnamed(flags));
}

Result<Handle> MakeFileWatcher(std::uint32_t flags) {
  return HandleOf(kNames.MakeFileWatcher(flags));
}
Result<std::uint32_t> AddWatch(Handle watcher, const Path& path, std::uint32_t walk,
                               std::uint32_t events) {
  const Result<std::uint64_t> watch = Await([&](std::uint32_t ticket) {
    return fs::FileWatcherStub(watcher).AddWatch(File(path.directory), path.text, path.size, walk,
                                                 events, ticket);
  });
  return static_cast<std::uint32_t>(TRY(watch));
}
Status RemoveWatch(Handle watcher, std::uint32_t watch) {
  return fs::FileWatcherStub(watcher).RemoveWatch(watch);
}

namespace {

// Memory of this process alone, not of a child's. `address` 0: anywhere.
Result<std::uint64_t> MapOwn(const Result<Handle>& memory, std::uint64_t address,
                             std::uint64_t size) {
  const Handle object = TRY(memory);
  const std::uint32_t where = address != 0 ? proc::kMapFixedNoReplace : 0;
  const proc::MapRequest request{address, size, 0, proc::kMapRead | proc::kMapWrite,
                                 proc::kMapShared | where | proc::kMapPersonality};
  const Result<std::uint64_t> at = proc::ProcessStub(abi::kProcessHandle).Map(request, object);
  Close(object);
  if (at.ok()) {
    TRY(Advise(at.value(), size, proc::Advice::kDontFork));
  }
  return at;
}

}  // namespace

Result<Handle> MakeFileSlots(abi::FileSlots** memory) {
  const fs::FileSlotsStub slots = TRY(kNames.MakeFileSlots());
  const Result<std::uint64_t> at =
      MapOwn(HandleOf(slots.Memory()), abi::kFileSlotsAddress, abi::FileSlots::kBytes);
  if (!at.ok()) {
    Close(slots.handle());
    return at.status();
  }
  *memory = reinterpret_cast<abi::FileSlots*>(abi::kFileSlotsAddress);
  return slots.handle();
}
Result<char*> MapFileWindows(Handle slots) {
  return reinterpret_cast<char*>(
      TRY(MapOwn(HandleOf(fs::FileSlotsStub(slots).Windows()), 0, abi::FileWindows::kBytes)));
}
Result<Handle> OpenInSlot(Handle slots, const Path& path, std::uint32_t flags, std::uint32_t mode,
                          std::uint32_t slot) {
  return AwaitHandle([&](std::uint32_t ticket) {
    return fs::FileSlotsStub(slots).Open(File(path.directory), path.text, path.size,
                                         flags | std::uint64_t{mode} << 32, slot, ticket);
  });
}
Status CheckAgain(const Path& path, Handle file, std::uint32_t flags) {
  return Await([&](std::uint32_t ticket) {
           return kNames.CheckAgain(File(path.directory), path.text, path.size, File(file), flags,
                                    ticket);
         })
      .status();
}
Status UseSlot(Handle slots, Handle file, std::uint32_t slot, std::uint32_t transfers) {
  return fs::FileSlotsStub(slots).Use(file, slot, transfers);
}

// -- open files ----------------------------------------------------------------------------------
Result<std::uint64_t> Read(Handle file, std::uint64_t buffer, std::uint64_t size) {
  return Await(
      [&](std::uint32_t ticket) { return File(file).Read(Out(buffer), Clamp(size), ticket); });
}
Result<std::uint64_t> ReadOrArm(Handle file, std::uint64_t buffer, std::uint64_t size,
                                std::uint32_t ticket) {
  return File(file).ReadOrArm(Out(buffer), Clamp(size), OwnTicket(ticket));
}
Result<std::uint64_t> Write(Handle file, std::uint64_t buffer, std::uint64_t size) {
  return Await(
      [&](std::uint32_t ticket) { return File(file).Write(In(buffer), Clamp(size), ticket); });
}
Result<std::uint64_t> ReadStream(Handle stream, std::uint64_t buffer, std::uint64_t size) {
  return AtOnce(
      [&](std::uint32_t ticket) { return File(stream).Read(Out(buffer), Clamp(size), ticket); });
}
Result<std::uint64_t> WriteStream(Handle stream, std::uint64_t buffer, std::uint64_t size) {
  return AtOnce(
      [&](std::uint32_t ticket) { return File(stream).Write(In(buffer), Clamp(size), ticket); });
}
Result<std::uint64_t> ReadAt(Handle file, std::uint64_t offset, std::uint64_t buffer,
                             std::uint64_t size) {
  return Await([&](std::uint32_t ticket) {
    return File(file).ReadAt(offset, Out(buffer), Clamp(size), ticket);
  });
}
Result<std::uint64_t> WriteAt(Handle file, std::uint64_t offset, std::uint64_t buffer,
                              std::uint64_t size) {
  return Await([&](std::uint32_t ticket) {
    return File(file).WriteAt(offset, In(buffer), Clamp(size), ticket);
  });
}
Result<std::uint64_t> Seek(Handle file, std::int64_t offset, fs::SeekFrom from) {
  return Await([&](std::uint32_t ticket) { return File(file).Seek(offset, from, ticket); });
}
Result<std::uint64_t> ReadDirectory(Handle file, void* records, std::size_t size) {
  return Await(
      [&](std::uint32_t ticket) { return File(file).ReadDirectory(records, size, ticket); });
}
Status GetFileAttributes(Handle file, fs::FileAttributes* attributes) {
  return Await([&](std::uint32_t ticket) { return File(file).GetAttributes(attributes, ticket); })
      .status();
}
Status SetFileAttributes(Handle file, const fs::AttributeChange& change) {
  return Await([&](std::uint32_t ticket) { return File(file).SetAttributes(change, ticket); })
      .status();
}
Status FileSystemOf(Handle file, fs::FileSystemInfo* info) {
  return Await([&](std::uint32_t ticket) { return File(file).GetFileSystem(info, ticket); })
      .status();
}
Result<std::uint32_t> GetFlags(Handle file) {
  return File(file).GetFlags();
}
Status SetFlags(Handle file, std::uint32_t flags) {
  return File(file).SetFlags(flags);
}
Result<fs::FileKind> Kind(Handle file) {
  return File(file).Kind();
}
Status Allocate(Handle file, fs::AllocateMode mode, std::uint64_t offset, std::uint64_t size) {
  return Await(
             [&](std::uint32_t ticket) { return File(file).Allocate(mode, offset, size, ticket); })
      .status();
}
Status Sync(Handle file, bool data_only) {
  return Await([&](std::uint32_t ticket) { return File(file).Sync(data_only, ticket); }).status();
}
Status LockRange(Handle file, const fs::RangeLock& lock, bool wait) {
  return Await([&](std::uint32_t ticket) { return File(file).LockRange(lock, wait, ticket); },
               [&](std::uint32_t ticket) { (void)File(file).Disarm(ticket); })
      .status();
}
Status QueryLock(Handle file, const fs::RangeLock& lock, fs::RangeLock* found) {
  return File(file).QueryLock(lock, found);
}
Status LockWhole(Handle file, fs::LockKind kind, bool wait) {
  return Await([&](std::uint32_t ticket) { return File(file).LockWhole(kind, wait, ticket); },
               [&](std::uint32_t ticket) { (void)File(file).Disarm(ticket); })
      .status();
}
void DropProcessLocks(Handle file) {
  (void)File(file).DropProcessLocks();
}
Result<std::uint64_t> Control(Handle file, std::uint32_t operation, const void* in,
                              std::size_t in_size, void* out, std::size_t out_size) {
  return File(file).Control(operation, in, in_size, out, out_size);
}
Result<std::uint64_t> PollState(Handle file) {
  return File(file).PollState();
}
Status Arm(Handle file, std::uint32_t mask, std::uint64_t since, std::uint32_t ticket) {
  return File(file).Arm(mask, since, OwnTicket(ticket));
}
bool Disarm(Handle file, std::uint32_t ticket) {
  return File(file).Disarm(ticket) == Status::kOk;
}

// -- streams -------------------------------------------------------------------------------------
Result<Handle> MakePipe(std::uint32_t flags, Handle* writer) {
  File other;
  const Result<Handle> reader = HandleOf(kIo.MakePipe(flags, &other));
  *writer = other.handle();
  return reader;
}
Result<Handle> MakeEventCounter(std::uint64_t value, bool semaphore) {
  return HandleOf(kIo.MakeEventCounter(value, semaphore, 0));
}
Result<Handle> OpenTask(std::uint32_t task, std::uint32_t flags) {
  return HandleOf(kIo.OpenTask(task, flags));
}
Result<std::uint32_t> NumberOfTask(Handle task) {
  return static_cast<std::uint32_t>(
      TRY(Control(task, io::kControlTaskNumber, nullptr, 0, nullptr, 0)));
}
Result<Handle> MakeSocket(io::SocketFamily family, io::SocketType type, std::uint32_t protocol) {
  return HandleOf(kIo.MakeSocket(family, type, protocol, 0));
}
Result<Handle> MakeSocketPair(io::SocketType type, Handle* other) {
  io::SocketStub second;
  const Result<Handle> first = HandleOf(kIo.MakeSocketPair(type, 0, &second));
  *other = second.handle();
  return first;
}
Status Bind(Handle socket, Handle directory, const io::SocketAddress& address, std::uint32_t mode) {
  return Await([&](std::uint32_t ticket) {
           return io::SocketStub(socket).Bind(File(directory), address, mode, ticket);
         })
      .status();
}
Status Listen(Handle socket, std::uint32_t backlog) {
  return io::SocketStub(socket).Listen(backlog);
}
Result<Handle> Accept(Handle socket) {
  return HandleOf(io::SocketStub(socket).Accept());
}
Status Connect(Handle socket, Handle directory, const io::SocketAddress& address) {
  return Await([&](std::uint32_t ticket) {
           return io::SocketStub(socket).Connect(File(directory), address, ticket);
         })
      .status();
}
Result<std::uint64_t> Send(Handle socket, Handle directory, std::uint64_t buffer,
                           std::uint64_t size, const io::SocketMessage& message,
                           std::uint32_t flags) {
  const auto send = [&](std::uint32_t ticket) {
    return io::SocketStub(socket).Send(File(directory), In(buffer), Clamp(size), message, flags,
                                       ticket);
  };
  // What may have to wait is the look for the address, a name.
  return message.has_address != 0 ? Await(send) : AtOnce(send);
}
Result<std::uint64_t> Receive(Handle socket, std::uint64_t buffer, std::uint64_t size,
                              std::uint32_t flags, std::uint32_t room, io::SocketMessage* message) {
  return io::SocketStub(socket).Receive(Out(buffer), Clamp(size), flags, room, message);
}
Status Shutdown(Handle socket, io::ShutdownSide side) {
  return io::SocketStub(socket).Shutdown(side);
}
Status GetName(Handle socket, bool peer, io::SocketAddress* address) {
  return io::SocketStub(socket).GetName(peer, address);
}
Result<std::int64_t> GetSocketOption(Handle socket, io::SocketOption option) {
  return io::SocketStub(socket).GetOption(option);
}
Status SetSocketOption(Handle socket, io::SocketOption option, std::int64_t value) {
  return io::SocketStub(socket).SetOption(option, value);
}
Status GetPeerIdentity(Handle socket, io::SenderIdentity* identity) {
  return io::SocketStub(socket).GetPeerIdentity(identity);
}

}  // namespace k42::personality::kernel
