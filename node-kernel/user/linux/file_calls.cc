// Calls about descriptors and open files.
#include <cstring>

#include "abi/directory_record.h"
#include "user/linux/call_support.h"
#include "user/linux/descriptor_folder.h"
#include "user/linux/dispatcher.h"
#include "user/linux/open_flags.h"
#include "user/linux/process_locks.h"

namespace k42::personality::calls {
namespace {

constexpr std::size_t kDirectoryPiece = 32 * 1024;

std::uint8_t DirentTypeOf(std::uint8_t kind) {
  switch (static_cast<fs::FileKind>(kind)) {
    case fs::FileKind::kRegular:
      return kDT_REG;
    case fs::FileKind::kDirectory:
      return kDT_DIR;
    case fs::FileKind::kSymbolicLink:
      return kDT_LNK;
    case fs::FileKind::kFifo:
      return kDT_FIFO;
    case fs::FileKind::kSocket:
      return kDT_SOCK;
    case fs::FileKind::kCharacterDevice:
      return kDT_CHR;
    case fs::FileKind::kBlockDevice:
      return kDT_BLK;
    default:
      return kDT_UNKNOWN;
  }
}

// The two layouts differ in where the type stands.
enum class DirentForm { kOld, k64 };

constexpr std::size_t DirentSize(std::size_t name_size) {
  return (kDirentNameOffset + name_size + 1 + 7) & ~std::size_t{7};
}

bool PutDirent(std::uint64_t address, const LinuxDirent& header, const char* name,
               std::size_t name_size, DirentForm form) {
  char entry[kDirentNameOffset + 256 + 8] = {};
  std::memcpy(entry, &header, kDirentNameOffset);
  if (form == DirentForm::k64) {
    std::memcpy(entry + kDirentNameOffset, name, name_size);
  } else {
    std::memcpy(entry + kDirentNameOffset - 1, name, name_size);
    entry[kDirentNameOffset - 1 + name_size] = 0;
    entry[header.reclen - 1] = static_cast<char>(header.type);
  }
  return CopyOut(address, entry, header.reclen);
}

std::int64_t ReadFolder(const FdTable& files, DescriptorFolder& folder, std::uint64_t buffer,
                        std::uint64_t size, DirentForm form) {
  std::uint64_t done = 0;
  FolderName name;
  while (NextFolderName(files, folder.position, &name)) {
    const std::size_t length = DirentSize(name.size);
    if (done + length > size) {
      return done == 0 ? -kEINVAL : static_cast<std::int64_t>(done);
    }
    const LinuxDirent header{name.node, static_cast<std::int64_t>(name.cookie),
                             static_cast<std::uint16_t>(length),
                             name.directory ? kDT_DIR : kDT_LNK};
    if (!PutDirent(buffer + done, header, name.text, name.size, form)) {
      return -kEFAULT;
    }
    done += length;
    folder.position = name.cookie;
  }
  return static_cast<std::int64_t>(done);
}

std::int64_t ReadDirectoryAs(Thread& thread, std::uint32_t fd, std::uint64_t buffer,
                             std::uint64_t size, DirentForm form) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  if (DescriptorFolder* folder = AsDescriptorFolder(description.get())) {
    return ReadFolder(*thread.task->files, *folder, buffer, size, form);
  }
  KernelFile* file = description.file();
  if (!file) {
    return -kENOTDIR;
  }
  // Asked first: what has been read and cannot be given would be lost.
  char first = 0, last = 0;
  if (size != 0 && (!ReadUser(&first, buffer) || !ReadUser(&last, buffer + size - 1))) {
    return -kEFAULT;
  }
  // Our records are never longer than Linux's by more than the padding, so half the room always
  // holds what is read; what does not fit is given back by its cookie.
  const std::size_t wanted = size < kDirectoryPiece ? size : kDirectoryPiece;
  Buffer records(wanted < 512 ? 512 : wanted);
  if (!records) {
    return -kENOMEM;
  }
  const Result<std::uint64_t> got =
      kernel::ReadDirectory(file->handle(), records.data(), records.size());
  if (!got.ok()) {
    return got.status() == Status::kNotSupported ? -kENOTDIR : ErrnoOf(got.status());
  }
  std::uint64_t done = 0;
  std::uint64_t last_cookie = 0;
  bool gave_back = false;
  for (std::uint64_t at = 0; at < got.value();) {
    const auto* record = reinterpret_cast<const abi::DirectoryRecord*>(records.data() + at);
    const std::size_t length = DirentSize(record->name_size);
    if (done + length > size) {
      if (done == 0) {
        return -kEINVAL;
      }
      gave_back = true;
      break;
    }
    const LinuxDirent header{record->node, static_cast<std::int64_t>(record->cookie),
                             static_cast<std::uint16_t>(length), DirentTypeOf(record->kind)};
    if (!PutDirent(buffer + done, header, record->name, record->name_size, form)) {
      return -kEFAULT;
    }
    done += length;
    at += record->record_size;
    last_cookie = record->cookie;
  }
  if (gave_back) {
    (void)kernel::Seek(file->handle(), static_cast<std::int64_t>(last_cookie),
                       fs::SeekFrom::kStart);
  }
  return static_cast<std::int64_t>(done);
}

std::int64_t DuplicateTo(Thread& thread, std::uint32_t from, std::uint32_t to, bool close_on_exec) {
  DescriptionRef description = Descriptor(thread, from);
  if (!description) {
    return -kEBADF;
  }
  if (to < thread.task->files->limit) {
    DropLocksWith(*thread.task, to);
  }
  return thread.task->files->Put(to, description.Take(), close_on_exec);
}

std::int64_t LockCommand(KernelFile& file, std::uint32_t command, std::uint64_t argument) {
  LinuxFlock request;
  if (!ReadUser(&request, argument)) {
    return -kEFAULT;
  }
  const bool own = command >= kF_OFD_GETLK;
  if (own && request.pid != 0) {
    return -kEINVAL;
  }
  fs::RangeLock lock{};
  switch (request.type) {
    case kF_RDLCK:
      lock.kind = fs::LockKind::kShared;
      break;
    case kF_WRLCK:
      lock.kind = fs::LockKind::kExclusive;
      break;
    case kF_UNLCK:
      lock.kind = fs::LockKind::kNone;
      break;
    default:
      return -kEINVAL;
  }
  lock.owner = own ? fs::LockOwner::kOpenFile : fs::LockOwner::kProcess;
  std::int64_t start = request.start;
  if (request.whence == 1 || request.whence == 2) {
    fs::FileAttributes attributes{};
    const Result<std::uint64_t> base = request.whence == 1
                                           ? kernel::Seek(file.handle(), 0, fs::SeekFrom::kCurrent)
                                           : Result<std::uint64_t>(std::uint64_t{0});
    if (!base.ok()) {
      return ErrnoOf(base.status());
    }
    if (request.whence == 2) {
      if (const Status status = kernel::GetFileAttributes(file.handle(), &attributes);
          status != Status::kOk) {
        return ErrnoOf(status);
      }
    }
    start += static_cast<std::int64_t>(base.value() + attributes.size);
  } else if (request.whence != 0) {
    return -kEINVAL;
  }
  std::int64_t length = request.length;
  if (length < 0) {
    start += length;
    length = -length;
  }
  if (start < 0) {
    return -kEINVAL;
  }
  lock.start = static_cast<std::uint64_t>(start);
  lock.length = static_cast<std::uint64_t>(length);
  if (command == kF_GETLK || command == kF_OFD_GETLK) {
    fs::RangeLock found{};
    const Status status = kernel::QueryLock(file.handle(), lock, &found);
    if (status != Status::kOk) {
      return ErrnoOf(status);
    }
    if (found.kind == fs::LockKind::kNone) {
      request.type = kF_UNLCK;
    } else {
      request.type = found.kind == fs::LockKind::kShared ? kF_RDLCK : kF_WRLCK;
      request.whence = 0;
      request.start = static_cast<std::int64_t>(found.start);
      request.length = static_cast<std::int64_t>(found.length);
      request.pid =
          found.owner == fs::LockOwner::kProcess ? static_cast<std::int32_t>(found.process) : -1;
    }
    return WriteUser(argument, request) ? 0 : -kEFAULT;
  }
  const bool wait = command == kF_SETLKW || command == kF_OFD_SETLKW;
  const Status status = kernel::LockRange(file.handle(), lock, wait);
  return status == Status::kCancelled ? -kERESTARTSYS : ErrnoOf(status);
}

std::int64_t SetStatusFlags(Description& description, std::uint32_t flags) {
  const std::uint32_t kept = description.linux_flags() & ~kSetFlagsMask;
  if (description.kind() == Description::Kind::kFile) {
    const Status status = kernel::SetFlags(static_cast<KernelFile&>(description).handle(),
                                           ChangeableFromLinux(flags));
    if (status != Status::kOk) {
      return ErrnoOf(status);
    }
  }
  description.set_linux_flags(kept | (flags & kSetFlagsMask));
  return 0;
}

std::int64_t PipeCapacity(KernelFile& file, std::uint32_t command, std::uint64_t argument) {
  const auto size = static_cast<std::uint32_t>(argument);
  const Result<std::uint64_t> answer =
      command == kF_GETPIPE_SZ
          ? kernel::Control(file.handle(), io::kControlGetPipeCapacity, nullptr, 0, nullptr, 0)
          : kernel::Control(file.handle(), io::kControlSetPipeCapacity, &size, sizeof(size),
                            nullptr, 0);
  return answer.status() == Status::kNotTerminal ? -kEBADF : ToReply(answer);
}

}  // namespace

