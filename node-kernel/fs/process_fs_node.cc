// Files of /proc about the node.
#include "abi/native_call.h"
#include "fs/process_fs.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "proc/node.idl.h"

namespace k42::fs {
namespace {

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

// `value` in hundredths, with two digits behind the point.
void PrintHundredths(TextWriter& text, std::uint64_t value) {
  const char digits[] = {static_cast<char>('0' + value / 10 % 10),
                         static_cast<char>('0' + value % 10)};
  text.Print("{}.", value / 100);
  text.Text({digits, 2});
}

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
  text.Print("HugePages_Total:{8}\nHugePages_Free: {8}\nHugepagesize:   {8} kB\n", 0u, 0u, 2048u);
}

void Uptime(TextWriter& text, std::uint64_t) {
  const std::uint64_t hundredths = machine::MonotonicNs() / 10'000'000;
  PrintHundredths(text, hundredths);
  text.Text(" ");
  PrintHundredths(text, hundredths);
  text.Text("\n");
}

void LoadAverage(TextWriter& text, std::uint64_t) {
  const proc::NodeInfo info = NodeNow();
  for (const std::uint64_t load : info.load) {
    PrintHundredths(text, load * 100 >> 16);
    text.Text(" ");
  }
  text.Print("{}/{} {}\n", info.runnable, info.tasks, info.tasks);
}

void Version(TextWriter& text, std::uint64_t) {
  const proc::NodeInfo info = NodeNow();
  text.Print("Linux version 6.1.0-k42 (k42) {}\n", TextOf(info.version, sizeof(info.version)));
}

void Stat(TextWriter& text, std::uint64_t) {
  const std::uint64_t ticks = machine::MonotonicNs() / 10'000'000;
  text.Print("cpu  {} 0 0 0 0 0 0 0 0 0\n", ticks * machine::CpuCount());
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    text.Print("cpu{} {} 0 0 0 0 0 0 0 0 0\n", cpu, ticks);
  }
  const proc::NodeInfo info = NodeNow();
  text.Print("ctxt 0\nbtime {}\nprocesses {}\nprocs_running {}\nprocs_blocked 0\n",
             machine::BootRealtimeNs() / 1'000'000'000, info.tasks, info.runnable);
}

void BootId(TextWriter& text, std::uint64_t) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const proc::NodeInfo info = NodeNow();
  for (std::size_t i = 0; i < sizeof(info.boot_id); ++i) {
    const char pair[] = {kDigits[info.boot_id[i] >> 4], kDigits[info.boot_id[i] & 15]};
    text.Text(i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "");
    text.Text({pair, 2});
  }
  text.Text("\n");
}

void Hostname(TextWriter& text, std::uint64_t) {
  const proc::NodeInfo info = NodeNow();
  text.Print("{}\n", TextOf(info.name, sizeof(info.name)));
}

// Files whose text never changes.
struct Constant {
  std::string_view name;
  std::string_view text;
};
constexpr Constant kKernel[] = {{"ostype", "Linux\n"},
                                {"osrelease", "6.1.0-k42\n"},
                                {"version", "#1 SMP K42\n"},
                                {"ngroups_max", "65536\n"},
                                {"pid_max", "32768\n"},
                                {"threads-max", "32768\n"},
                                {"cap_last_cap", "40\n"},
                                {"core_pattern", "core\n"},
                                {"shmmax", "18446744073692774399\n"},
                                {"randomize_va_space", "0\n"}};
constexpr Constant kVm[] = {{"overcommit_memory", "1\n"}, {"max_map_count", "65530\n"}};
constexpr Constant kNetCore[] = {{"somaxconn", "4096\n"}};
constexpr Constant kYama[] = {{"ptrace_scope", "0\n"}};
constexpr Constant kRoot[] = {
    {"filesystems", "nodev\ttmpfs\nnodev\tproc\nnodev\tsysfs\nnodev\t9p\n"},
    {"cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"},
    {"swaps", "Filename\tType\tSize\tUsed\tPriority\n"},
    {"devices", "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n"},
    {"cmdline", "k42\n"}};

void ConstantText(TextWriter& text, std::uint64_t constant) {
  text.Text(reinterpret_cast<const Constant*>(constant)->text);
}

template <std::size_t N>
Status AddConstants(SyntheticDirectory& directory, const Constant (&constants)[N]) {
  for (const Constant& constant : constants) {
    TRY(directory.AddFile(constant.name, &ConstantText,
                          reinterpret_cast<std::uint64_t>(&constant)));
  }
  return Status::kOk;
}

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
  TRY(AddConstants(root, kRoot));
  SyntheticDirectory* sys = TRY(root.AddDirectory("sys"));
  SyntheticDirectory* kernel = TRY(sys->AddDirectory("kernel"));
  TRY(AddConstants(*kernel, kKernel));
  TRY(kernel->AddFile("hostname", &Hostname));
  SyntheticDirectory* random = TRY(kernel->AddDirectory("random"));
  TRY(random->AddFile("boot_id", &BootId));
  SyntheticDirectory* yama = TRY(kernel->AddDirectory("yama"));
  TRY(AddConstants(*yama, kYama));
  SyntheticDirectory* vm = TRY(sys->AddDirectory("vm"));
  TRY(AddConstants(*vm, kVm));
  SyntheticDirectory* net = TRY(sys->AddDirectory("net"));
  SyntheticDirectory* core = TRY(net->AddDirectory("core"));
  return AddConstants(*core, kNetCore);
}

void GenerateMounts(TextWriter& text, std::uint64_t) {
  constexpr std::size_t kRoom = 1024;
  auto* path = static_cast<char*>(mem::Allocate(kRoom));
  if (path == nullptr) {
    return;
  }
  for (std::size_t i = 0; i < Sources().tree->mount_count(); ++i) {
    const FileSystem& file_system = *Sources().tree->mount(i).file_system;
    const auto size = Sources().tree->MountPath(i, {path, kRoom});
    if (size.ok()) {
      text.Print("{} {} {} {} 0 0\n", file_system.TypeName(), std::string_view(path, size.value()),
                 file_system.TypeName(), file_system.read_only() ? "ro" : "rw");
    }
  }
  mem::Free(path, kRoom);
}

// 10.42.0.0/16 by fab0; numbers as the machine stores them.
void GenerateRoute(TextWriter& text, std::uint64_t) {
  text.Text(
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
      "fab0\t00002A0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n");
}

void GenerateNothing(TextWriter&, std::uint64_t) {}

}  // namespace k42::fs
