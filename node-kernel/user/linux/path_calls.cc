// Calls about names. Resolution and permission are the name space's (the kernel's) business; what
// happens here is where a relative path starts, the umask, and trailing slashes.
#include <cstring>

#include "user/linux/call_support.h"
#include "user/linux/descriptor_folder.h"
#include "user/linux/descriptor_service.h"
#include "user/linux/file_slots.h"
#include "user/linux/open_flags.h"

namespace k42::personality::calls {
namespace {

struct OpenHow {
  std::uint64_t flags, mode, resolve;
};

constexpr std::uint32_t kKnownOpenFlags = 037777777 & ~3u;

// mkdir("x/") is mkdir("x").
void StripSlashes(kernel::Path* where) {
  while (where->size > 1 && where->text[where->size - 1] == '/') {
    --where->size;
  }
}

// What fcntl reports of an opening: not the flags that only steer the open.
std::uint32_t KeptFlags(std::uint32_t flags) {
  return flags & kO_PATH
             ? kO_PATH | (flags & (kO_DIRECTORY | kO_NOFOLLOW))
             : (flags & ~(kO_CREAT | kO_EXCL | kO_NOCTTY | kO_TRUNC | kO_CLOEXEC)) | kO_LARGEFILE;
}

// Opens what a descriptor stands for again. What has no name cannot be: a pipe is duplicated, as
// close as it gets, and the others are no files that can be opened.
std::int64_t ReopenDescriptor(Thread& thread, std::uint32_t fd, std::uint32_t flags) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kENOENT;
  }
  if ((flags & kO_NOFOLLOW) != 0) {
    return -kELOOP;
  }
  if ((flags & (kO_CREAT | kO_EXCL)) == (kO_CREAT | kO_EXCL)) {
    return -kEEXIST;
  }
  const bool close_on_exec = (flags & kO_CLOEXEC) != 0;
  KernelFile* file = description.file();
  if (!file || file->cannot_be_opened()) {
    return -kENXIO;
  }
  const Result<kernel::Handle> opened = kernel::Open(
      {file->handle(), "", 0}, OpenFlagsFromLinux(flags & ~kO_CREAT) | fs::kOpenEmptyPath, 0);
  if (opened.status() == Status::kNotDirectory && (flags & kO_DIRECTORY) == 0) {
    return thread.task->files->Add(description.Take(), close_on_exec);
  }
  if (!opened.ok()) {
    return ErrnoOf(opened.status());
  }
  KernelFile* again = KernelFile::Create(opened.value(), KeptFlags(flags));
  return again ? thread.task->files->Add(again, close_on_exec) : -kENOMEM;
}

std::int64_t OpenFolder(Thread& thread, std::uint32_t flags) {
  if ((flags & kO_CREAT) != 0 || (flags & kO_ACCMODE) != kO_RDONLY) {
    return -kEISDIR;
  }
  DescriptorFolder* folder = DescriptorFolder::Create(thread.task->pid, KeptFlags(flags));
  return folder ? thread.task->files->Add(folder, (flags & kO_CLOEXEC) != 0) : -kENOMEM;
}

std::int64_t OpenForeignDescriptor(Thread& thread, std::int32_t pid, std::uint32_t fd,
                                   std::uint32_t flags) {
  const Result<kernel::Handle> passed = AskForDescriptor(pid, fd);
  if (!passed.ok()) {
    return -kENOENT;
  }
  const std::uint32_t how = OpenFlagsFromLinux(flags & ~(kO_CREAT | kO_EXCL | kO_NOFOLLOW));
  const Result<kernel::Handle> opened =
      kernel::Open({passed.value(), "", 0}, how | fs::kOpenEmptyPath, 0);
  kernel::Close(passed.value());
  if (!opened.ok()) {
    return ErrnoOf(opened.status());
  }
  KernelFile* file = KernelFile::Create(opened.value(), KeptFlags(flags));
  return file ? thread.task->files->Add(file, (flags & kO_CLOEXEC) != 0) : -kENOMEM;
}

// Until the other side of a fifo has been opened, if only for a moment.
std::int64_t AwaitPeer(Description* fifo) {
  for (;;) {
    const std::uint64_t word = fifo->Poll();
    if ((abi::PollWord::Unpack(word).ready & abi::kPeerPresent) != 0) {
      return 0;
    }
    const std::int64_t waited = WaitReady(fifo, abi::kPeerPresent, 0, abi::kArmEdge | word);
    if (waited < 0) {
      return waited;
    }
  }
}

