#include "user/linux/task_descriptor.h"

namespace k42::personality {

std::int64_t AddTaskDescriptor(Thread& thread, std::uint32_t number, std::uint32_t flags) {
  const Result<kernel::Handle> opened =
      kernel::OpenTask(number, flags & kO_NONBLOCK ? fs::kOpenNonBlocking : 0);
  if (!opened.ok()) {
    return ErrnoOf(opened.status());
  }
  KernelFile* file = KernelFile::Create(opened.value(), kO_RDWR | flags);
  if (!file) {
    return -kENOMEM;
  }
  file->SetKind(fs::FileKind::kTask);
  return thread.task->files->Add(file, true);
}

std::int64_t TaskOfDescriptor(Thread& thread, std::uint32_t fd) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description || !description.file() || !description.file()->is_task) {
    return -kEBADF;
  }
  const Result<std::uint32_t> number = kernel::NumberOfTask(description.file()->handle());
  return number.ok() ? static_cast<std::int64_t>(number.value()) : ErrnoOf(number.status());
}

namespace calls {

Reply PidFdOpen(Thread& thread, I32 pid, U32 flags) {
  if ((flags & ~kO_NONBLOCK) != 0 || pid <= 0) {
    return -kEINVAL;
  }
  if (const Thread* named = FindThread(pid); named && named->task->pid != pid) {
    return -kEINVAL;  // a thread is no process
  }
  return AddTaskDescriptor(thread, static_cast<U32>(pid), flags);
}

}  // namespace calls
}  // namespace k42::personality
