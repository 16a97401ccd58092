#include "io/terminal_set.h"

#include "cobj/make.h"
#include "fs/caller.h"

namespace k42::io {

using machine::MutexGuard;

Status TerminalSet::MakeConsole(Terminal::Screen screen) {
  console_ = RefPtr<Terminal>::Adopt(TRY(Terminal::Make(jobs_, kConsoleDevice, screen)));
  return Status::kOk;
}

RefPtr<Terminal> TerminalSet::Find(std::uint64_t device) {
  if (device == kConsoleDevice) {
    return console_;
  }
  if (device >= kPairDevices && device - kPairDevices < kMaxPairs) {
    MutexGuard guard(lock_);
    return pairs_[device - kPairDevices].terminal;
  }
  return nullptr;
}

TerminalSet::Opened TerminalSet::OpenConsole(Caller caller, RefPtr<fs::Node> node,
                                             std::uint32_t flags) {
  if (!console_) {
    return Status::kNotFound;
  }
  return TerminalFile::Open(caller, console_, std::move(node), flags);
}

TerminalSet::Opened TerminalSet::OpenOwn(Caller caller, RefPtr<fs::Node> node,
                                         std::uint32_t flags) {
  JobControl::Place place;
  TRY(jobs_.Find(caller, &place));
  RefPtr<Terminal> terminal = Find(place.terminal);
  if (!terminal) {
    return Status::kAddressUnavailable;
  }
  return TerminalFile::Open(caller, std::move(terminal), std::move(node), flags);
}

TerminalSet::Opened TerminalSet::OpenMaster(Caller caller, RefPtr<fs::Node> node,
                                            std::uint32_t flags) {
  fs::Identity who;
  TRY(fs::IdentityOf(caller, &who));
  std::uint32_t number = 0;
  RefPtr<Terminal> terminal;
  {
    MutexGuard guard(lock_);
    while (number < kMaxPairs && pairs_[number].terminal) {
      ++number;
    }
    if (number == kMaxPairs) {
      return Status::kLimitExceeded;
    }
    terminal = RefPtr<Terminal>::Adopt(TRY(Terminal::Make(jobs_, kPairDevices + number, nullptr)));
    pairs_[number] = {terminal, true};
  }
  const auto ref = cobj::MakeShared<TerminalMaster>(
      *this, number, std::move(terminal), std::move(node),
      NewStreamIdentity(fs::FileKind::kCharacterDevice, who), flags);
  if (!ref.ok()) {
    Release(number);
    return ref.status();
  }
  return cobj::Granted<fs::IOpenFile>(ref.value(), fs::RightsFor(flags));
}

TerminalSet::Opened TerminalSet::OpenSlave(Caller caller, std::uint32_t number,
                                           RefPtr<fs::Node> node, std::uint32_t flags) {
  RefPtr<Terminal> terminal;
  {
    MutexGuard guard(lock_);
    if (number >= kMaxPairs || !pairs_[number].terminal) {
      return Status::kNotFound;
    }
    if (pairs_[number].locked) {
      return Status::kIoError;
    }
    terminal = pairs_[number].terminal;
  }
  return TerminalFile::Open(caller, std::move(terminal), std::move(node), flags);
}

Status TerminalSet::Give(std::uint64_t device, std::uint32_t leader) {
  const RefPtr<Terminal> terminal = Find(device);
  if (!terminal) {
    return Status::kNotFound;
  }
  terminal->Adopt(leader, leader);
  return Status::kOk;
}

std::uint32_t TerminalSet::NextPair(std::uint32_t number) {
  MutexGuard guard(lock_);
  while (number < kMaxPairs && !pairs_[number].terminal) {
    ++number;
  }
  return number;
}

void TerminalSet::SessionEnded(std::uint32_t session, std::uint64_t device) {
  if (const RefPtr<Terminal> terminal = Find(device)) {
    terminal->SessionEnded(session);
  }
}

void TerminalSet::Release(std::uint32_t number) {
  RefPtr<Terminal> last;  // dropped after the lock
  MutexGuard guard(lock_);
  last = std::move(pairs_[number].terminal);
  pairs_[number] = {};
}

Status TerminalSet::SetLock(std::uint32_t number, bool locked) {
  MutexGuard guard(lock_);
  pairs_[number].locked = locked;
  return Status::kOk;
}

Result<std::uint64_t> TerminalSet::GetLock(std::uint32_t number) {
  MutexGuard guard(lock_);
  return std::uint64_t{pairs_[number].locked};
}

TerminalMaster::TerminalMaster(TerminalSet& set, std::uint32_t number, RefPtr<Terminal> terminal,
                               RefPtr<fs::Node> node, const StreamIdentity& identity,
                               std::uint32_t flags)
    : OpenFileBase(flags),
      set_(set),
      number_(number),
      terminal_(std::move(terminal)),
      node_(std::move(node)),
      identity_(identity) {}

void TerminalMaster::Closed() {
  terminal_->MasterClosed();
  set_.Release(number_);
}

Result<std::uint64_t> TerminalMaster::Control(Caller caller, std::uint32_t operation,
                                              BufferIn input, BufferOut output) {
  switch (operation) {
    case kTerminalGetPairNumber:
      return std::uint64_t{number_};
    case kTerminalSetPairLock: {
      const std::uint32_t locked = TRY(input.As<std::uint32_t>());
      TRY(set_.SetLock(number_, locked != 0));
      return std::uint64_t{0};
    }
    case kTerminalGetPairLock:
      return set_.GetLock(number_);
    case kTerminalSetPacketMode:
      terminal_->SetPacketMode(TRY(input.As<std::uint32_t>()) != 0);
      return std::uint64_t{0};
    case kControlBytesReadable:
      return terminal_->ScreenBytes();
    case kTerminalGetSettings:
    case kTerminalSetSettings:
    case kTerminalSetSettingsDrain:
    case kTerminalSetSettingsFlush:
    case kTerminalGetWindowSize:
    case kTerminalSetWindowSize:
    case kTerminalFlushInput:
    case kTerminalFlushOutput:
    case kTerminalFlushBoth:
    case kTerminalGetForeground:
    case kTerminalGetSession:
      // The master may always; it belongs to no session of the terminal.
      return terminal_->Control(cobj::CallContext::Kernel(), operation, input, output);
    case kTerminalWriteAnyway:
    case kTerminalGetReadTime:
      return Status::kNotTerminal;  // what programs ask of their side
    default:
      return terminal_->Control(caller, operation, input, output);
  }
}

Status TerminalMaster::GetAttributes(fs::FileAttributes& attributes) {
  if (node_) {
    return NodeAttributes(*node_, &attributes);
  }
  FillAttributes(identity_, &attributes);
  return Status::kOk;
}

Status TerminalMaster::GetFileSystem(fs::FileSystemInfo& info) {
  FillFileSystem(identity_, &info);
  info.kind = fs::FileSystemKind::kTerminals;
  return Status::kOk;
}

}  // namespace k42::io