// A file without a name, in a directory that could have one. All such files are in memory: where
// others would be expected to be kept, there are none.
std::int64_t OpenTemporary(Thread& thread, PathArgument& path, std::uint32_t flags,
                           std::uint32_t mode) {
  if ((flags & kO_DIRECTORY) == 0 || (flags & kO_CREAT) != 0 || (flags & kO_ACCMODE) == kO_RDONLY) {
    return -kEINVAL;
  }
  const std::uint32_t walk = path.Follow(thread, 0);
  if (path.error()) {
    return path.error();
  }
  const kernel::Path where = path.get();
  fs::FileAttributes attributes{};
  fs::FileSystemInfo info{};
  Status status = kernel::GetAttributes(where, walk, &attributes);
  if (IsOk(status) && attributes.kind != fs::FileKind::kDirectory) {
    return -kENOTDIR;
  }
  if (IsOk(status)) {
    status = kernel::CheckAccess(where, walk | fs::kWalkEffective,
                                 fs::kAccessWrite | fs::kAccessExecute);
  }
  if (IsOk(status)) {
    status = path.followed() ? kernel::FileSystemOf(where.directory, &info)
                             : kernel::GetFileSystem(where, &info);
  }
  if (!IsOk(status)) {
    return ErrnoOf(status);
  }
  if (info.kind != fs::FileSystemKind::kMemory) {
    return -kEOPNOTSUPP;
  }
  const Result<kernel::Handle> unnamed = kernel::MakeUnnamed(fs::kOpenRead | fs::kOpenWrite);
  if (!unnamed.ok()) {
    return ErrnoOf(unnamed.status());
  }
  fs::AttributeChange change{};
  change.mask = fs::kSetMode;
  change.mode = mode & 07777 & ~thread.task->fs->umask;
  (void)kernel::SetFileAttributes(unnamed.value(), change);
  KernelFile* file = KernelFile::Create(unnamed.value(), (flags & kO_ACCMODE) | kO_LARGEFILE);
  return file ? thread.task->files->Add(file, (flags & kO_CLOEXEC) != 0) : -kENOMEM;
}

std::int64_t OpenFile(Thread& thread, std::int32_t directory, std::uint64_t path_address,
                      std::uint32_t flags, std::uint32_t mode) {
  PathArgument path(thread, directory, path_address);
  if (path.error()) {
    return path.error();
  }
  flags &= kKnownOpenFlags | kO_ACCMODE;
  if ((flags & kO_TMPFILE & ~kO_DIRECTORY) != 0) {
    return OpenTemporary(thread, path, flags, mode);
  }
  const DescriptorPath& of = path.descriptor();
  if (of.form == DescriptorPath::Form::kFolder) {
    return OpenFolder(thread, flags);
  }
  if (of.form == DescriptorPath::Form::kEntry) {
    return of.pid == thread.task->pid ? ReopenDescriptor(thread, of.fd, flags)
                                      : OpenForeignDescriptor(thread, of.pid, of.fd, flags);
  }
  const std::uint32_t masked = mode & 07777 & ~thread.task->fs->umask;
  const std::uint32_t open_flags = OpenFlagsFromLinux(flags);
  if (KernelFile* again = OpenAgain(path.get(), open_flags)) {
    again->set_linux_flags(KeptFlags(flags));
    return thread.task->files->Add(again, (flags & kO_CLOEXEC) != 0);
  }
  std::uint32_t slot = abi::FileSlots::kNone;
  Result<kernel::Handle> opened = OpenFileInSlot(path.get(), open_flags, masked, &slot);
  const bool waits = opened.status() == Status::kWouldBlock;
  if (waits) {
    opened = kernel::Open(path.get(), open_flags | fs::kOpenAwaitsPeer, masked);
  }
  if (!opened.ok()) {
    switch (opened.status()) {
      case Status::kAddressUnavailable:  // a fifo that nobody reads; no controlling terminal
        return -kENXIO;
      case Status::kLimitExceeded:
        return -kEMFILE;
      case Status::kNotSupported:
        return -kENXIO;
      default:
        return ErrnoOf(opened.status());
    }
  }
  DescriptionRef file(KernelFile::Create(opened.value(), KeptFlags(flags)));
  TakeSlot(slot, file.file(), path.get(), open_flags);
  if (!file) {
    return -kENOMEM;
  }
  if (waits) {
    if (const std::int64_t waited = AwaitPeer(file.get()); waited < 0) {
      return waited;
    }
  }
  return thread.task->files->Add(file.Take(), (flags & kO_CLOEXEC) != 0);
}

