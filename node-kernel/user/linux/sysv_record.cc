#include "user/linux/sysv_record.h"

#include <utility>

#include "user/linux/dispatcher.h"

namespace k42::personality::calls::sysv {
namespace {

List<Held, &Held::link> held_by_calls;

// Sleepers look again so often, though nobody tells them anything: whether or not they expect that
// somebody would.
constexpr U64 kLookIfTold = 1'000'000'000, kLookIfNot = 200'000'000;

io::SocketAddress AddressOf(I32 thread) {
  io::SocketAddress address{};
  address.family = io::SocketFamily::kLocal;
  constexpr char kPrefix[] = "\0k42.sysv.";  // the zero: outside any directory
  U32 size = 0;
  for (; size < sizeof(kPrefix) - 1; ++size) {
    address.name[size] = static_cast<std::uint8_t>(kPrefix[size]);
  }
  for (int shift = 28; shift >= 0; shift -= 4) {
    address.name[size++] =
        static_cast<std::uint8_t>("0123456789abcdef"[static_cast<U32>(thread) >> shift & 15]);
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

void Held::Hold(kernel::Handle handle) {
  handle_ = handle;
  held_by_calls.PushBack(this);
}
void Held::Forget() {
  held_by_calls.Discard(this);
  handle_ = kernel::kNoHandle;
}

std::int64_t Record::Open(Kind kind, I32 id, Access access) {
  const bool changes = access == Access::kChange;
  const Name name(kind, Name::Of::kObject, id);
  const Result<kernel::Handle> file = kernel::Open(
      name.path(), fs::kOpenRead | fs::kOpenNoFollow | (changes ? fs::kOpenWrite : 0u), 0);
  if (!file.ok()) {
    const bool none = file.status() == Status::kNotFound || file.status() == Status::kLoop ||
                      file.status() == Status::kIsDirectory;
    return none ? -kEINVAL : ErrnoOf(file.status());
  }
  file_.Hold(file.value());
  access_ = access;
  fs::RangeLock all{};
  all.kind = changes ? fs::LockKind::kExclusive : fs::LockKind::kShared;
  all.owner = fs::LockOwner::kOpenFile;
  const Status locked = kernel::LockRange(file_.handle(), all, true);
  if (locked != Status::kOk) {
    return locked == Status::kCancelled ? -kERESTARTNOINTR : ErrnoOf(locked);
  }
  const fs::FileAttributes found = attributes();
  size_ = found.size;
  return found.links == 0 ? -kEIDRM : 0;  // removed while we waited for the lock
}

void Record::Close() {
  if (file_.handle() == kernel::kNoHandle) {
    return;
  }
  // Not left to the close: a child may have it open, too, and not have come to close it.
  fs::RangeLock none{};
  none.kind = fs::LockKind::kNone;
  none.owner = fs::LockOwner::kOpenFile;
  (void)kernel::LockRange(file_.handle(), none, false);
  kernel::Close(file_.handle());
  file_.Forget();
}

bool Record::Read(U64 offset, void* bytes, std::size_t size) {
  const Result<std::uint64_t> got =
      kernel::ReadAt(file_.handle(), offset, reinterpret_cast<std::uint64_t>(bytes), size);
  return got.ok() && got.value() == size;
}

bool Record::Put(U64 offset, const char* bytes, std::size_t size) {
  const Result<std::uint64_t> put =
      kernel::WriteAt(file_.handle(), offset, reinterpret_cast<std::uint64_t>(bytes), size);
  return put.ok() && put.value() == size;
}

bool Record::Write(const void* bytes, std::size_t size) {
  proc::Limit limit{};  // a write beyond it would be cut
  if (kernel::GetLimit(0, proc::LimitKind::kFileSize, &limit) != Status::kOk || limit.soft < size) {
    return false;
  }
  const char* all = static_cast<const char*>(bytes);
  if (size > size_ && !Put(size_, all + size_, size - size_)) {
    return false;
  }
  return Put(0, all, size);
}

fs::FileAttributes Record::attributes() {
  fs::FileAttributes attributes{};
  (void)kernel::GetFileAttributes(file_.handle(), &attributes);
  return attributes;
}

bool Sleeper::TakeName() {
  if (!socket_) {
    DescriptionRef socket(MakeSocket());
    if (socket && kernel::Bind(socket.file()->handle(), kernel::kNoHandle, AddressOf(thread_.tid),
                               0700) == Status::kOk) {
      held_.Hold(socket.file()->handle());
      socket_ = static_cast<DescriptionRef&&>(socket);
    }
  }
  return static_cast<bool>(socket_);
}

std::int64_t Sleeper::Sleep(bool told, U64 deadline_ns) {
  const U64 look = kernel::MonotonicNs() + (told ? kLookIfTold : kLookIfNot);
  const bool at_deadline = deadline_ns != 0 && deadline_ns <= look;
  const std::int64_t slept = SleepUntil(at_deadline ? deadline_ns : look);
  return slept == -kEAGAIN && !at_deadline ? 0 : slept;
}

std::int64_t Sleeper::SleepUntil(U64 deadline_ns) {
  if (!socket_) {
    return Dispatcher::Block(deadline_ns, true) == Wake::kSignal ? -kERESTARTNOHAND : -kEAGAIN;
  }
  const std::int64_t waited = WaitReady(socket_.get(), abi::kReadable, deadline_ns);
  if (waited < 0) {
    return waited == -kEAGAIN ? -kEAGAIN : -kERESTARTNOHAND;
  }
  io::SocketMessage message{};
  U32 word = 0;
  // A few: whoever keeps on sending only has us look again.
  for (int i = 0; i < 64; ++i) {
    if (!kernel::Receive(socket_.file()->handle(), reinterpret_cast<std::uint64_t>(&word),
                         sizeof(word), 0, 0, &message)
             .ok()) {
      break;
    }
  }
  return 0;
}

void WakeAll(Waiters& waiters) {
  const U32 count = std::exchange(waiters.count, 0);
  if (count == 0) {
    return;
  }
  DescriptionRef socket(MakeSocket());
  if (!socket) {
    return;  // those who wait look again by themselves
  }
  (void)kernel::SetFlags(socket.file()->handle(), fs::kOpenNonBlocking);
  for (U32 i = 0; i < count && i < Waiters::kMost; ++i) {
    io::SocketMessage message{};
    message.has_address = 1;
    message.address = AddressOf(waiters.list[i].thread);
    const U32 word = 1;
    (void)kernel::Send(socket.file()->handle(), kernel::kNoHandle,
                       reinterpret_cast<std::uint64_t>(&word), sizeof(word), message, 0);
  }
}

}  // namespace k42::personality::calls::sysv

namespace k42::personality {

void CloseWhatCallsHold() {
  using calls::sysv::held_by_calls;
  while (calls::sysv::Held* held = held_by_calls.first()) {
    kernel::Close(held->handle());
    held->Forget();
  }
}

}  // namespace k42::personality
