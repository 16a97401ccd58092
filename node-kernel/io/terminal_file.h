// TerminalFile: one opening of a terminal by programs.
#pragma once

#include "fs/open_file_base.h"
#include "io/stream_attributes.h"
#include "io/terminal.h"

namespace k42::io {

class TerminalFile final : public fs::OpenFileBase<fs::IOpenFile> {
 public:
  using Caller = const cobj::CallContext&;

  // `node`: the name it was opened by, or null. The terminal counts the opening.
  static Result<cobj::Granted<fs::IOpenFile>> Open(Caller caller, RefPtr<Terminal> terminal,
                                                   RefPtr<fs::Node> node, std::uint32_t flags);
  TerminalFile(RefPtr<Terminal> terminal, RefPtr<fs::Node> node, const StreamIdentity& identity,
               std::uint32_t flags);

  Result<std::uint64_t> PollState() override { return terminal_->program_list().Word(); }
  Status Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) override {
    return terminal_->program_list().Arm(mask, since, ready);
  }
  Status Disarm(Caller caller, std::uint32_t number) override {
    terminal_->program_list().Disarm(caller, number);
    return Status::kOk;
  }
  Result<std::uint64_t> Read(Caller caller, BufferOut data) override {
    return terminal_->Read(caller, data);
  }
  Result<std::uint64_t> Write(Caller caller, BufferIn data) override {
    return terminal_->Write(caller, data);
  }
  Result<std::uint64_t> Control(Caller caller, std::uint32_t operation, BufferIn input,
                                BufferOut output) override {
    if (operation == kTerminalWriteAnyway) {
      TRY(caller.Require(kRightWrite));
      if ((flags() & fs::kOpenWrite) == 0) {
        return Status::kBadHandle;
      }
    }
    return terminal_->Control(caller, operation, input, output);
  }
  Status GetAttributes(fs::FileAttributes& attributes) override;
  Status GetFileSystem(fs::FileSystemInfo& info) override;
  Result<fs::FileKind> Kind() override { return fs::FileKind::kCharacterDevice; }

 private:
  void Closed() override { terminal_->Closed(); }

  const RefPtr<Terminal> terminal_;
  const RefPtr<fs::Node> node_;
  const StreamIdentity identity_;
};

}  // namespace k42::io
