// SysV shared memory, over files of the node's memory file system.
//
// A segment is a file /dev/shm/.sysv.ID; a key is a symbolic link .sysv.key.K to it. So ids and
// keys mean the same in every process of the node, permissions are the file's, and IPC_RMID is an
// unlink: what is attached stays mapped. An id is the file's number in its file system. Limits:
// nattch is not counted across processes (IPC_STAT reports 1 while attached here, else 0).
#include <cstring>
#include <span>

#include "user/linux/call_support.h"
#include "user/linux/shared_memory.h"

namespace k42::personality::calls {
namespace {

constexpr U32 kIpcCreate = 01000, kIpcExclusive = 02000, kReadOnly = 010000, kRound = 020000,
              kRemap = 040000;
constexpr U32 kIpcRemove = 0, kIpcSet = 1, kIpcStat = 2;
constexpr I32 kIpcPrivate = 0;

struct LinuxShmDescriptor {
  I32 key;
  U32 uid, gid, cuid, cgid, mode;
  std::uint16_t sequence, pad0;
  U32 pad1;
  std::uint64_t unused[2];
  std::uint64_t size;
  std::int64_t attached_at, detached_at, changed_at;
  I32 creator, last;
  std::uint64_t attached;
  std::uint64_t unused2[2];
};
static_assert(sizeof(LinuxShmDescriptor) == 112);

// Segments attached in this process, for shmdt.
struct Attachment {
  std::uint64_t address, size;
  I32 id;
  bool removed;  // by us: the file goes with our last attachment
};
constexpr int kAttachmentsMax = 256;
Attachment attachments[kAttachmentsMax];
int attachments_used;  // those from here on were never used, and are not looked at

std::span<Attachment> Attachments() {
  return {attachments, static_cast<std::size_t>(attachments_used)};
}

class Name {
 public:
  Name(const char* prefix, std::uint64_t number) {
    while (*prefix) {
      text_[size_++] = *prefix++;
    }
    for (int shift = 28; shift >= 0; shift -= 4) {
      text_[size_++] = "0123456789abcdef"[number >> shift & 15];
    }
  }
  kernel::Path path() const { return {kernel::kNoHandle, text_, size_}; }
  const char* text() const { return text_; }
  std::size_t size() const { return size_; }

