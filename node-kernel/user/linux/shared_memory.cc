// SysV shared memory, over files of the node's memory file system (sysv_names.h). What is attached
// stays mapped when it is removed.
//
// How many have attached it is counted by record locks of the segment's file, far behind its bytes,
// since the kernel takes them back from a process that ends, however it ends: a process holds one
// byte for each time it has attached the segment, from MarksOf(its number) on.
#include <cstring>
#include <span>

#include "user/linux/call_support.h"
#include "user/linux/shared_memory.h"
#include "user/linux/sysv_names.h"

namespace k42::personality::calls {
namespace {

using namespace sysv;
using Of = Name::Of;

constexpr U32 kReadOnly = 010000, kRound = 020000, kRemap = 040000;
constexpr U32 kShmStat = 13, kShmInfo = 14, kShmStatAny = 15;

struct LinuxShmDescriptor {
  LinuxPermissions permissions;
  std::uint64_t size;
  std::int64_t attached_at, detached_at, changed_at;
  I32 creator, last;
  std::uint64_t attached;
  std::uint64_t unused2[2];
};
static_assert(sizeof(LinuxShmDescriptor) == 112);

struct LinuxShmLimits {
  U64 size_most, size_least, segments_most, attached_most, pages_most;
  U64 unused[4];
};
struct LinuxShmInfo {
  I32 segments, pad;
  U64 pages, resident, swapped, swap_attempts, swap_successes;
};

// Segments attached in this process, for shmdt.
struct Attachment {
  std::uint64_t address, size;
  I32 id;
  bool removed;  // by us: the file goes with our last attachment
};
constexpr int kAttachmentsMax = 256;
[[gnu::section(".bss.large")]] Attachment attachments[kAttachmentsMax];
int attachments_used;  // those from here on were never used, and are not looked at

std::span<Attachment> Attachments() {
  return {attachments, static_cast<std::size_t>(attachments_used)};
}

// Of what a name in the shared folder stands for, if it may be a segment.
Status SegmentAttributes(I32 id, fs::FileAttributes* attributes) {
  const Name name(Kind::kMemory, Of::kObject, id);
  const Status status = kernel::GetAttributes(name.path(), fs::kWalkNoFollow, attributes);
  return status == Status::kOk && attributes->kind != fs::FileKind::kRegular ? Status::kNotFound
                                                                             : status;
}

class WantedSegment final : public Wanted {
 public:
  explicit WantedSegment(U64 size) : size_(size) {}
  Status Fill(kernel::Handle file) const override {
    fs::AttributeChange change{};
    change.mask = fs::kSetSize;
    change.size = size_;
    return size_ == 0 ? Status::kInvalidArgument : kernel::SetFileAttributes(file, change);
  }
  std::int64_t Matches(I32 id) const override {
    fs::FileAttributes attributes{};
    const Status status = SegmentAttributes(id, &attributes);
    return status == Status::kNotFound ? -kEIDRM
           : status != Status::kOk     ? ErrnoOf(status)
           : size_ > attributes.size   ? -kEINVAL
                                       : 0;
  }

