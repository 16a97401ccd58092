#include "boot/served_mount.h"

#include <algorithm>
#include <cstring>

#include "boot/start_files.h"
#include "boot/start_memory.h"
#include "boot/start_processes.h"
#include "fs/file_server.dispatch.h"
#include "global/pause.h"
#include "machine/clock.h"
#include "machine/log.h"
#include "proc/process.h"

namespace k42::boot {

using machine::Log;

Status ServedMount::Mount(std::uint64_t device) {
  image_ = Processes().images.Find(program_);
  if (image_ == nullptr) {
    return Status::kNotFound;
  }
  file_system_ = TRY(fs::NinePFileSystem::MakeServed(files_, MemoryServices(), device));
  MakeFolders(path_);
  return Names().MountAt(path_, *file_system_);
}

Status ServedMount::Start() {
  starter_ = machine::Thread::Current();
  thread_ = TRY(machine::Thread::Create("served", Serve, this, starter_->cpu()));
  while (!tried_.load(std::memory_order_acquire)) {
    machine::Thread::BlockExternal();
  }
  return Status::kOk;
}

void ServedMount::Serve(void* mount) {
  auto& self = *static_cast<ServedMount*>(mount);
  std::uint64_t pause = 0;
  for (;;) {
    const std::uint64_t began = machine::MonotonicNs();
    const Status status = self.RunServer();
    const bool lived_long = machine::MonotonicNs() - began >= kLongLife;
    pause = lived_long ? 0 : std::min(std::max(2 * pause, kFirstPause), kLongestPause);
    if (!IsOk(status)) {
      Log("files: {} does not serve {}: {}", self.program_, self.path_, status);
    }
    if (pause != 0) {
      global::Pause(pause);
    }
  }
}

// From before its start until after its end.
Status ServedMount::RunServer() {
  file_system_->ForgetServer();
  over_.store(false, std::memory_order_relaxed);
  const auto process = StartServer();
  if (!process.ok()) {
    Tried(process.status(), 0);
    return process.status();
  }
  watch_.Arm(machine::MonotonicNs() + kWatchPeriod, OnWatch, this);
  const Status attached = file_system_->AttachServer();
  Tried(attached, process.value());
  if (!IsOk(attached)) {
    files_.End();
  }
  while (!over_.load(std::memory_order_acquire)) {
    machine::Thread::BlockExternal();
  }
  watch_.Cancel();
  proc::SignalInfo kill{};
  kill.signal = abi::kSignalKill;
  Processes().tasks.KillTask(process.value(), kill);
  return attached;
}

Result<std::uint32_t> ServedMount::StartServer() {
  constexpr std::size_t kLongest = 64;
  char words[kLongest] = {};
  const std::size_t size = program_.copy(words, kLongest - 1) + 1;
  const auto session = TRY(files_.Begin(OnEnded, this));
  // As if we had a handle: without a process that takes it over, the session ends with ours.
  (void)session->HandleAdded();
  const cobj::ObjectRef stream = {session.bits(), kAllRights & ~kRightGrant, &fs::kFileServerInfo};
  const auto started =
      proc::Process::StartFirst(Processes(), *image_, BufferIn::Kernel(words, size), {&stream, 1});
  (void)session->HandleDropped();
  return started;
}

void ServedMount::Tried(Status status, std::uint32_t process) {
  if (IsOk(status)) {
    Log("files: {} at {}, process {}", program_, path_, process);
  }
  if (!tried_.exchange(true, std::memory_order_acq_rel)) {
    starter_->Unblock();
  }
}

void ServedMount::OnEnded(void* mount) {
  auto& self = *static_cast<ServedMount*>(mount);
  machine::Thread* thread = self.thread_;
  self.over_.store(true, std::memory_order_release);
  thread->Unblock();
}

void ServedMount::OnWatch(void* mount) {
  auto& self = *static_cast<ServedMount*>(mount);
  const std::uint64_t now = machine::MonotonicNs();
  if (self.files_.Overdue(now)) {
    Log("files: {} at {} does not answer", self.program_, self.path_);
    self.files_.End();
  } else {
    self.watch_.Arm(now + kWatchPeriod, OnWatch, mount);
  }
}

}  // namespace k42::boot