Reply Close(Thread& thread, U32 fd) {
  DropLocksWith(*thread.task, fd);
  return thread.task->files->Close(fd);
}

Reply CloseRange(Thread& thread, U32 first, U32 last, U32 flags) {
  constexpr U32 kUnshare = 2, kCloexec = 4;
  if (first > last || (flags & ~(kUnshare | kCloexec)) != 0) {
    return -kEINVAL;
  }
  if (flags & kUnshare) {
    FdTable* own = thread.task->files->Copy();
    if (!own) {
      return -kENOMEM;
    }
    FdTable::Release(thread.task->files);
    thread.task->files = own;
  }
  if (flags & kCloexec) {
    thread.task->files->SetCloseOnExecRange(first, last);
  } else {
    for (U32 fd = first; HasProcessLocks() && fd <= last && fd < thread.task->files->size(); ++fd) {
      DropLocksWith(*thread.task, fd);
    }
    thread.task->files->CloseRange(first, last);
  }
  return 0;
}

Reply Dup(Thread& thread, U32 fd) {
  DescriptionRef description = Descriptor(thread, fd);
  return description ? thread.task->files->Add(description.Take(), false) : -kEBADF;
}
Reply Dup2(Thread& thread, U32 from, U32 to) {
  if (from == to) {
    return thread.task->files->Peek(from) ? static_cast<Reply>(to) : -kEBADF;
  }
  return DuplicateTo(thread, from, to, false);
}
Reply Dup3(Thread& thread, U32 from, U32 to, U32 flags) {
  if (from == to || (flags & ~kO_CLOEXEC) != 0) {
    return -kEINVAL;
  }
  return DuplicateTo(thread, from, to, (flags & kO_CLOEXEC) != 0);
}

