#include "fs/open_file.h"

#include <algorithm>

#include "abi/dispatcher_page.h"
#include "base/checked.h"
#include "cobj/ticket.idl.h"
#include "fs/attributes.h"
#include "fs/caller.h"
#include "fs/directory_writer.h"
#include "fs/file_locks.h"
#include "fs/file_watch.h"
#include "fs/name_tree.h"
#include "io/control.types.h"
#include "mem/heap.h"
#include "proc/services.h"

namespace k42::fs {
namespace {
constexpr std::uint64_t kLargestOffset = (std::uint64_t{1} << 63) - 1;
constexpr std::uint64_t kDotCookie = 1;  // cookies of "." and "..", before all names
constexpr std::uint64_t kDotDotCookie = 2;
}  // namespace

Result<cobj::Granted<IOpenFile>> OpenFile::Make(const OpenRequest& request, Node& node) {
  TRY(node.Opened(request.flags));
  if ((request.flags & kOpenTruncate) != 0 && node.kind() == FileKind::kRegular) {
    AttributeChange change{};
    change.mask = kSetSize;
    TRY(ChangeAttributes(node, change, request.who, /*may_resize=*/true));
    TellOfFile(request.entry.get(), node, abi::kFileWritten);
  }
  const auto ref = TRY(cobj::MakeShared<OpenFile>(
      request.entry, RefPtr<Node>(&node), request.flags & ~(kOpenTruncate | kOpenExclusive)));
  if ((request.flags & kOpenPathOnly) == 0) {
    TellOfFile(request.entry.get(), node, abi::kFileOpened);
  }
  return cobj::Granted<IOpenFile>(ref, RightsFor(request.flags));
}

void OpenFile::Closed() {
  node_->CloseLease(lease_);
  if (FileLocks* locks = node_->LocksIfAny()) {
    locks->DropOwner(LockHolder::OpenFile(this));
  }
  if ((flags() & kOpenPathOnly) == 0) {
    Tell((flags() & kOpenWrite) != 0 ? abi::kFileClosedWriter : abi::kFileClosedReader);
  }
}

void OpenFile::Tell(std::uint32_t what) {
  TellOfFile(entry_.get(), *node_, what);
}

void OpenFile::PickUpPosition() {
  if (!lease_.shared()) {
    node_->EndLease(lease_);
    position_ = node_->TakeLeasePosition(lease_, position_);
  }
}

Status OpenFile::UseSlot(const cobj::CallContext& caller, SlotMemory& memory, std::uint32_t slot,
                         std::uint32_t transfers) {
  if ((flags() & kOpenPathOnly) != 0 || node_->kind() != FileKind::kRegular) {
    return Status::kNotSupported;
  }
  // A handle that may do less than the opening gets no memory in which it could do all.
  constexpr std::uint32_t kBytes = kRightRead | kRightWrite;
  if ((RightsFor(flags()) & kBytes & ~caller.rights) != 0) {
    return Status::kNotSupported;
  }
  std::uint64_t size_limit = ~std::uint64_t{0};
  if ((flags() & kOpenWrite) != 0) {
    Identity who;
    TRY(IdentityOf(caller, &who));
    size_limit = who.file_size_limit;
    if (size_limit < abi::FileSlots::kRoom) {
      return Status::kNotSupported;  // the kernel minds it
    }
  }
  machine::MutexGuard guard(position_lock_);
  const std::uint32_t granted = flags();
  if (!lease_.shared() &&
      IsOk(node_->GrantLease(lease_, {memory, slot, granted, transfers, position_, size_limit}))) {
    return Status::kOk;  // it was there already
  }
  PickUpPosition();
  TRY(node_->GrantLease(lease_, {memory, slot, granted, transfers, position_, size_limit}));
  if (flags() != granted) {  // changed meanwhile, before there was anything to end
    node_->EndLease(lease_);
    return Status::kNotSupported;
  }
  return Status::kOk;
}

// A process goes by the flags that it got the file with.
Status OpenFile::SetFlags(std::uint32_t flags) {
  TRY(OpenFileBase::SetFlags(flags));
  node_->EndLease(lease_);
  return Status::kOk;
}

Status OpenFile::NeedsData() const {
  if ((flags() & kOpenPathOnly) != 0) {
    return Status::kBadHandle;
  }
  return node_->kind() == FileKind::kDirectory ? Status::kIsDirectory : Status::kOk;
}

// -- readiness ------------------------------------------------------------------------------------

Result<std::uint64_t> OpenFile::PollState() {
  return abi::PollWord{abi::kReadable | abi::kWritable, 0, 0}.Pack();
}

Status OpenFile::Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) {
  constexpr abi::PollWord kWord{abi::kReadable | abi::kWritable, 0, 0};
  if ((mask & kWord.ready) != 0 && since == abi::kArmLevel) {
    return ready.Fire(Status::kOk, kWord.Pack());
  }
  return Status::kOk;  // never changes
}

