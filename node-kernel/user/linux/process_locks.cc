#include "user/linux/process_locks.h"

#include "user/linux/description.h"
#include "user/linux/fd_table.h"

namespace k42::personality {
namespace {
bool has_locks;
}

bool HasProcessLocks() {
  return has_locks;
}
void SetProcessLocks(bool has) {
  has_locks = has;
}

void DropLocksWith(Task& task, std::uint32_t fd) {
  // A task that shares the process's memory (vfork) has descriptors, but no locks, of its own.
  Description* description = has_locks && task.main ? task.files->Peek(fd) : nullptr;
  if (description && description->kind() == Description::Kind::kFile) {
    kernel::DropProcessLocks(static_cast<KernelFile*>(description)->handle());
  }
}

}  // namespace k42::personality