Reply Fcntl(Thread& thread, U32 fd, U32 command, U64 argument) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  FdTable& files = *thread.task->files;
  KernelFile* file = description.file();
  switch (command) {
    case kF_DUPFD:
    case kF_DUPFD_CLOEXEC:
      if (argument >= files.limit) {
        return -kEINVAL;
      }
      return files.Add(description.Take(), command == kF_DUPFD_CLOEXEC,
                       static_cast<std::uint32_t>(argument));
    case kF_GETFD:
      return files.close_on_exec(fd) ? kFdCloexec : 0;
    case kF_SETFD:
      files.set_close_on_exec(fd, (argument & kFdCloexec) != 0);
      return 0;
    case kF_GETFL:
      (void)description->nonblocking();  // brings the shared flags up to date
      return description->linux_flags();
    case kF_SETFL:
      return SetStatusFlags(*description.get(), static_cast<std::uint32_t>(argument));
    case kF_GETLK:
    case kF_SETLK:
    case kF_SETLKW:
    case kF_OFD_GETLK:
    case kF_OFD_SETLK:
    case kF_OFD_SETLKW:
      if (!file) {
        return -kEBADF;
      }
      if (command == kF_SETLK || command == kF_SETLKW) {
        SetProcessLocks(true);
      }
      return LockCommand(*file, command, argument);
    case kF_SETOWN:
    case kF_SETSIG:
      return 0;  // asynchronous notification is not served: nothing would be sent
    case kF_GETOWN:
    case kF_GETSIG:
      return 0;
    case kF_GETPIPE_SZ:
    case kF_SETPIPE_SZ:
      return file ? PipeCapacity(*file, command, argument) : -kEBADF;
    default:  // no file can be sealed (F_ADD_SEALS, F_GET_SEALS)
      return -kEINVAL;
  }
}