// -- bytes ----------------------------------------------------------------------------------------

Result<std::uint64_t> OpenFile::Read(const cobj::CallContext&, BufferOut data) {
  TRY(NeedsData());
  machine::MutexGuard guard(position_lock_);
  PickUpPosition();
  const std::uint64_t count = TRY(node_->Read(position_, data));
  position_ += count;
  if (count != 0) {
    Tell(abi::kFileRead);
  }
  return count;
}

Result<std::uint64_t> OpenFile::ReadAt(const cobj::CallContext&, std::uint64_t offset,
                                       BufferOut data) {
  TRY(NeedsData());
  if (offset > kLargestOffset) {
    return Status::kInvalidArgument;
  }
  const std::uint64_t count = TRY(node_->Read(offset, data));
  if (count != 0) {
    Tell(abi::kFileRead);
  }
  return count;
}

Result<std::uint64_t> OpenFile::WriteBytes(const cobj::CallContext& caller, std::uint64_t offset,
                                           BufferIn data, bool append, std::uint64_t* end) {
  Identity who;
  TRY(IdentityOf(caller, &who));
  if (append) {
    offset = TRY(node_->Size());
  }
  if (offset > kLargestOffset) {
    return Status::kInvalidArgument;
  }
  const std::uint64_t limit = std::min(who.file_size_limit, kLargestOffset);
  if (data.size() != 0 && offset >= limit) {
    return Status::kLimitExceeded;
  }
  const BufferIn part = data.Part(0, std::min<std::uint64_t>(data.size(), limit - offset));
  TRY(DropPrivilegeBits(*node_, who));
  const std::uint64_t count = TRY(node_->Write(offset, part, append, end));
  if (count != 0) {
    Tell(abi::kFileWritten);
  }
  return count;
}

Result<std::uint64_t> OpenFile::Write(const cobj::CallContext& caller, BufferIn data) {
  TRY(NeedsData());
  machine::MutexGuard guard(position_lock_);
  PickUpPosition();
  std::uint64_t end = position_;
  const std::uint64_t count =
      TRY(WriteBytes(caller, position_, data, (flags() & kOpenAppend) != 0, &end));
  position_ = end;
  return count;
}

Result<std::uint64_t> OpenFile::WriteAt(const cobj::CallContext& caller, std::uint64_t offset,
                                        BufferIn data) {
  TRY(NeedsData());
  std::uint64_t end = 0;
  return WriteBytes(caller, offset, data, (flags() & kOpenAppend) != 0, &end);
}

Result<std::uint64_t> OpenFile::Seek(std::int64_t offset, SeekFrom from) {
  if ((flags() & kOpenPathOnly) != 0) {
    return Status::kBadHandle;
  }
  machine::MutexGuard guard(position_lock_);
  PickUpPosition();
  std::uint64_t base = 0;
  switch (from) {
    case SeekFrom::kStart:
      break;
    case SeekFrom::kCurrent:
      base = position_;
      break;
    case SeekFrom::kEnd:
      base = TRY(node_->Size());
      break;
    case SeekFrom::kData:  // no holes are told: all is data, then the end
    case SeekFrom::kHole: {
      const std::uint64_t size = TRY(node_->Size());
      if (offset < 0 || static_cast<std::uint64_t>(offset) >= size) {
        return Status::kOutOfRange;
      }
      position_ = from == SeekFrom::kData ? static_cast<std::uint64_t>(offset) : size;
      return position_;
    }
  }
  const std::uint64_t position = base + static_cast<std::uint64_t>(offset);
  if (position > kLargestOffset) {
    return Status::kInvalidArgument;
  }
  position_ = position;
  return position;
}

