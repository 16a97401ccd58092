// TerminalSet: all terminals of a node: the console, and the pairs made by opening /dev/ptmx. Who
// serves those names asks here.
//
// A pair lives while its master is open; a slave that is still open then sees the hangup. Numbers
// are the smallest free ones. Locking: lock_ guards the table; terminals are called without it.
#pragma once

#include <array>
#include <cstdint>

#include "fs/open_file_base.h"
#include "io/terminal.h"
#include "io/terminal_file.h"

namespace k42::io {

// Device numbers: major << 8 | minor, as file attributes show them.
inline constexpr std::uint64_t kConsoleDevice = 5 << 8 | 1;
inline constexpr std::uint64_t kPairDevices = 136 << 8;

class TerminalSet {
 public:
  using Caller = const cobj::CallContext&;
  using Opened = Result<cobj::Granted<fs::IOpenFile>>;
  static constexpr std::uint32_t kMaxPairs = 256;

  explicit TerminalSet(JobControl& jobs) : jobs_(jobs) {}

  // Once, by boot/.
  Status MakeConsole(Terminal::Screen screen);
  Terminal* console() const { return console_.get(); }

  // `node`: the name it was opened by, or null.
  Opened OpenConsole(Caller caller, RefPtr<fs::Node> node, std::uint32_t flags);
  // /dev/tty: the caller's controlling terminal, whatever its name is.
  Opened OpenOwn(Caller caller, RefPtr<fs::Node> node, std::uint32_t flags);
  // /dev/ptmx: a new pair, its slave locked.
  Opened OpenMaster(Caller caller, RefPtr<fs::Node> node, std::uint32_t flags);
  // /dev/pts/N. kNotFound; kIoError while locked.
  Opened OpenSlave(Caller caller, std::uint32_t number, RefPtr<fs::Node> node, std::uint32_t flags);

  // To the session that `leader` leads, without asking. kNotFound: no such terminal.
  Status Give(std::uint64_t device, std::uint32_t leader);
  // The smallest existing pair number from `number` on; kMaxPairs: none.
  std::uint32_t NextPair(std::uint32_t number);
  // proc::SessionEnded, from the task table.
  void SessionEnded(std::uint32_t session, std::uint64_t device);

 private:
  friend class TerminalMaster;
  struct Pair {
    RefPtr<Terminal> terminal;
    bool locked = true;
  };
  RefPtr<Terminal> Find(std::uint64_t device);
  void Release(std::uint32_t number);
  Status SetLock(std::uint32_t number, bool locked);
  Result<std::uint64_t> GetLock(std::uint32_t number);

  JobControl& jobs_;
  RefPtr<Terminal> console_;
  machine::Mutex<LockRank::kDevice> lock_;
  std::array<Pair, kMaxPairs> pairs_ K42_GUARDED_BY(lock_);
};

// The master of a pair.
class TerminalMaster final : public fs::OpenFileBase<fs::IOpenFile> {
 public:
  using Caller = const cobj::CallContext&;

  TerminalMaster(TerminalSet& set, std::uint32_t number, RefPtr<Terminal> terminal,
                 RefPtr<fs::Node> node, const StreamIdentity& identity, std::uint32_t flags);

  Result<std::uint64_t> PollState() override { return terminal_->master_list().Word(); }
  Status Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) override {
    return terminal_->master_list().Arm(mask, since, ready);
  }
  Status Disarm(Caller caller, std::uint32_t number) override {
    terminal_->master_list().Disarm(caller, number);
    return Status::kOk;
  }
  Result<std::uint64_t> Read(Caller, BufferOut data) override {
    return terminal_->ReadScreen(data);
  }
  Result<std::uint64_t> Write(Caller, BufferIn data) override { return terminal_->TypeFrom(data); }
  Result<std::uint64_t> Control(Caller caller, std::uint32_t operation, BufferIn input,
                                BufferOut output) override;
  Status GetAttributes(fs::FileAttributes& attributes) override;
  Status GetFileSystem(fs::FileSystemInfo& info) override;
  Result<fs::FileKind> Kind() override { return fs::FileKind::kCharacterDevice; }

 private:
  void Closed() override;

  TerminalSet& set_;
  const std::uint32_t number_;
  const RefPtr<Terminal> terminal_;
  const RefPtr<fs::Node> node_;
  const StreamIdentity identity_;
};

}  // namespace k42::io
