// TaskFile: an opening that stands for a task: readable once that has ended, and who has its number
// now is no matter. It keeps the task from nothing.
//
// States: the task runs -> ended. The end may come while the last handle goes: EndSeen, which the
// task table knows, is an object of its own.
#pragma once

#include "fs/open_file_base.h"
#include "io/ready_list.h"
#include "io/stream_attributes.h"
#include "proc/task_table.h"

namespace k42::io {

class TaskFile final : public fs::OpenFileBase<fs::IOpenFile> {
 public:
  using Caller = const cobj::CallContext&;
  // kNoProcess: there is no such task.
  static Result<cobj::Granted<fs::IOpenFile>> Make(Caller caller, std::uint32_t task,
                                                   std::uint32_t flags);

  // Told by the table, once.
  class EndSeen final : public proc::TaskEndListener {
   public:
    void TaskEnded() override;
    ReadyList ready;

   private:
    void Dispose() override;
  };

  TaskFile(RefPtr<EndSeen> end, std::uint32_t task, std::uint64_t born,
           const StreamIdentity& identity, std::uint32_t flags)
      : OpenFileBase(flags), end_(std::move(end)), task_(task), born_(born), identity_(identity) {}

  Result<std::uint64_t> PollState() override {
    return end_->ready.Word() | (end_->has_ended() ? std::uint64_t{abi::kReadable} : 0);
  }
  Status Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) override {
    return end_->ready.Arm(mask, since, ready);
  }
  Status Disarm(Caller caller, std::uint32_t number) override {
    end_->ready.Disarm(caller, number);
    return Status::kOk;
  }
  Status GetAttributes(fs::FileAttributes& attributes) override;
  Status GetFileSystem(fs::FileSystemInfo& info) override;
  Result<fs::FileKind> Kind() override { return fs::FileKind::kTask; }
  Result<std::uint64_t> Control(Caller caller, std::uint32_t operation, BufferIn input,
                                BufferOut output) override;

 private:
  void Closed() override;

  const RefPtr<EndSeen> end_;
  const std::uint32_t task_;
  const std::uint64_t born_;
  const StreamIdentity identity_;
};

}  // namespace k42::io