std::int64_t SetDirectory(Thread& thread, DescriptionRef directory) {
  thread.task->fs->directory = static_cast<DescriptionRef&&>(directory);
  char text[kPathLimit];
  const kernel::Handle handle = thread.task->fs->directory_handle();
  const Result<std::uint64_t> size = kernel::GetPath(handle, text, sizeof(text));
  if (size.ok()) {
    (void)kernel::SetText(0, proc::TaskText::kDirectory, text, size.value());
  }
  return 0;
}

std::int64_t CheckPath(Thread& thread, std::int32_t directory, std::uint64_t address,
                       std::uint32_t mode, std::uint32_t flags) {
  if (mode > 7 || (flags & ~(kAT_EACCESS | kAT_SYMLINK_NOFOLLOW | kAT_EMPTY_PATH)) != 0) {
    return -kEINVAL;
  }
  PathArgument path(thread, directory, address, (flags & kAT_EMPTY_PATH) != 0);
  if (path.error()) {
    return path.error();
  }
  std::uint32_t walk = flags & kAT_SYMLINK_NOFOLLOW ? fs::kWalkNoFollow : 0;
  walk |= flags & kAT_EMPTY_PATH ? fs::kWalkEmptyPath : 0;
  walk |= flags & kAT_EACCESS ? fs::kWalkEffective : 0;
  if (path.descriptor().form == DescriptorPath::Form::kFolder || path.names_link(walk)) {
    return 0;
  }
  walk = path.Follow(thread, walk);
  if (path.followed() && path.get().directory == kernel::kNoHandle) {
    return 0;
  }
  const Status status = kernel::CheckAccess(path.get(), walk, mode);
  // What has no name belongs to whoever has it open.
  return path.followed() && status == Status::kNotDirectory ? 0 : ErrnoOf(status);
}

}  // namespace

Reply Open(Thread& thread, Address path, U32 flags, U32 mode) {
  return OpenFile(thread, kAtFdCwd, path, flags, mode);
}
Reply OpenAt(Thread& thread, I32 directory, Address path, U32 flags, U32 mode) {
  return OpenFile(thread, directory, path, flags, mode);
}
Reply OpenAt2(Thread& thread, I32 directory, Address path, Address how, U64 size) {
  constexpr U64 kNoCrossing = 1, kNoMagicLinks = 2, kNoLinks = 4, kBeneath = 8, kInRoot = 16,
                kCached = 32;
  OpenHow request;
  if (size < sizeof(request)) {
    return -kEINVAL;
  }
  if (size > abi::kPageSize) {
    return -kE2BIG;
  }
  if (!ReadUser(&request, how)) {
    return -kEFAULT;
  }
  for (U64 at = sizeof(request); at < size; ++at) {  // of a later version: asks for nothing if 0
    char more = 0;
    if (!ReadUser(&more, how + at)) {
      return -kEFAULT;
    }
    if (more != 0) {
      return -kE2BIG;
    }
  }
  const U64 known = kKnownOpenFlags | kO_ACCMODE;
  const bool makes = (request.flags & (kO_CREAT | (kO_TMPFILE & ~kO_DIRECTORY))) != 0;
  if ((request.flags & ~known) != 0 || (request.mode & ~U64{07777}) != 0 ||
      (request.mode != 0 && !makes) ||
      (request.resolve &
       ~(kNoCrossing | kNoMagicLinks | kNoLinks | kBeneath | kInRoot | kCached)) != 0 ||
      (request.resolve & (kBeneath | kInRoot)) == (kBeneath | kInRoot)) {
    return -kEINVAL;
  }
  if (request.resolve & kCached) {
    return -kEAGAIN;  // who asks so is ready to ask again without
  }
  if (request.resolve != 0) {
    return -kENOSYS;  // better refused than ignored; callers then walk by themselves
  }
  return OpenFile(thread, directory, path, static_cast<U32>(request.flags),
                  static_cast<U32>(request.mode));
}
Reply Creat(Thread& thread, Address path, U32 mode) {
  return OpenFile(thread, kAtFdCwd, path, kO_CREAT | kO_WRONLY | kO_TRUNC, mode);
}

Reply Access(Thread& thread, Address path, U32 mode) {
  return CheckPath(thread, kAtFdCwd, path, mode, 0);
}
Reply FAccessAt(Thread& thread, I32 directory, Address path, U32 mode) {
  return CheckPath(thread, directory, path, mode, 0);
}
Reply FAccessAt2(Thread& thread, I32 directory, Address path, U32 mode, U32 flags) {
  return CheckPath(thread, directory, path, mode, flags);
}