 private:
  U64 size_;
};

constexpr U64 kMarks = U64{1} << 62, kMarksEach = 2 * kAttachmentsMax, kMarksCounted = 4096;

U64 MarksOf(I32 pid) {
  return kMarks + static_cast<U64>(pid) * kMarksEach;
}

U64 CountHere(I32 id) {
  U64 count = 0;
  for (const Attachment& attachment : Attachments()) {
    count += attachment.size != 0 && attachment.id == id;
  }
  return count;
}

// `count` of them from `at` on. One that cannot be made is not counted, and hurts nobody else.
void Mark(kernel::Handle file, fs::LockKind kind, U64 at, U64 count) {
  (void)kernel::LockRange(file, {kind, fs::LockOwner::kProcess, at, count, 0, 0}, false);
}

// Those of other processes. Anybody who may read the file can make such locks, so that the number
// is bounded, and no more than a number.
U64 CountElsewhere(kernel::Handle file) {
  fs::RangeLock found{};
  U64 count = 0;
  for (U64 at = kMarks; count < kMarksCounted; at = found.start + found.length) {
    const fs::RangeLock any{fs::LockKind::kExclusive, fs::LockOwner::kProcess, at, 0, 0, 0};
    if (kernel::QueryLock(file, any, &found) != Status::kOk || found.kind == fs::LockKind::kNone ||
        found.length == 0 || found.start < at) {
      break;
    }
    count += found.length < kAttachmentsMax ? found.length : U64{kAttachmentsMax};
  }
  return count;
}

Attachment* FindAttachment(std::uint64_t address) {
  for (Attachment& attachment : Attachments()) {
    if (attachment.size != 0 && attachment.address == address) {
      return &attachment;
    }
  }
  return nullptr;
}

std::int64_t RemoveSegment(I32 id) {
  const bool used = CountHere(id) != 0;
  const std::int64_t error = Remove(Kind::kMemory, id, used);
  for (Attachment& attachment : Attachments()) {
    attachment.removed |= error == 0 && attachment.size != 0 && attachment.id == id;
  }
  return error;
}

Result<kernel::Handle> OpenSegment(I32 id, U32 access) {
  access |= fs::kOpenNoFollow;
  const Result<kernel::Handle> file =
      kernel::Open(Name(Kind::kMemory, Of::kObject, id).path(), access, 0);
  return file.status() != Status::kNotFound
             ? file
             : kernel::Open(Name(Kind::kMemory, Of::kGone, id).path(), access, 0);
}

// False: there are too many.
bool Keep(const Attachment& made, kernel::Handle file) {
  for (int i = 0; i < kAttachmentsMax; ++i) {
    if (i == attachments_used || attachments[i].size == 0) {
      const U64 others = CountHere(made.id);
      attachments[i] = made;
      attachments_used = i == attachments_used ? i + 1 : attachments_used;
      Mark(file, fs::LockKind::kShared, MarksOf(Tasks().first()->pid) + others, 1);
      return true;
    }
  }
  return false;
}

void Forget(Attachment* attachment) {
  const Attachment gone = *attachment;
  *attachment = {};
  const U64 left = CountHere(gone.id);
  if (const Result<kernel::Handle> file = OpenSegment(gone.id, fs::kOpenRead); file.ok()) {
    Mark(file.value(), fs::LockKind::kNone, MarksOf(Tasks().first()->pid) + left, 1);
    kernel::Close(file.value());
  }
  if (gone.removed && left == 0) {
    (void)kernel::Remove(Name(Kind::kMemory, Of::kGone, gone.id).path(), 0);
  }
}

std::int64_t Show(I32 id, Address address) {
  fs::FileAttributes attributes{};
  const Status status = SegmentAttributes(id, &attributes);
  if (status != Status::kOk) {
    return status == Status::kNotFound ? -kEINVAL : ErrnoOf(status);
  }
  const Result<kernel::Handle> file = OpenSegment(id, fs::kOpenRead);
  if (!file.ok()) {
    return ErrnoOf(file.status());
  }
  LinuxShmDescriptor shown{};
  Fill(Kind::kMemory, id, attributes, &shown.permissions);
  shown.size = attributes.size;
  shown.changed_at = attributes.change_ns / kNsPerSecond;
  shown.attached = CountHere(id) + CountElsewhere(file.value());
  kernel::Close(file.value());
  return WriteUser(address, shown) ? 0 : -kEFAULT;
}

// What may be.
std::int64_t ShowLimits(Address address) {
  constexpr U64 kNone = ~U64{0} - (U64{1} << 24), kSegmentsMost = 4096;
  const LinuxShmLimits limits{kNone, 1, kSegmentsMost, kSegmentsMost, kNone, {}};
  U64 segments = 0;
  for (Objects objects(Kind::kMemory); objects.Next() >= 0;) {
    ++segments;
  }
  return WriteUser(address, limits) ? HighestIndex(segments) : -kEFAULT;
}

// What is.
std::int64_t ShowInfo(Address address) {
  LinuxShmInfo info{};
  Objects objects(Kind::kMemory);
  for (I32 id; (id = objects.Next()) >= 0; ++info.segments) {
    fs::FileAttributes attributes{};
    if (SegmentAttributes(id, &attributes) == Status::kOk) {
      info.pages += (attributes.size + abi::kPageSize - 1) / abi::kPageSize;
      info.resident += attributes.allocated / abi::kPageSize;
    }
  }
  return WriteUser(address, info) ? HighestIndex(static_cast<U64>(info.segments)) : -kEFAULT;
}

}  // namespace

Reply ShmGet(Thread&, I32 key, U64 size, U32 flags) {
  return Get(Kind::kMemory, key, flags, WantedSegment(size));
}

Reply ShmAt(Thread&, I32 id, Address address, U32 flags) {
  const bool read_only = (flags & kReadOnly) != 0;
  if (flags & kRound) {
    address &= ~std::uint64_t{abi::kPageSize - 1};
  }
  if (address % abi::kPageSize != 0 || (address == 0 && (flags & kRemap))) {
    return -kEINVAL;
  }
  const std::uint32_t access = fs::kOpenRead | (read_only ? 0u : fs::kOpenWrite);
  const Result<kernel::Handle> file = OpenSegment(id, access);
  if (!file.ok()) {
    const bool none = file.status() == Status::kNotFound || file.status() == Status::kLoop;
    return none ? -kEINVAL : ErrnoOf(file.status());
  }
  fs::FileAttributes attributes{};
  (void)kernel::GetFileAttributes(file.value(), &attributes);
  const std::uint64_t size =
      (attributes.size + abi::kPageSize - 1) & ~std::uint64_t{abi::kPageSize - 1};
  std::uint32_t how = proc::kMapShared;
  if (address != 0) {
    how |= flags & kRemap ? proc::kMapFixed : proc::kMapFixedNoReplace;
  }
  const proc::MapRequest request{address, size, 0,
                                 proc::kMapRead | (read_only ? 0u : proc::kMapWrite), how};
  const Result<std::uint64_t> mapped = kernel::Map(request, file.value());
  const bool kept = mapped.ok() && Keep({mapped.value(), size, id, false}, file.value());
  kernel::Close(file.value());
  if (!mapped.ok()) {
    return mapped.status() == Status::kAlreadyExists ? -kEINVAL : ErrnoOf(mapped.status());
  }
  if (!kept) {
    (void)kernel::Unmap(mapped.value(), size);
    return -kENOMEM;
  }
  return static_cast<Reply>(mapped.value());
}

Reply ShmDt(Thread&, Address address) {
  Attachment* attachment = FindAttachment(address);
  if (!attachment) {
    return -kEINVAL;
  }
  (void)kernel::Unmap(attachment->address, attachment->size);
  Forget(attachment);
  return 0;
}

Reply ShmCtl(Thread&, I32 id, U32 command, Address buffer) {
  switch (command & 0xff) {
    case kIpcRemove:
      return RemoveSegment(id);
    case kIpcStat:
      return Show(id, buffer);
    case kIpcInfo:
      return ShowLimits(buffer);
    case kShmInfo:
      return ShowInfo(buffer);
    case kShmStat:
    case kShmStatAny: {
      const std::int64_t found = IdAt(Kind::kMemory, id);
      const std::int64_t error = found < 0 ? found : Show(static_cast<I32>(found), buffer);
      return error != 0 ? error : found;
    }
    case kIpcSet: {
      LinuxShmDescriptor wanted;
      return ReadUser(&wanted, buffer) ? Change(Kind::kMemory, id, wanted.permissions) : -kEFAULT;
    }
    default:
      return -kEINVAL;
  }
}

}  // namespace k42::personality::calls

namespace k42::personality {

void DetachSharedMemory() {
  for (auto& attachment : calls::Attachments()) {
    if (attachment.size != 0) {
      calls::Forget(&attachment);
    }
  }
}

void InheritSharedMemory() {
  for (auto& attachment : calls::Attachments()) {
    attachment.removed = false;
    if (attachment.size == 0) {
      continue;
    }
    const Result<kernel::Handle> file = calls::OpenSegment(attachment.id, fs::kOpenRead);
    if (file.ok()) {  // of the same segment once for each: it is the same
      calls::Mark(file.value(), fs::LockKind::kShared, calls::MarksOf(Tasks().first()->pid),
                  calls::CountHere(attachment.id));
      kernel::Close(file.value());
    }
  }
}

}  // namespace k42::personality
