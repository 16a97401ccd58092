// Files of /proc about the node.
#include <algorithm>

#include "abi/native_call.h"
#include "fs/process_fs.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "sched/cpu_scheduler.h"

namespace k42::fs {

proc::NodeInfo NodeNow() {
  proc::NodeInfo info{};
  const auto node =
      cobj::Ref<proc::INode>::FromBits(Sources().processes->fixed[abi::kNodeHandle].ref);
  if (node) {
    (void)node->GetInfo(info);
  }
  return info;
}

std::string_view TextOf(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(bytes), size);
  return all.substr(0, all.find('\0'));
}

namespace {

void CpuInfo(TextWriter& text, std::uint64_t) {
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    text.Print("processor\t: {}\nvendor_id\t: AuthenticAMD\ncpu family\t: 15\nmodel\t\t: 107\n",
               cpu);
    text.Text("model name\t: K42 virtual CPU\nstepping\t: 1\ncpu MHz\t\t: 1000.000\n");
    text.Print("physical id\t: 0\nsiblings\t: {}\ncore id\t\t: {}\ncpu cores\t: {}\n",
               machine::CpuCount(), cpu, machine::CpuCount());
    text.Text(
        "fpu\t\t: yes\nflags\t\t: fpu tsc msr pae cx8 apic cmov mmx fxsr sse sse2 ht syscall "
        "nx lm rdtscp constant_tsc\nbogomips\t: 2000.00\n\n");
  }
}

void MemInfo(TextWriter& text, std::uint64_t) {
  const proc::NodeInfo info = NodeNow();
  const std::uint64_t total = info.memory >> 10, free = info.memory_free >> 10,
                      cached = info.memory_cached >> 10;
  text.Print("MemTotal:       {8} kB\nMemFree:        {8} kB\nMemAvailable:   {8} kB\n", total,
             free, free + cached);
  text.Print("Buffers:        {8} kB\nCached:         {8} kB\nSwapCached:     {8} kB\n", 0u, cached,
             0u);
  text.Print("SwapTotal:      {8} kB\nSwapFree:       {8} kB\nShmem:          {8} kB\n", 0u, 0u,
             0u);
  text.Print("Active:         {8} kB\nInactive:       {8} kB\nDirty:          {8} kB\n", cached, 0u,
             0u);
  text.Print("Writeback:      {8} kB\nAnonPages:      {8} kB\nMapped:         {8} kB\n", 0u,
             total - free - cached, 0u);
  text.Print("Slab:           {8} kB\nSReclaimable:   {8} kB\nSUnreclaim:     {8} kB\n", 0u, 0u,
             0u);
  text.Print("CommitLimit:    {8} kB\nCommitted_AS:   {8} kB\n", total, total - free);
  // None are set aside: those of MAP_HUGETLB are taken like the others.
  text.Print("AnonHugePages:  {8} kB\nShmemHugePages: {8} kB\nFileHugePages:  {8} kB\n",
             Sources().memory->loaded_hats.large_pages * (mem::kLargePageSize >> 10), 0u, 0u);
  text.Print("HugePages_Total:{8}\nHugePages_Free: {8}\nHugePages_Rsvd: {8}\n", 0u, 0u, 0u);
  text.Print("HugePages_Surp: {8}\nHugepagesize:   {8} kB\nHugetlb:        {8} kB\n", 0u,
             mem::kLargePageSize >> 10, 0u);
}

// And how long CPUs were idle, all together.
void Uptime(TextWriter& text, std::uint64_t) {
  constexpr std::uint64_t kHundredthNs = 10'000'000;
  const std::uint64_t now = machine::MonotonicNs();
  std::uint64_t idle = 0;
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    idle += now - std::min(now, sched::CpuScheduler::Of(cpu).busy_ns(now));
  }
  text.Hundredths(now / kHundredthNs);
  text.Text(" ");
  text.Hundredths(idle / kHundredthNs);
  text.Text("\n");
}

void LoadAverage(TextWriter& text, std::uint64_t) {
  const proc::NodeInfo info = NodeNow();
  for (const std::uint64_t load : info.load) {
    text.Hundredths(load * 100 >> 16);
    text.Text(" ");
  }
  text.Print("{}/{} {}\n", info.runnable, info.tasks, info.tasks);
}

void Version(TextWriter& text, std::uint64_t) {
  const proc::NodeInfo info = NodeNow();
  text.Print("Linux version 6.1.0-k42 (k42) {}\n", TextOf(info.version, sizeof(info.version)));
}

// In hundredths of a second. Time in programs and in the kernel is not told apart.
void CpuTimes(TextWriter& text, std::uint64_t busy_ns, std::uint64_t idle_ns) {
  constexpr std::uint64_t kTickNs = 10'000'000;
  text.Print(" {} 0 0 {} 0 0 0 0 0 0\n", busy_ns / kTickNs, idle_ns / kTickNs);
}

void Stat(TextWriter& text, std::uint64_t) {
  std::uint64_t busy = 0, switches = 0;
  const std::uint64_t now = machine::MonotonicNs();
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    const auto& scheduler = sched::CpuScheduler::Of(cpu);
    busy += std::min(now, scheduler.busy_ns(now));
    switches += scheduler.switches();
  }
  text.Text("cpu ");
  CpuTimes(text, busy, now * machine::CpuCount() - busy);
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    const std::uint64_t own = std::min(now, sched::CpuScheduler::Of(cpu).busy_ns(now));
    text.Print("cpu{}", cpu);
    CpuTimes(text, own, now - own);
  }
  const proc::NodeInfo info = NodeNow();
  text.Print("intr 0\nctxt {}\nbtime {}\nprocesses {}\nprocs_running {}\nprocs_blocked 0\n",
             switches, machine::BootRealtimeNs() / 1'000'000'000, info.tasks,
             std::max(info.runnable, 1u));
  text.Text("softirq 0 0 0 0 0 0 0 0 0 0 0\n");
}

void VmStat(TextWriter& text, std::uint64_t) {
  const proc::NodeInfo info = NodeNow();
  text.Print("nr_free_pages {}\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\n",
             info.memory_free / machine::kPageSize);
}

constexpr ConstantFile kRoot[] = {
    {"filesystems", "nodev\ttmpfs\nnodev\tproc\nnodev\tsysfs\nnodev\t9p\n"},
    {"cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"},
    {"swaps", "Filename\tType\tSize\tUsed\tPriority\n"},
    {"devices", "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n"},
    {"cmdline", "k42\n"},
    {"diskstats", ""},
    {"partitions", "major minor  #blocks  name\n\n"},
    {"interrupts", "           CPU0\n"},
    {"modules", ""}};

}  // namespace

Status AddNodeFiles(SyntheticDirectory& root) {
  TRY(root.AddFile("cpuinfo", &CpuInfo));
  TRY(root.AddFile("meminfo", &MemInfo));
  TRY(root.AddFile("uptime", &Uptime));
  TRY(root.AddFile("loadavg", &LoadAverage));
  TRY(root.AddFile("version", &Version));
  TRY(root.AddFile("stat", &Stat));
  TRY(root.AddSymlink("mounts", "self/mounts"));
  TRY(root.AddSymlink("net", "self/net"));
  TRY(root.AddFile("vmstat", &VmStat));
  TRY(AddConstants(root, kRoot));
  SyntheticDirectory* sys = TRY(root.AddDirectory("sys"));
  return AddControls(*sys);
}

}  // namespace k42::fs