Reply Flock(Thread& thread, U32 fd, U32 operation) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description || !description.file()) {
    return -kEBADF;
  }
  fs::LockKind kind{};
  switch (operation & ~kLOCK_NB) {
    case kLOCK_SH:
      kind = fs::LockKind::kShared;
      break;
    case kLOCK_EX:
      kind = fs::LockKind::kExclusive;
      break;
    case kLOCK_UN:
      kind = fs::LockKind::kNone;
      break;
    default:
      return -kEINVAL;
  }
  const Status status =
      kernel::LockWhole(description.file()->handle(), kind, (operation & kLOCK_NB) == 0);
  return status == Status::kCancelled ? -kERESTARTSYS : ErrnoOf(status);
}

Reply FTruncate(Thread& thread, U32 fd, I64 size) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  KernelFile* file = description.file();
  const std::uint32_t access = description->linux_flags() & (kO_ACCMODE | kO_PATH);
  if (size < 0 || !file || (access != kO_WRONLY && access != kO_RDWR)) {
    return -kEINVAL;
  }
  fs::AttributeChange change{};
  change.mask = fs::kSetSize;
  change.size = static_cast<std::uint64_t>(size);
  const Status status = kernel::SetFileAttributes(file->handle(), change);
  return status == Status::kOk ? 0 : file->WriteError(status);
}

Reply FAllocate(Thread& thread, U32 fd, U32 mode, I64 offset, I64 size) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description || !description.file()) {
    return -kEBADF;
  }
  if (offset < 0 || size <= 0) {
    return -kEINVAL;
  }
  constexpr U32 kKeepSize = 1, kPunchHole = 2, kZeroRange = 0x10;
  fs::AllocateMode how{};
  switch (mode) {
    case 0:
      how = fs::AllocateMode::kReserve;
      break;
    case kKeepSize:
      how = fs::AllocateMode::kReserveKeepSize;
      break;
    case kKeepSize | kPunchHole:
      how = fs::AllocateMode::kPunchHole;
      break;
    case kZeroRange:
      how = fs::AllocateMode::kZero;
      break;
    default:
      return -kEOPNOTSUPP;
  }
  const Status status =
      kernel::Allocate(description.file()->handle(), how, static_cast<std::uint64_t>(offset),
                       static_cast<std::uint64_t>(size));
  return status == Status::kOk ? 0 : description.file()->WriteError(status);
}