// -- directories ----------------------------------------------------------------------------------

Status OpenFile::ListDirectory(std::uint64_t position, DirectoryWriter& writer) {
  if (position < kDotCookie &&
      !writer.Add(".", FileKind::kDirectory, node_->number(), kDotCookie)) {
    return Status::kOk;
  }
  if (position < kDotDotCookie) {
    // Through a mount's edge, ".." is the covered directory's parent; its number is a courtesy.
    if (!writer.Add("..", FileKind::kDirectory, node_->number(), kDotDotCookie)) {
      return Status::kOk;
    }
    position = kDotDotCookie;
  }
  const Status status = node_->ReadDirectory(position, writer);
  return writer.used() != 0 ? Status::kOk : status;
}

Result<std::uint64_t> OpenFile::ReadDirectory(const cobj::CallContext&, BufferOut records) {
  if ((flags() & kOpenPathOnly) != 0) {
    return Status::kBadHandle;
  }
  if (node_->kind() != FileKind::kDirectory) {
    return Status::kNotDirectory;
  }
  const std::size_t room = std::min<std::size_t>(records.size(), 32 << 10);
  auto* space = static_cast<std::byte*>(mem::Allocate(std::max<std::size_t>(room, 1)));
  if (space == nullptr) {
    return Status::kNoMemory;
  }
  machine::MutexGuard guard(position_lock_);
  DirectoryWriter writer({space, room});
  Status status = ListDirectory(position_, writer);
  if (IsOk(status) && writer.used() == 0 && writer.full()) {
    status = Status::kOutOfRange;
  }
  if (IsOk(status) && writer.used() != 0) {
    status = records.CopyFrom(space, 0, writer.used());
  }
  if (IsOk(status) && writer.used() != 0) {
    position_ = writer.position();
  }
  mem::Free(space, std::max<std::size_t>(room, 1));
  TRY(status);
  Tell(abi::kFileRead);
  return std::uint64_t{writer.used()};
}

// -- attributes -----------------------------------------------------------------------------------

Status OpenFile::GetAttributes(FileAttributes& attributes) {
  attributes = {};
  TRY(node_->GetAttributes(&attributes));
  attributes.device = node_->file_system().device();
  attributes.node = node_->number();
  attributes.kind = node_->kind();
  attributes.mount = entry_ ? entry_->mount_number() : 0;
  return Status::kOk;
}

Status OpenFile::SetAttributes(const cobj::CallContext& caller, const AttributeChange& change) {
  if ((flags() & kOpenPathOnly) != 0) {
    return Status::kBadHandle;
  }
  if (node_->file_system().read_only()) {
    return Status::kReadOnly;
  }
  const bool may_resize = (flags() & kOpenWrite) != 0;
  if ((change.mask & kSetSize) != 0 && !may_resize) {
    return Status::kInvalidArgument;
  }
  Identity who;
  TRY(IdentityOf(caller, &who));
  TRY(ChangeAttributes(*node_, change, who, may_resize));
  TellOfChange(entry_.get(), *node_, change);
  return Status::kOk;
}

Status OpenFile::GetFileSystem(FileSystemInfo& info) {
  return node_->file_system().GetInfo(&info);
}

Status OpenFile::Allocate(const cobj::CallContext& caller, AllocateMode mode, std::uint64_t offset,
                          std::uint64_t length) {
  TRY(NeedsData());
  if (length == 0 || offset > kLargestOffset || length > kLargestOffset - offset) {
    return Status::kInvalidArgument;
  }
  Identity who;
  TRY(IdentityOf(caller, &who));
  if (offset + length > who.file_size_limit) {
    return Status::kLimitExceeded;
  }
  TRY(node_->Allocate(mode, offset, length));
  Tell(abi::kFileWritten);
  return Status::kOk;
}

Status OpenFile::Sync(bool data_only) {
  return (flags() & kOpenPathOnly) != 0 ? Status::kBadHandle : node_->Sync(data_only);
}

