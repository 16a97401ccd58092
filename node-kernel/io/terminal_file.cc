#include "io/terminal_file.h"

#include "cobj/make.h"
#include "fs/caller.h"

namespace k42::io {

TerminalFile::TerminalFile(RefPtr<Terminal> terminal, RefPtr<fs::Node> node,
                           const StreamIdentity& identity, std::uint32_t flags)
    : OpenFileBase(flags),
      terminal_(std::move(terminal)),
      node_(std::move(node)),
      identity_(identity) {}

Result<cobj::Granted<fs::IOpenFile>> TerminalFile::Open(Caller caller, RefPtr<Terminal> terminal,
                                                        RefPtr<fs::Node> node,
                                                        std::uint32_t flags) {
  fs::Identity who;
  TRY(fs::IdentityOf(caller, &who));
  const auto ref = TRY(cobj::MakeShared<TerminalFile>(
      terminal, std::move(node), NewStreamIdentity(fs::FileKind::kCharacterDevice, who), flags));
  terminal->Opened(caller, (flags & fs::kOpenNoControllingTerminal) == 0);
  return cobj::Granted<fs::IOpenFile>(ref, fs::RightsFor(flags));
}

Status TerminalFile::GetAttributes(fs::FileAttributes& attributes) {
  if (node_) {
    return NodeAttributes(*node_, &attributes);
  }
  FillAttributes(identity_, &attributes);
  attributes.device_major = static_cast<std::uint32_t>(terminal_->device() >> 8);
  attributes.device_minor = static_cast<std::uint32_t>(terminal_->device() & 0xff);
  return Status::kOk;
}

Status TerminalFile::GetFileSystem(fs::FileSystemInfo& info) {
  FillFileSystem(identity_, &info);
  info.kind = fs::FileSystemKind::kTerminals;
  return Status::kOk;
}

}  // namespace k42::io