Reply FSync(Thread& thread, U32 fd) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  return description.file() ? ErrnoOf(kernel::Sync(description.file()->handle(), false)) : -kEINVAL;
}
Reply FDataSync(Thread& thread, U32 fd) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  return description.file() ? ErrnoOf(kernel::Sync(description.file()->handle(), true)) : -kEINVAL;
}
Reply Sync(Thread&) {
  return 0;
}
Reply FAdvise(Thread& thread, U32 fd, I64, I64, U32) {
  return thread.task->files->Peek(fd) ? 0 : -kEBADF;
}

Reply Pipe(Thread& thread, Address fds) {
  return Pipe2(thread, fds, 0);
}

Reply Pipe2(Thread& thread, Address fds, U32 flags) {
  if ((flags & ~(kO_CLOEXEC | kO_NONBLOCK | kO_DIRECT)) != 0) {
    return -kEINVAL;
  }
  std::uint32_t pipe_flags = flags & kO_NONBLOCK ? fs::kOpenNonBlocking : 0;
  if (flags & kO_DIRECT) {
    pipe_flags |= fs::kOpenDirect;
  }
  kernel::Handle writer = kernel::kNoHandle;
  const Result<kernel::Handle> reader = kernel::MakePipe(pipe_flags, &writer);
  if (!reader.ok()) {
    return reader.status() == Status::kLimitExceeded ? -kENFILE : ErrnoOf(reader.status());
  }
  const std::uint32_t kept = flags & (kO_NONBLOCK | kO_DIRECT);
  KernelFile* in = KernelFile::Create(reader.value(), kO_RDONLY | kept);
  KernelFile* out = KernelFile::Create(writer, kO_WRONLY | kept);
  for (KernelFile* const end : {in, out}) {
    if (end) {
      end->is_stream = true;
    }
  }
  return AddPair(thread, in, out, (flags & kO_CLOEXEC) != 0, fds);
}

Reply GetDents64(Thread& thread, U32 fd, Address buffer, U64 size) {
  return ReadDirectoryAs(thread, fd, buffer, size, DirentForm::k64);
}
Reply GetDents(Thread& thread, U32 fd, Address buffer, U64 size) {
  return ReadDirectoryAs(thread, fd, buffer, size, DirentForm::kOld);
}

Reply EventFd(Thread& thread, U32 value) {
  return EventFd2(thread, value, 0);
}
Reply EventFd2(Thread& thread, U32 value, U32 flags) {
  constexpr U32 kSemaphore = 1;
  if ((flags & ~(kSemaphore | kO_CLOEXEC | kO_NONBLOCK)) != 0) {
    return -kEINVAL;
  }
  const Result<kernel::Handle> counter = kernel::MakeEventCounter(value, (flags & kSemaphore) != 0);
  if (!counter.ok()) {
    return ErrnoOf(counter.status());
  }
  KernelFile* file = KernelFile::Create(counter.value(), kO_RDWR | (flags & kO_NONBLOCK));
  if (!file) {
    return -kENOMEM;
  }
  file->is_event_counter = file->is_stream = true;
  if (flags & kO_NONBLOCK) {
    (void)kernel::SetFlags(file->handle(), fs::kOpenNonBlocking);
  }
  return thread.task->files->Add(file, (flags & kO_CLOEXEC) != 0);
}

Reply MemFdCreate(Thread& thread, Address name, U32 flags) {
  constexpr U32 kCloexec = 1, kAllowSealing = 2;  // the latter may be asked for; there are no seals
  char text[250];
  const std::int64_t length = CopyInString(text, name, sizeof(text));
  if (length < 0) {
    return length == -kENAMETOOLONG ? -kEINVAL : length;
  }
  if ((flags & ~(kCloexec | kAllowSealing)) != 0) {
    return -kEINVAL;
  }
  const Result<kernel::Handle> file = kernel::MakeUnnamed(fs::kOpenRead | fs::kOpenWrite);
  if (!file.ok()) {
    return ErrnoOf(file.status());
  }
  KernelFile* description = KernelFile::Create(file.value(), kO_RDWR | kO_LARGEFILE);
  return description ? thread.task->files->Add(description, (flags & kCloexec) != 0) : -kENOMEM;
}

}  // namespace k42::personality::calls
