#include "io/task_file.h"

#include "fs/caller.h"
#include "io/control.types.h"
#include "mem/heap.h"
#include "proc/services.h"

namespace k42::io {
namespace {

proc::TaskTable& Tasks() {
  return proc::node_processes->tasks;
}

}  // namespace

void TaskFile::EndSeen::TaskEnded() {
  Wakeups wakeups;
  ready.Update(abi::kReadable, abi::kReadable, abi::kReadable, wakeups);
}

void TaskFile::EndSeen::Dispose() {
  mem::Delete(this);
}

Result<cobj::Granted<fs::IOpenFile>> TaskFile::Make(Caller caller, std::uint32_t task,
                                                    std::uint32_t flags) {
  fs::Identity who;
  TRY(fs::IdentityOf(caller, &who));
  auto end = RefPtr<EndSeen>::Adopt(TRY(mem::New<EndSeen>()));
  const std::uint32_t number = task == 0 ? who.process : task;
  const std::uint64_t born = TRY(Tasks().ListenForEnd(who.process, number, *end));
  const auto ref =
      cobj::MakeShared<TaskFile>(end, number, born, NewStreamIdentity(fs::FileKind::kTask, who),
                                 (flags & fs::kOpenNonBlocking) | fs::kOpenRead | fs::kOpenWrite);
  if (!ref.ok()) {
    Tasks().StopListening(*end);
    return ref.status();
  }
  return cobj::Granted<fs::IOpenFile>(ref.value(), fs::RightsFor(fs::kOpenRead | fs::kOpenWrite));
}

Status TaskFile::GetAttributes(fs::FileAttributes& attributes) {
  FillAttributes(identity_, &attributes);
  return Status::kOk;
}

Status TaskFile::GetFileSystem(fs::FileSystemInfo& info) {
  FillFileSystem(identity_, &info);
  return Status::kOk;
}

Result<std::uint64_t> TaskFile::Control(Caller, std::uint32_t operation, BufferIn, BufferOut) {
  if (operation != kControlTaskNumber) {
    return Status::kNotTerminal;
  }
  const Status same = Tasks().Visit(task_, 0, [this](const proc::Task& task) {
    return task.start_ns == born_ ? Status::kOk : Status::kNoProcess;
  });
  TRY(same);
  return std::uint64_t{task_};
}

void TaskFile::Closed() {
  Tasks().StopListening(*end_);
}

}  // namespace k42::io
