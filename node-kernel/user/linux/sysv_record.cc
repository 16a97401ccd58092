#include "user/linux/sysv_record.h"

#include <cstring>

namespace k42::personality::calls::sysv {
namespace {

// "/dev/shm/.sysv.s.0000002a", or the key's "/dev/shm/.sysv.s.key.0000002a".
class Name {
 public:
  Name(Kind kind, const char* middle, std::uint32_t number) {
    Put("/dev/shm/.sysv.");
    text_[size_++] = static_cast<char>(kind);
    Put(middle);
    for (int shift = 28; shift >= 0; shift -= 4) {
      text_[size_++] = "0123456789abcdef"[number >> shift & 15];
    }
  }
  kernel::Path path() const { return {kernel::kNoHandle, text_, size_}; }

 private:
  void Put(const char* text) {
    while (*text) {
      text_[size_++] = *text++;
    }
  }
  char text_[40] = {};
  std::size_t size_ = 0;
};
constexpr char kRecord[] = ".", kKey[] = ".key.";

std::int64_t IdOf(const Name& key) {
  char text[40] = {};
  const Result<std::uint64_t> size = kernel::ReadLink(key.path(), text, sizeof(text));
  if (!size.ok()) {
    return ErrnoOf(size.status());
  }
  std::int64_t id = 0;
  for (std::size_t i = size.value() < 8 ? 0 : size.value() - 8; i < size.value(); ++i) {
    id = id << 4 | (text[i] >= 'a' ? text[i] - 'a' + 10 : text[i] - '0');
  }
  return id;
}

std::int64_t Make(Kind kind, U32 mode, const void* bytes, std::size_t size) {
  for (int attempt = 0; attempt < 64; ++attempt) {
    U32 id = 0;
    (void)kernel::GetRandom(&id, sizeof(id));
    id &= 0x7fffffff;
    const Result<kernel::Handle> file = kernel::Open(
        Name(kind, kRecord, id).path(),
        fs::kOpenRead | fs::kOpenWrite | fs::kOpenCreate | fs::kOpenExclusive, mode & 0777);
    if (file.status() == Status::kAlreadyExists) {
      continue;
    }
    if (!file.ok()) {
      return ErrnoOf(file.status());
    }
    const Result<std::uint64_t> put =
        kernel::WriteAt(file.value(), 0, reinterpret_cast<std::uint64_t>(bytes), size);
    kernel::Close(file.value());
    return put.ok() ? static_cast<std::int64_t>(id) : ErrnoOf(put.status());
  }
  return -kENOSPC;
}

io::SocketAddress AddressOf(I32 thread) {
  io::SocketAddress address{};
  address.family = io::SocketFamily::kLocal;
  constexpr char kPrefix[] = "\0k42.sysv.";  // the zero: outside any directory
  std::uint32_t size = 0;
  for (; size < sizeof(kPrefix) - 1; ++size) {
    address.name[size] = static_cast<std::uint8_t>(kPrefix[size]);
  }
  for (int shift = 28; shift >= 0; shift -= 4) {
    address.name[size++] = static_cast<std::uint8_t>(
        "0123456789abcdef"[static_cast<std::uint32_t>(thread) >> shift & 15]);
  }
  address.name_size = size;
  return address;
}

KernelFile* MakeSocket() {
  const Result<kernel::Handle> socket =
      kernel::MakeSocket(io::SocketFamily::kLocal, io::SocketType::kDatagram, 0);
  return socket.ok() ? KernelFile::Create(socket.value(), 0) : nullptr;
}

}  // namespace

std::int64_t Record::Open(Kind kind, I32 id) {
  const Result<kernel::Handle> file = kernel::Open(Name(kind, kRecord, static_cast<U32>(id)).path(),
                                                   fs::kOpenRead | fs::kOpenWrite, 0);
  if (!file.ok()) {
    return file.status() == Status::kNotFound ? -kEINVAL : ErrnoOf(file.status());
  }
  file_ = file.value();
  fs::RangeLock all{};
  all.kind = fs::LockKind::kExclusive;
  all.owner = fs::LockOwner::kOpenFile;
  const Status locked = kernel::LockRange(file_, all, true);
  return locked == Status::kOk ? 0 : locked == Status::kCancelled ? -kEINTR : ErrnoOf(locked);
}

void Record::Close() {
  if (file_ != kernel::kNoHandle) {
    kernel::Close(file_);  // its lock goes with it
    file_ = kernel::kNoHandle;
  }
}

bool Record::Read(U64 offset, void* bytes, std::size_t size) {
  const Result<std::uint64_t> got =
      kernel::ReadAt(file_, offset, reinterpret_cast<std::uint64_t>(bytes), size);
  return got.ok() && got.value() == size;
}

bool Record::Write(U64 offset, const void* bytes, std::size_t size) {
  const Result<std::uint64_t> put =
      kernel::WriteAt(file_, offset, reinterpret_cast<std::uint64_t>(bytes), size);
  return put.ok() && put.value() == size;
}

Status Record::Attributes(fs::FileAttributes* attributes) {
  return kernel::GetFileAttributes(file_, attributes);
}

Status Record::Change(const LinuxPermissions& wanted) {
  fs::AttributeChange change{};
  change.mask = fs::kSetMode | fs::kSetUser | fs::kSetGroup;
  change.mode = wanted.mode & 0777;
  change.user = wanted.uid;
  change.group = wanted.gid;
  return kernel::SetFileAttributes(file_, change);
}

void Record::Fill(I32 key, LinuxPermissions* permissions) {
  fs::FileAttributes attributes{};
  (void)Attributes(&attributes);
  *permissions = {};
  permissions->key = key;
  permissions->uid = permissions->cuid = attributes.user;
  permissions->gid = permissions->cgid = attributes.group;
  permissions->mode = attributes.mode & 0777;
}

std::int64_t Get(Kind kind, I32 key, U32 flags, const void* bytes, std::size_t size,
                 std::int64_t (*matches)(Record& record, U64 wanted), U64 wanted) {
  if (key == kIpcPrivate) {
    return Make(kind, flags, bytes, size);
  }
  const Name name(kind, kKey, static_cast<U32>(key));
  for (;;) {
    const std::int64_t id = IdOf(name);
    if (id >= 0) {
      Record record;
      const std::int64_t error = record.Open(kind, static_cast<I32>(id));
      if (error == -kEINVAL) {  // removed: the key is free again
        (void)kernel::Remove(name.path(), 0);
        continue;
      }
      if (error != 0) {
        return error;
      }
      if ((flags & (kIpcCreate | kIpcExclusive)) == (kIpcCreate | kIpcExclusive)) {
        return -kEEXIST;
      }
      const std::int64_t unfit = matches(record, wanted);
      return unfit != 0 ? unfit : id;
    }
    if (id != -kENOENT || (flags & kIpcCreate) == 0) {
      return id;
    }
    const std::int64_t made = Make(kind, flags, bytes, size);
    if (made < 0) {
      return made;
    }
    const Name made_name(kind, kRecord, static_cast<U32>(made));
    const kernel::Path file = made_name.path();
    const Status linked = kernel::MakeSymbolicLink(file.text, file.size, name.path());
    if (linked == Status::kOk) {
      return made;
    }
    (void)kernel::Remove(file, 0);
    if (linked != Status::kAlreadyExists) {  // else somebody was quicker: theirs is used
      return ErrnoOf(linked);
    }
  }
}

std::int64_t Remove(Kind kind, I32 id) {
  const Status status = kernel::Remove(Name(kind, kRecord, static_cast<U32>(id)).path(), 0);
  return status == Status::kNotFound           ? -kEINVAL
         : status == Status::kPermissionDenied ? -kEPERM
                                               : ErrnoOf(status);
}

Sleeper::Sleeper(Thread& thread) : socket_(MakeSocket()) {
  if (socket_ && kernel::Bind(socket_.file()->handle(), kernel::kNoHandle, AddressOf(thread.tid),
                              0700) != Status::kOk) {
    socket_ = DescriptionRef();
  }
}

std::int64_t Sleeper::Sleep(U64 deadline_ns) {
  const std::int64_t waited = WaitReady(socket_.get(), abi::kReadable, deadline_ns);
  if (waited < 0) {
    return waited == -kEAGAIN ? -kEAGAIN : -kEINTR;
  }
  io::SocketMessage message{};
  U32 word = 0;
  while (kernel::Receive(socket_.file()->handle(), reinterpret_cast<std::uint64_t>(&word),
                         sizeof(word), 0, 0, &message)
             .ok()) {
  }
  return 0;
}

bool Enter(Waiters& waiters, const Waiter& waiter) {
  Leave(waiters, waiter.thread);
  if (waiters.count >= Waiters::kMost) {
    return false;
  }
  waiters.list[waiters.count++] = waiter;
  return true;
}

void Leave(Waiters& waiters, I32 thread) {
  U32 kept = 0;
  for (U32 i = 0; i < waiters.count && i < Waiters::kMost; ++i) {
    if (waiters.list[i].thread != thread) {
      waiters.list[kept++] = waiters.list[i];
    }
  }
  waiters.count = kept;
}

void WakeAll(const Waiters& waiters) {
  if (waiters.count == 0) {
    return;
  }
  DescriptionRef socket(MakeSocket());
  if (!socket) {
    return;  // those who wait look again by themselves
  }
  (void)kernel::SetFlags(socket.file()->handle(), fs::kOpenNonBlocking);
  for (U32 i = 0; i < waiters.count && i < Waiters::kMost; ++i) {
    io::SocketMessage message{};
    message.has_address = 1;
    message.address = AddressOf(waiters.list[i].thread);
    const U32 word = 1;
    (void)kernel::Send(socket.file()->handle(), kernel::kNoHandle,
                       reinterpret_cast<std::uint64_t>(&word), sizeof(word), message, 0);
  }
}

}  // namespace k42::personality::calls::sysv
