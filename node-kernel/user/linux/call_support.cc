#include "user/linux/call_support.h"

namespace k42::personality {

std::int64_t AddPair(Thread& thread, Description* first, Description* second, bool close_on_exec,
                     std::uint64_t fds) {
  DescriptionRef one(first), other(second);
  if (!one || !other) {
    return -kENOMEM;
  }
  FdTable& files = *thread.task->files;
  const std::int64_t a = files.Add(one.Take(), close_on_exec);
  if (a < 0) {
    return a;
  }
  const std::int64_t b = files.Add(other.Take(), close_on_exec);
  if (b < 0) {
    (void)files.Close(static_cast<std::uint32_t>(a));
    return b;
  }
  const std::int32_t pair[2] = {static_cast<std::int32_t>(a), static_cast<std::int32_t>(b)};
  if (!CopyOut(fds, pair, sizeof(pair))) {
    (void)files.Close(static_cast<std::uint32_t>(a));
    (void)files.Close(static_cast<std::uint32_t>(b));
    return -kEFAULT;
  }
  return 0;
}

std::int64_t AdoptHandle(Thread& thread, kernel::Handle handle, bool close_on_exec) {
  const std::uint32_t flags = kernel::GetFlags(handle).ValueOr(fs::kOpenRead | fs::kOpenWrite);
  const bool write = (flags & fs::kOpenWrite) != 0;
  std::uint32_t linux_flags = !write ? kO_RDONLY : (flags & fs::kOpenRead) ? kO_RDWR : kO_WRONLY;
  linux_flags |= flags & fs::kOpenNonBlocking ? kO_NONBLOCK : 0;
  linux_flags |= flags & fs::kOpenAppend ? kO_APPEND : 0;
  const fs::FileKind kind = kernel::Kind(handle).ValueOr(fs::FileKind::kUnknown);
  KernelFile* file = KernelFile::Create(handle, linux_flags);
  if (!file) {
    return -kENOMEM;
  }
  file->is_socket = kind == fs::FileKind::kSocket;
  file->is_event_counter = kind == fs::FileKind::kEventCounter;
  return thread.task->files->Add(file, close_on_exec);
}

StartDirectory::StartDirectory(Thread& thread, std::int32_t directory, const char* path) {
  if (path[0] == '/') {
    return;
  }
  if (directory == kAtFdCwd) {
    FsContext* fs = thread.task->fs;
    if (fs->directory) {
      fs->directory->Retain();
      reference_ = DescriptionRef(fs->directory.get());
    }
  } else {
    reference_ = Descriptor(thread, static_cast<std::uint32_t>(directory));
    if (!reference_) {
      error_ = -kEBADF;
      return;
    }
    if (!reference_.file()) {
      error_ = -kENOTDIR;
      return;
    }
  }
  if (KernelFile* file = reference_.file()) {
    handle_ = file->handle();
  }
}

}  // namespace k42::personality