// -- locks ----------------------------------------------------------------------------------------

namespace {
LockHolder HolderOf(const cobj::CallContext& caller, const RangeLock& lock, const void* open_file) {
  return lock.owner == LockOwner::kProcess
             ? LockHolder::Process(static_cast<std::uint32_t>(caller.process_id))
             : LockHolder::OpenFile(open_file);
}
}  // namespace

namespace {

// What a wait for a lock ends by; none: it does not wait. Armed, or its end would be a stranger's.
Result<cobj::Ticket> LockTicket(const cobj::CallContext& caller, bool wait) {
  if (!wait || !caller.tickets || caller.ticket == abi::kNoTicket) {
    return cobj::Ticket();
  }
  const std::uint32_t armed = TRY(caller.tickets->Arm(caller.ticket));
  return cobj::Ticket{caller.tickets, armed};
}

}  // namespace

// Locks end when their opening is closed: a process keeps none open that it does not hold in a
// slot.
Status OpenFile::LockRange(const cobj::CallContext& caller, const RangeLock& lock, bool wait) {
  TRY(NeedsData());
  const std::uint32_t needed = lock.kind == LockKind::kShared      ? kOpenRead
                               : lock.kind == LockKind::kExclusive ? kOpenWrite
                                                                   : 0;
  if ((flags() & needed) != needed) {
    return Status::kBadHandle;
  }
  FileLocks* locks = TRY(node_->Locks());
  const cobj::Ticket ticket = TRY(LockTicket(caller, wait));
  node_->EndLease(lease_);
  const LockHolder holder = HolderOf(caller, lock, this);
  const Status status = locks->Set(holder, lock, ticket);
  if (status != Status::kNotFound) {
    return status;
  }
  TRY(FollowProcess(*locks, proc::node_processes->tasks, holder.process));
  return locks->Set(holder, lock, ticket);
}

Status OpenFile::QueryLock(const cobj::CallContext& caller, const RangeLock& lock,
                           RangeLock& found) {
  TRY(NeedsData());
  found = lock;
  found.kind = LockKind::kNone;
  if (FileLocks* locks = node_->LocksIfAny()) {
    locks->Query(HolderOf(caller, lock, this), lock, &found);
  }
  return Status::kOk;
}

Status OpenFile::LockWhole(const cobj::CallContext& caller, LockKind kind, bool wait) {
  if ((flags() & kOpenPathOnly) != 0) {
    return Status::kBadHandle;
  }
  FileLocks* locks = TRY(node_->Locks());
  const cobj::Ticket ticket = TRY(LockTicket(caller, wait));
  node_->EndLease(lease_);
  return locks->SetWhole(LockHolder::OpenFile(this), kind, ticket);
}

// A wait for a lock is the only thing a file has armed.
Status OpenFile::Disarm(const cobj::CallContext& caller, std::uint32_t number) {
  if (FileLocks* locks = node_->LocksIfAny()) {
    locks->Withdraw({caller.SinkOf(number), number});
  }
  return Status::kOk;
}

Status OpenFile::DropProcessLocks(const cobj::CallContext& caller) {
  if (FileLocks* locks = node_->LocksIfAny()) {
    locks->DropOwner(LockHolder::Process(static_cast<std::uint32_t>(caller.process_id)));
  }
  return Status::kOk;
}

// -- the rest -------------------------------------------------------------------------------------

Result<cobj::Granted<mem::IMemoryObject>> OpenFile::Memory(const cobj::CallContext& caller) {
  TRY(NeedsData());
  return node_->Memory(caller.rights & RightsFor(flags()));
}

Result<std::uint64_t> OpenFile::Control(const cobj::CallContext&, std::uint32_t operation, BufferIn,
                                        BufferOut) {
  if (operation == io::kControlBytesReadable && node_->kind() == FileKind::kRegular) {
    machine::MutexGuard guard(position_lock_);
    PickUpPosition();
    const std::uint64_t size = TRY(node_->Size());
    return size - std::min(size, position_);
  }
  return Status::kNotTerminal;
}

Result<Entry*> OpenFile::TakeEntry() {
  RefPtr<Entry> entry = entry_;
  return entry.Release();
}

}  // namespace k42::fs
