// inotify: a kernel file watcher (fs/file_watcher.idl), whose records are Linux's.
#include "abi/file_event.h"
#include "user/linux/call_support.h"

namespace k42::personality::calls {
namespace {

// InotifyFlag. Those that the kernel knows have its names: abi/file_event.h. A removed name's file
// goes on being told of whatever kInExcludeUnlinked says.
constexpr U32 kInDontFollow = 0x02000000, kInExcludeUnlinked = 0x04000000, kInUnmounted = 0x2000;
constexpr U32 kInAll = abi::kFileEvents | kInUnmounted | abi::kFileEventsLost | abi::kWatchEnded |
                       abi::kWatchOnlyDirectory | kInDontFollow | kInExcludeUnlinked |
                       abi::kWatchNew | abi::kWatchAddEvents | abi::kFileEventDirectory |
                       abi::kWatchOnce;
constexpr U32 kToKernel = abi::kFileEvents | abi::kWatchOnlyDirectory | abi::kWatchNew |
                          abi::kWatchAddEvents | abi::kWatchOnce;

}  // namespace

Reply InotifyInit(Thread& thread) {
  return InotifyInit1(thread, 0);
}

Reply InotifyInit1(Thread& thread, U32 flags) {
  if ((flags & ~(kO_CLOEXEC | kO_NONBLOCK)) != 0) {
    return -kEINVAL;
  }
  const Result<kernel::Handle> watcher =
      kernel::MakeFileWatcher(flags & kO_NONBLOCK ? fs::kOpenNonBlocking : 0);
  if (!watcher.ok()) {
    return ErrnoOf(watcher.status());
  }
  KernelFile* file = KernelFile::Create(watcher.value(), kO_RDONLY | (flags & kO_NONBLOCK));
  if (!file) {
    return -kENOMEM;
  }
  file->SetKind(fs::FileKind::kFileWatcher);
  return thread.task->files->Add(file, (flags & kO_CLOEXEC) != 0);
}

Reply InotifyAddWatch(Thread& thread, U32 fd, Address address, U32 mask) {
  if ((mask & kInAll) == 0) {
    return -kEINVAL;
  }
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  constexpr U32 kAddOrNew = abi::kWatchAddEvents | abi::kWatchNew;
  if (!description.file() || !description.file()->is_file_watcher ||
      (mask & kAddOrNew) == kAddOrNew) {
    return -kEINVAL;
  }
  PathArgument path(thread, kAtFdCwd, address);
  if (path.error()) {
    return path.error();
  }
  const U32 walk = path.Follow(thread, mask & kInDontFollow ? fs::kWalkNoFollow : 0);
  if (path.error()) {
    return path.error();
  }
  const Result<U32> watch =
      kernel::AddWatch(description.file()->handle(), path.get(), walk, mask & kToKernel);
  if (watch.status() == Status::kLimitExceeded) {
    return -kENOSPC;
  }
  return watch.ok() ? static_cast<Reply>(watch.value()) : ErrnoOf(watch.status());
}

Reply InotifyRemoveWatch(Thread& thread, U32 fd, I32 watch) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  if (!description.file() || !description.file()->is_file_watcher || watch < 0) {
    return -kEINVAL;
  }
  const Status status = kernel::RemoveWatch(description.file()->handle(), static_cast<U32>(watch));
  return status == Status::kOk ? 0 : -kEINVAL;
}

}  // namespace k42::personality::calls