Reply ChangeDirectory(Thread& thread, Address address) {
  PathArgument path(thread, kAtFdCwd, address);
  if (path.error()) {
    return path.error();
  }
  const std::uint32_t walk = path.Follow(thread, 0);
  const Result<kernel::Handle> opened =
      kernel::Open(path.get(),
                   fs::kOpenPathOnly | fs::kOpenDirectory |
                       ((walk & fs::kWalkEmptyPath) != 0 ? fs::kOpenEmptyPath : 0u),
                   0);
  if (!opened.ok()) {
    return ErrnoOf(opened.status());
  }
  const kernel::Path itself{opened.value(), "", 0};
  const Status allowed =
      kernel::CheckAccess(itself, fs::kWalkEmptyPath | fs::kWalkEffective, fs::kAccessExecute);
  if (allowed != Status::kOk) {
    kernel::Close(opened.value());
    return ErrnoOf(allowed);
  }
  KernelFile* file = KernelFile::Create(opened.value(), kO_PATH);
  return file ? SetDirectory(thread, DescriptionRef(file)) : -kENOMEM;
}

Reply FChangeDirectory(Thread& thread, U32 fd) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  if (!description.file()) {
    return -kENOTDIR;
  }
  const Result<fs::FileKind> kind = kernel::Kind(description.file()->handle());
  if (!kind.ok() || kind.value() != fs::FileKind::kDirectory) {
    return -kENOTDIR;
  }
  return SetDirectory(thread, static_cast<DescriptionRef&&>(description));
}

Reply GetCurrentDirectory(Thread& thread, Address buffer, U64 size) {
  char text[kPathLimit];
  std::uint64_t length = 1;
  text[0] = '/';
  if (thread.task->fs->directory) {
    const Result<std::uint64_t> got =
        kernel::GetPath(thread.task->fs->directory_handle(), text, sizeof(text) - 1);
    if (!got.ok()) {
      return got.status() == Status::kOutOfRange ? -kENAMETOOLONG : ErrnoOf(got.status());
    }
    length = got.value();
  }
  text[length++] = 0;
  if (length > size) {
    return -kERANGE;
  }
  return CopyOut(buffer, text, length) ? static_cast<Reply>(length) : -kEFAULT;
}

Reply ChangeRoot(Thread&, Address) {
  return -kEPERM;
}

Reply MakeDirectory(Thread& thread, Address path, U32 mode) {
  return MakeDirectoryAt(thread, kAtFdCwd, path, mode);
}
Reply MakeDirectoryAt(Thread& thread, I32 directory, Address address, U32 mode) {
  PathArgument path(thread, directory, address);
  if (path.error()) {
    return path.error();
  }
  kernel::Path where = path.get();
  StripSlashes(&where);
  return ErrnoOf(kernel::MakeDirectory(where, mode & 01777 & ~thread.task->fs->umask));
}

Reply MakeNode(Thread& thread, Address path, U32 mode, U64 device) {
  return MakeNodeAt(thread, kAtFdCwd, path, mode, device);
}
Reply MakeNodeAt(Thread& thread, I32 directory, Address address, U32 mode, U64) {
  PathArgument path(thread, directory, address);
  if (path.error()) {
    return path.error();
  }
  fs::FileKind kind{};
  switch (mode & kS_IFMT) {
    case 0:
    case kS_IFREG:
      kind = fs::FileKind::kRegular;
      break;
    case kS_IFIFO:
      kind = fs::FileKind::kFifo;
      break;
    case kS_IFSOCK:
      kind = fs::FileKind::kSocket;
      break;
    case kS_IFCHR:
    case kS_IFBLK:
      return -kEPERM;
    default:
      return -kEINVAL;
  }
  return ErrnoOf(kernel::MakeNode(path.get(), kind, mode & 07777 & ~thread.task->fs->umask));
}

Reply RemoveDirectory(Thread& thread, Address path) {
  return UnlinkAt(thread, kAtFdCwd, path, kAT_REMOVEDIR);
}
Reply Unlink(Thread& thread, Address path) {
  return UnlinkAt(thread, kAtFdCwd, path, 0);
}
Reply UnlinkAt(Thread& thread, I32 directory, Address address, U32 flags) {
  if ((flags & ~kAT_REMOVEDIR) != 0) {
    return -kEINVAL;
  }
  PathArgument path(thread, directory, address);
  if (path.error()) {
    return path.error();
  }
  kernel::Path where = path.get();
  if (flags & kAT_REMOVEDIR) {
    StripSlashes(&where);
  }
  const Status removed = kernel::Remove(where, flags & kAT_REMOVEDIR ? fs::kRemoveDirectory : 0);
  if (removed == Status::kOk) {
    DropClosedFile(where);  // what nobody can open again need not stay
  }
  return ErrnoOf(removed);
}

