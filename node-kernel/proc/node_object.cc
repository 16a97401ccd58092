#include "proc/node_object.h"

#include <algorithm>
#include <cstring>

#include "abi/time_page.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/log.h"
#include "machine/random.h"
#include "sched/cpu_scheduler.h"
#include "trace/trace.h"

namespace k42::proc {

using machine::SpinGuard;

NodeObject::NodeObject(ProcessServices& services, std::string_view name, std::uint32_t node)
    : services_(services),
      node_(node),
      real_offset_ns_(static_cast<std::int64_t>(machine::BootRealtimeNs())) {
  name.copy(reinterpret_cast<char*>(name_), sizeof(name_) - 1);
  machine::FillRandom(boot_id_, sizeof(boot_id_));
  boot_id_[6] = (boot_id_[6] & 0x0f) | 0x40;  // a random UUID's marks
  boot_id_[8] = (boot_id_[8] & 0x3f) | 0x80;
  WriteTimePage();
  if (services_.time_page != nullptr)
    trace::CopyMaskTo(&services_.time_page->data<abi::TimePage>()->trace_mask);
}

void NodeObject::WriteTimePage() {
  if (services_.time_page == nullptr)
    return;
  auto* page = services_.time_page->data<abi::TimePage>();
  const machine::ClockParameters clock = machine::GetClockParameters();
  const std::uint32_t sequence = page->sequence.load(std::memory_order_relaxed);
  page->sequence.store(sequence + 1, std::memory_order_release);
  page->shift = clock.shift;
  page->mult = clock.mult;
  page->base_tsc = clock.base_tsc;
  page->monotonic_base_ns = clock.base_ns;
  page->realtime_offset_ns = real_offset_ns_.load(std::memory_order_relaxed);
  page->sequence.store(sequence + 2, std::memory_order_release);
}

Status NodeObject::RequirePrivilege(const cobj::CallContext& caller) {
  if (caller.from_kernel())
    return Status::kOk;
  Credential credential;
  TRY(services_.tasks.GetCredential(static_cast<std::uint32_t>(caller.process_id), 0, &credential));
  return credential.effective_user == 0 ? Status::kOk : Status::kPermissionDenied;
}

Status NodeObject::GetInfo(NodeInfo& info) {
  constexpr std::string_view kKernelVersion = "0.1";
  info = {};
  std::memcpy(info.boot_id, boot_id_, sizeof(boot_id_));
  kKernelVersion.copy(reinterpret_cast<char*>(info.version), sizeof(info.version) - 1);
  info.node = node_;
  info.cpus = machine::CpuCount();
  info.memory = services_.memory.frames.total_frames() * machine::kPageSize;
  info.memory_free = services_.memory.frames.free_frames() * machine::kPageSize;
  info.uptime_ns = machine::MonotonicNs();
  std::uint64_t busy_ns = 0, waiting = 0;
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    const sched::CpuScheduler& scheduler = sched::CpuScheduler::Of(cpu);
    const std::uint32_t load = scheduler.load();
    info.runnable += load;
    waiting += load > 1 ? load - 1 : 0;
    busy_ns += scheduler.busy_ns(info.uptime_ns);
  }
  LoadAverage load;
  {
    SpinGuard guard(lock_);
    std::memcpy(info.name, name_, sizeof(name_));
    load = load_;
  }
  load.Update(info.uptime_ns, busy_ns, waiting);
  for (std::uint32_t i = 0; i < 3; ++i) info.load[i] = load.average(i);
  {
    SpinGuard guard(lock_);
    if (load.IsNewerThan(load_))
      load_ = load;
  }
  info.tasks = services_.tasks.count();
  return Status::kOk;
}

Status NodeObject::GetCpu(std::uint32_t cpu, CpuInfo& info) {
  if (cpu >= machine::CpuCount())
    return Status::kNotFound;
  const sched::CpuScheduler& scheduler = sched::CpuScheduler::Of(cpu);
  info = {};
  const std::uint64_t now = machine::MonotonicNs();
  info.busy_ns = scheduler.busy_ns(now);
  info.idle_ns = now - std::min(now, info.busy_ns);
  info.switches = scheduler.switches();
  info.online = 1;
  return Status::kOk;
}

Status NodeObject::SetName(const cobj::CallContext& caller, BufferIn name) {
  TRY(RequirePrivilege(caller));
  std::uint8_t copy[sizeof(name_)] = {};
  TRY(name.CopyTo(copy, 0, name.size()));
  SpinGuard guard(lock_);
  std::memcpy(name_, copy, sizeof(name_));
  return Status::kOk;
}

Result<std::uint64_t> NodeObject::MonotonicTime() {
  return machine::MonotonicNs();
}

Result<std::int64_t> NodeObject::RealTime() {
  return static_cast<std::int64_t>(machine::MonotonicNs()) +
         real_offset_ns_.load(std::memory_order_relaxed);
}

Status NodeObject::SetRealTime(const cobj::CallContext& caller, std::int64_t time_ns) {
  TRY(RequirePrivilege(caller));
  SpinGuard guard(lock_);  // one writer of the time page at a time
  real_offset_ns_.store(time_ns - static_cast<std::int64_t>(machine::MonotonicNs()),
                        std::memory_order_relaxed);
  WriteTimePage();
  return Status::kOk;
}

Status NodeObject::Random(BufferOut buffer) {
  unsigned char piece[256];
  for (std::size_t done = 0; done < buffer.size();) {
    const std::size_t size = std::min(sizeof(piece), buffer.size() - done);
    machine::FillRandom(piece, size);
    TRY(buffer.CopyFrom(piece, done, size));
    done += size;
  }
  return Status::kOk;
}

// The log goes to the console only, so far.
Result<std::uint64_t> NodeObject::ReadLog(std::uint64_t, BufferOut) {
  return Status::kNotSupported;
}

Status NodeObject::NoteUnserved(const cobj::CallContext& caller, std::uint32_t number) {
  char program[UnservedCalls::kProgram];
  std::size_t size = 0;
  HeldText text(services_.allocator);
  TRY(services_.tasks.GetText(static_cast<std::uint32_t>(caller.process_id), 0, TaskText::kProgram,
                              &text));
  size = std::min(text.view().size(), sizeof(program));
  std::memcpy(program, text.view().data() + text.view().size() - size, size);
  services_.unserved.Note(number, {program, size});
  return Status::kOk;
}

Status NodeObject::PowerOff(const cobj::CallContext& caller, std::uint32_t status) {
  TRY(RequirePrivilege(caller));
  if (services_.power_off == nullptr)
    return Status::kNotSupported;
  services_.power_off(status);
  return Status::kOk;
}

}  // namespace k42::proc