 private:
  char text_[40] = {};
  std::size_t size_ = 0;
};
constexpr char kSegment[] = "/dev/shm/.sysv.";
constexpr char kRemoved[] = "/dev/shm/.sysv.removed.";
constexpr char kKey[] = "/dev/shm/.sysv.key.";

std::int64_t ReadId(const Name& key) {
  char text[40] = {};
  const Result<std::uint64_t> size = kernel::ReadLink(key.path(), text, sizeof(text) - 1);
  if (!size.ok()) {
    return ErrnoOf(size.status());
  }
  std::int64_t id = 0;
  for (std::size_t i = sizeof(kSegment) - 1; i < size.value() && text[i]; ++i) {
    const char c = text[i];
    id = id << 4 | (c >= 'a' ? c - 'a' + 10 : c - '0');
  }
  return id;
}

std::int64_t CreateSegment(U64 size, U32 mode) {
  if (size == 0) {
    return -kEINVAL;
  }
  for (int attempt = 0; attempt < 64; ++attempt) {
    U32 id = 0;
    (void)kernel::GetRandom(&id, sizeof(id));
    id &= 0x7fffffff;
    const Name name(kSegment, id);
    const Result<kernel::Handle> file = kernel::Open(
        name.path(), fs::kOpenRead | fs::kOpenWrite | fs::kOpenCreate | fs::kOpenExclusive,
        mode & 0777);
    if (file.status() == Status::kAlreadyExists) {
      continue;
    }
    if (!file.ok()) {
      return ErrnoOf(file.status());
    }
    fs::AttributeChange change{};
    change.mask = fs::kSetSize;
    change.size = size;
    const Status sized = kernel::SetFileAttributes(file.value(), change);
    kernel::Close(file.value());
    return sized == Status::kOk ? static_cast<std::int64_t>(id) : ErrnoOf(sized);
  }
  return -kENOSPC;
}

Attachment* FindAttachment(std::uint64_t address) {
  for (Attachment& attachment : Attachments()) {
    if (attachment.size != 0 && attachment.address == address) {
      return &attachment;
    }
  }
  return nullptr;
}

bool AttachedHere(I32 id) {
  for (const Attachment& attachment : Attachments()) {
    if (attachment.size != 0 && attachment.id == id) {
      return true;
    }
  }
  return false;
}

void Forget(Attachment* attachment) {
  const Attachment gone = *attachment;
  *attachment = {};
  if (gone.removed && !AttachedHere(gone.id)) {
    (void)kernel::Remove(Name(kRemoved, static_cast<U32>(gone.id)).path(), 0);
  }
}

// IPC_RMID of a segment that exists.
Status RemoveSegment(I32 id) {
  const Name name(kSegment, static_cast<U32>(id));
  if (!AttachedHere(id)) {
    return kernel::Remove(name.path(), 0);
  }
  const Status status = kernel::Rename(name.path(), Name(kRemoved, static_cast<U32>(id)).path(), 0);
  for (Attachment& attachment : Attachments()) {
    attachment.removed |= status == Status::kOk && attachment.size != 0 && attachment.id == id;
  }
  return status;
}

Status SegmentAttributes(I32 id, fs::FileAttributes* attributes) {
  return kernel::GetAttributes(Name(kSegment, static_cast<U32>(id)).path(), 0, attributes);
}

}  // namespace

Reply ShmGet(Thread&, I32 key, U64 size, U32 flags) {
  if (key == kIpcPrivate) {
    return CreateSegment(size, flags);
  }
  const Name name(kKey, static_cast<U32>(key));
  for (;;) {
    const std::int64_t id = ReadId(name);
    if (id >= 0) {
      fs::FileAttributes attributes{};
      const Status status = SegmentAttributes(static_cast<I32>(id), &attributes);
      if (status == Status::kNotFound) {  // removed: the key is free again
        (void)kernel::Remove(name.path(), 0);
        continue;
      }
      if (status != Status::kOk) {
        return ErrnoOf(status);
      }
      if ((flags & (kIpcCreate | kIpcExclusive)) == (kIpcCreate | kIpcExclusive)) {
        return -kEEXIST;
      }
      return size > attributes.size ? -kEINVAL : id;
    }
    if (id != -kENOENT || !(flags & kIpcCreate)) {
      return id;
    }
    const std::int64_t created = CreateSegment(size, flags);
    if (created < 0) {
      return created;
    }
    const Name segment(kSegment, static_cast<U32>(created));
    const Status linked = kernel::MakeSymbolicLink(segment.text(), segment.size(), name.path());
    if (linked == Status::kOk) {
      return created;
    }
    (void)kernel::Remove(segment.path(), 0);
    if (linked != Status::kAlreadyExists) {  // else somebody was quicker: use theirs
      return ErrnoOf(linked);
    }
  }
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
  Result<kernel::Handle> file =
      kernel::Open(Name(kSegment, static_cast<U32>(id)).path(), access, 0);
  if (file.status() == Status::kNotFound) {
    file = kernel::Open(Name(kRemoved, static_cast<U32>(id)).path(), access, 0);
  }
  if (!file.ok()) {
    return file.status() == Status::kNotFound ? -kEINVAL : ErrnoOf(file.status());
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
  kernel::Close(file.value());
  if (!mapped.ok()) {
    return mapped.status() == Status::kAlreadyExists ? -kEINVAL : ErrnoOf(mapped.status());
  }
  for (int i = 0; i < kAttachmentsMax; ++i) {
    if (i == attachments_used || attachments[i].size == 0) {
      attachments[i] = {mapped.value(), size, id, false};
      attachments_used = i == attachments_used ? i + 1 : attachments_used;
      return static_cast<Reply>(mapped.value());
    }
  }
  (void)kernel::Unmap(mapped.value(), size);
  return -kENOMEM;
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
  fs::FileAttributes attributes{};
  switch (command & 0xff) {
    case kIpcRemove: {
      const Status status = RemoveSegment(id);
      return status == Status::kNotFound ? -kEINVAL : ErrnoOf(status);
    }
    case kIpcStat: {
      const Status status = SegmentAttributes(id, &attributes);
      if (status != Status::kOk) {
        return status == Status::kNotFound ? -kEINVAL : ErrnoOf(status);
      }
      LinuxShmDescriptor descriptor{};
      descriptor.uid = descriptor.cuid = attributes.user;
      descriptor.gid = descriptor.cgid = attributes.group;
      descriptor.mode = attributes.mode & 0777;
      descriptor.size = attributes.size;
      descriptor.changed_at = attributes.change_ns / kNsPerSecond;
      for (const Attachment& attachment : Attachments()) {
        descriptor.attached += attachment.size != 0 && attachment.id == id;
      }
      return WriteUser(buffer, descriptor) ? 0 : -kEFAULT;
    }
    case kIpcSet:
      return SegmentAttributes(id, &attributes) == Status::kOk ? 0 : -kEINVAL;
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
  }
}

}  // namespace k42::personality