Reply Rename(Thread& thread, Address from, Address to) {
  return RenameAt2(thread, kAtFdCwd, from, kAtFdCwd, to, 0);
}
Reply RenameAt(Thread& thread, I32 from_directory, Address from, I32 to_directory, Address to) {
  return RenameAt2(thread, from_directory, from, to_directory, to, 0);
}
Reply RenameAt2(Thread& thread, I32 from_directory, Address from, I32 to_directory, Address to,
                U32 flags) {
  constexpr U32 kNoReplace = 1, kExchange = 2;
  if ((flags & ~(kNoReplace | kExchange)) != 0 || flags == (kNoReplace | kExchange)) {
    return -kEINVAL;
  }
  PathArgument old_path(thread, from_directory, from);
  PathArgument new_path(thread, to_directory, to);
  if (old_path.error() || new_path.error()) {
    return old_path.error() ? old_path.error() : new_path.error();
  }
  std::uint32_t how = flags & kNoReplace ? fs::kRenameNoReplace : 0;
  how |= flags & kExchange ? fs::kRenameExchange : 0;
  return ErrnoOf(kernel::Rename(old_path.get(), new_path.get(), how));
}

Reply Link(Thread& thread, Address from, Address to) {
  return LinkAt(thread, kAtFdCwd, from, kAtFdCwd, to, 0);
}
Reply LinkAt(Thread& thread, I32 from_directory, Address from, I32 to_directory, Address to,
             U32 flags) {
  if ((flags & ~(kAT_SYMLINK_FOLLOW | kAT_EMPTY_PATH)) != 0) {
    return -kEINVAL;
  }
  PathArgument old_path(thread, from_directory, from, (flags & kAT_EMPTY_PATH) != 0);
  PathArgument new_path(thread, to_directory, to);
  if (old_path.error() || new_path.error()) {
    return old_path.error() ? old_path.error() : new_path.error();
  }
  std::uint32_t walk = flags & kAT_SYMLINK_FOLLOW ? 0 : fs::kWalkNoFollow;
  walk |= flags & kAT_EMPTY_PATH ? fs::kWalkEmptyPath : 0;
  walk = old_path.Follow(thread, walk);
  const Status status = kernel::Link(old_path.get(), new_path.get(), walk);
  return status == Status::kIsDirectory ? -kEPERM : ErrnoOf(status);
}

Reply SymbolicLink(Thread& thread, Address target, Address path) {
  return SymbolicLinkAt(thread, target, kAtFdCwd, path);
}
Reply SymbolicLinkAt(Thread& thread, Address target, I32 directory, Address address) {
  UserPath text(target);
  PathArgument path(thread, directory, address);
  if (text.error() || path.error()) {
    return text.error() ? text.error() : path.error();
  }
  if (text.empty()) {
    return -kENOENT;
  }
  return ErrnoOf(kernel::MakeSymbolicLink(text.text(), text.size(), path.get()));
}

Reply ReadLink(Thread& thread, Address path, Address buffer, U64 size) {
  return ReadLinkAt(thread, kAtFdCwd, path, buffer, size);
}
Reply ReadLinkAt(Thread& thread, I32 directory, Address address, Address buffer, U64 size) {
  if (static_cast<I32>(size) <= 0) {
    return -kEINVAL;
  }
  PathArgument path(thread, directory, address, directory != kAtFdCwd);
  if (path.error()) {
    return path.error();
  }
  char text[kPathLimit];
  std::int64_t got = 0;
  if (path.descriptor().form == DescriptorPath::Form::kEntry && !path.descriptor().alias &&
      path.descriptor().pid == thread.task->pid) {
    (void)path.Follow(thread, 0);
    got = LinkTextOf(path.followed(), text, sizeof(text));
  } else if (path.descriptor().form == DescriptorPath::Form::kFolder && !path.descriptor().alias) {
    return -kEINVAL;
  } else {
    got = ToReply(kernel::ReadLink(path.get(), text, sizeof(text)));
  }
  if (got < 0) {
    return got;
  }
  std::uint64_t length =
      static_cast<U64>(got) < sizeof(text) ? static_cast<U64>(got) : sizeof(text);
  length = length < size ? length : size;
  return CopyOut(buffer, text, length) ? static_cast<Reply>(length) : -kEFAULT;
}

Reply Umask(Thread& thread, U32 mask) {
  const U32 old = thread.task->fs->umask;
  thread.task->fs->umask = mask & 0777;
  return old;
}

}  // namespace k42::personality::calls
