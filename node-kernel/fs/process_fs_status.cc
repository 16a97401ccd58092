// /proc/N/stat and /proc/N/status, and what is known of a task.
#include "fs/process_fs.h"
#include "proc/process.h"

namespace k42::fs {
namespace {

constexpr std::uint64_t kTickNs = 10'000'000;

char Letter(proc::TaskState state) {
  switch (state) {
    case proc::TaskState::kRunning:
      return 'R';
    case proc::TaskState::kWaiting:
      return 'S';
    case proc::TaskState::kStoppedState:
      return 'T';
    case proc::TaskState::kZombie:
      return 'Z';
  }
  return '?';
}

// The CPUs a task may run on, as words of a mask and as a list of ranges.
void PrintAllowed(TextWriter& text, std::uint64_t task) {
  const std::uint32_t count = machine::CpuCount();
  std::uint64_t cpus = ~std::uint64_t{0} >> (64 - count);
  if (proc::Process* process = HoldProcess(task)) {
    proc::Schedule schedule;
    if (IsOk(process->GetSchedule(cobj::CallContext::Kernel(), static_cast<std::uint32_t>(task),
                                  schedule)) &&
        (schedule.cpus & cpus) != 0)
      cpus &= schedule.cpus;
    process->Drop();
  }
  text.Text("Cpus_allowed:\t");
  if (count > 32) {
    text.Hex(cpus >> 32, (count + 3) / 4 - 8);
    text.Text(",");
  }
  text.Hex(cpus & 0xffffffff, count > 32 ? 8 : (count + 3) / 4);
  text.Text("\nCpus_allowed_list:\t");
  const char* between = "";
  for (std::uint32_t first = 0; first < count; ++first) {
    if ((cpus >> first & 1) == 0)
      continue;
    std::uint32_t last = first;
    while (last + 1 < count && (cpus >> (last + 1) & 1) != 0) ++last;
    text.Text(between);
    text.Print("{}", first);
    if (last != first)
      text.Print("-{}", last);
    between = ",";
    first = last;
  }
  text.Text("\n");
}

}  // namespace

bool InfoOf(std::uint64_t task, proc::TaskInfo* info) {
  const auto number = static_cast<std::uint32_t>(task);
  if (proc::Process* process = HoldProcess(task)) {  // which also knows whether it runs
    const Status status = process->GetTask(cobj::CallContext::Kernel(), number, *info);
    process->Drop();
    return IsOk(status);
  }
  return IsOk(Sources().processes->tasks.GetInfo(number, 0, info));
}

std::size_t TextOfTask(std::uint64_t task, proc::TaskText which, std::span<char> space) {
  proc::ProcessServices& processes = *Sources().processes;
  proc::HeldText text(processes.allocator);
  (void)processes.tasks.GetText(static_cast<std::uint32_t>(task), 0, which, &text);
  return text.view().copy(space.data(), space.size());
}

void PrintText(TextWriter& text, std::uint64_t task, proc::TaskText which) {
  constexpr std::size_t kRoom = proc::kTextMax;
  auto* space = static_cast<char*>(mem::Allocate(kRoom));
  if (space != nullptr) {
    text.Text({space, TextOfTask(task, which, {space, kRoom})});
    mem::Free(space, kRoom);
  }
}

void TaskStat(TextWriter& text, std::uint64_t task) {
  proc::TaskInfo info;
  if (!InfoOf(task, &info)) {
    return;
  }
  text.Print("{} (", info.task);
  PrintText(text, task, proc::TaskText::kName);
  text.Print(") {} {} {} {} {} {} 0 0 0 0 0 ", Letter(info.state), info.parent, info.group,
             info.session, static_cast<std::uint32_t>(info.terminal), info.foreground_group);
  text.Print("{} {} {} {} {} {} {} 0 {} ", info.user_ns / kTickNs, info.system_ns / kTickNs,
             info.children_user_ns / kTickNs, info.children_system_ns / kTickNs, 20 + info.priority,
             info.priority, info.threads, info.start_ns / kTickNs);
  TaskMemory memory;
  (void)MemoryOf(task, &memory);
  text.Print("{} {} ", memory.use.mapped, memory.use.resident / machine::kPageSize);
  text.Print("18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 {} {} 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
             info.exit_signal, info.cpu);
}

void TaskStatus(TextWriter& text, std::uint64_t task) {
  proc::TaskInfo info;
  if (!InfoOf(task, &info)) {
    return;
  }
  text.Text("Name:\t");
  PrintText(text, task, proc::TaskText::kName);
  text.Print(
      "\nUmask:\t0022\nState:\t{}\nTgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}\nTracerPid:\t0\n",
      Letter(info.state), info.task, info.task, info.parent);
  text.Print("Uid:\t{}\t{}\t{}\t{}\n", info.user, info.effective_user, info.effective_user,
             info.effective_user);
  text.Print("Gid:\t{}\t{}\t{}\t{}\nFDSize:\t256\nGroups:\t\n", info.group_id, info.effective_group,
             info.effective_group, info.effective_group);
  TaskMemory memory;
  if (MemoryOf(task, &memory)) {
    text.Print("VmPeak:\t{8} kB\nVmSize:\t{8} kB\nVmLck:\t{8} kB\n", memory.use.peak_mapped >> 10,
               memory.use.mapped >> 10, 0u);
    text.Print("VmHWM:\t{8} kB\nVmRSS:\t{8} kB\nRssAnon:\t{8} kB\n", memory.use.peak_resident >> 10,
               memory.use.resident >> 10, memory.use.resident >> 10);
    text.Print("VmData:\t{8} kB\nVmStk:\t{8} kB\nVmExe:\t{8} kB\nVmSwap:\t{8} kB\n",
               memory.data >> 10, memory.stack >> 10, memory.text >> 10, 0u);
  }
  text.Print("Threads:\t{}\n", info.threads);
  // Masks are the personality's.
  text.Text("SigQ:\t0/127235\nSigPnd:\t0000000000000000\nShdPnd:\t");
  text.Hex(info.signals_pending, 16);
  text.Text("\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
  const std::string_view capabilities =
      info.effective_user == 0 ? "000001ffffffffff\n" : "0000000000000000\n";
  for (const std::string_view name : {"CapInh:\t0000000000000000\nCapPrm:\t", "CapEff:\t"}) {
    text.Text(name);
    text.Text(capabilities);
  }
  text.Text("CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\n");
  PrintAllowed(text, task);
  text.Text("Mems_allowed:\t1\nMems_allowed_list:\t0\n");
  text.Print("voluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t0\n", info.switches);
}

}  // namespace k42::fs
