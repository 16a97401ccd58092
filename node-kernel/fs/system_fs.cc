#include "fs/system_fs.h"

#include "fs/process_fs.h"
#include "machine/cpu.h"

namespace k42::fs {
namespace {

// The name of CPU n lives for ever.
std::string_view CpuName(machine::CpuId cpu) {
  static constinit char names[machine::kMaxCpus][8] = {};
  return {names[cpu], Format(names[cpu], "cpu{}", cpu)};
}

void Online(TextWriter& text, std::uint64_t) {
  text.Print(machine::CpuCount() == 1 ? FormatFor<std::uint32_t>("{}\n")
                                      : FormatFor<std::uint32_t>("0-{}\n"),
             machine::CpuCount() - 1);
}
void Number(TextWriter& text, std::uint64_t number) {
  text.Print("{}\n", number);
}
// CPU sets as groups of 32 bits, most significant first.
void PrintMask(TextWriter& text, std::uint64_t mask) {
  if (machine::CpuCount() > 32) {
    text.Hex(mask >> 32, 8);
    text.Text(",");
  }
  text.Hex(mask & 0xffffffff, machine::CpuCount() > 32 ? 8 : 1);
  text.Text("\n");
}
void OneCpuMask(TextWriter& text, std::uint64_t cpu) {
  PrintMask(text, std::uint64_t{1} << cpu);
}
void OneCpuList(TextWriter& text, std::uint64_t cpu) {
  text.Print("{}\n", cpu);
}
void EmptyList(TextWriter& text, std::uint64_t) {
  text.Text("\n");
}
void AllCpusMask(TextWriter& text, std::uint64_t) {
  PrintMask(text, ~std::uint64_t{0} >> (64 - machine::CpuCount()));
}

void NodeMemory(TextWriter& text, std::uint64_t) {
  const proc::NodeInfo info = NodeNow();
  text.Print("Node 0 MemTotal:       {8} kB\nNode 0 MemFree:        {8} kB\n", info.memory >> 10,
             info.memory_free >> 10);
  text.Print("Node 0 MemUsed:        {8} kB\n", (info.memory - info.memory_free) >> 10);
}

void LargePolicyNow(TextWriter& text, std::uint64_t) {
  const mem::LargePolicy policy = Sources().memory->large_policy;
  text.Text(policy == mem::LargePolicy::kAlways  ? "[always] madvise never\n"
            : policy == mem::LargePolicy::kNever ? "always madvise [never]\n"
                                                 : "always [madvise] never\n");
}
// Small pages serve where there is no large one, at once.
void NeverDefragments(TextWriter& text, std::uint64_t) {
  text.Text("always defer defer+madvise madvise [never]\n");
}

struct InterfaceText {
  const char* name;
  const char* text;
};
constexpr InterfaceText kLoopback[] = {{"address", "00:00:00:00:00:00\n"},
                                       {"mtu", "65536\n"},
                                       {"operstate", "unknown\n"},
                                       {"carrier", "1\n"},
                                       {"type", "772\n"},
                                       {"ifindex", "1\n"},
                                       {"flags", "0x9\n"},
                                       {"speed", "-1\n"}};
constexpr InterfaceText kFabric[] = {{"address", "02:4b:34:32:00:01\n"},
                                     {"mtu", "65520\n"},
                                     {"operstate", "up\n"},
                                     {"carrier", "1\n"},
                                     {"type", "1\n"},
                                     {"ifindex", "2\n"},
                                     {"flags", "0x1043\n"},
                                     {"speed", "10000\n"}};

void ConstantText(TextWriter& text, std::uint64_t constant) {
  text.Text(reinterpret_cast<const char*>(constant));
}

template <std::size_t N>
Status AddInterface(SyntheticDirectory& net, std::string_view name,
                    const InterfaceText (&files)[N]) {
  SyntheticDirectory* directory = TRY(net.AddDirectory(name));
  for (const InterfaceText& file : files) {
    TRY(directory->AddFile(file.name, &ConstantText, reinterpret_cast<std::uint64_t>(file.text)));
  }
  return Status::kOk;
}

Status AddCpus(SyntheticDirectory& system) {
  SyntheticDirectory* cpus = TRY(system.AddDirectory("cpu"));
  for (const std::string_view name : {"online", "possible", "present"}) {
    TRY(cpus->AddFile(name, &Online));
  }
  for (const std::string_view name : {"offline", "isolated"}) {
    TRY(cpus->AddFile(name, &EmptyList));
  }
  TRY(cpus->AddFile("kernel_max", &Number, machine::kMaxCpus - 1));
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    SyntheticDirectory* directory = TRY(cpus->AddDirectory(CpuName(cpu)));
    TRY(directory->AddFile("online", &Number, 1));
    SyntheticDirectory* topology = TRY(directory->AddDirectory("topology"));
    TRY(topology->AddFile("core_id", &Number, cpu));
    TRY(topology->AddFile("physical_package_id", &Number, 0));
    TRY(topology->AddFile("die_id", &Number, 0));
    for (const std::string_view name : {"core_cpus", "thread_siblings"}) {
      TRY(topology->AddFile(name, &OneCpuMask, cpu));
    }
    for (const std::string_view name : {"core_cpus_list", "thread_siblings_list"}) {
      TRY(topology->AddFile(name, &OneCpuList, cpu));
    }
    for (const std::string_view name : {"package_cpus", "core_siblings", "die_cpus"}) {
      TRY(topology->AddFile(name, &AllCpusMask));
    }
    for (const std::string_view name :
         {"package_cpus_list", "core_siblings_list", "die_cpus_list"}) {
      TRY(topology->AddFile(name, &Online));
    }
  }
  return Status::kOk;
}

Status AddMemoryNodes(SyntheticDirectory& system) {
  SyntheticDirectory* nodes = TRY(system.AddDirectory("node"));
  for (const std::string_view name : {"online", "possible", "has_memory", "has_cpu"}) {
    TRY(nodes->AddFile(name, &Number, 0));
  }
  SyntheticDirectory* node = TRY(nodes->AddDirectory("node0"));
  TRY(node->AddFile("cpumap", &AllCpusMask));
  TRY(node->AddFile("cpulist", &Online));
  TRY(node->AddFile("meminfo", &NodeMemory));
  return node->AddFile("distance", &Number, 10);
}

}  // namespace

Status FillSystemFiles(SyntheticDirectory& root) {
  SyntheticDirectory* devices = TRY(root.AddDirectory("devices"));
  SyntheticDirectory* system = TRY(devices->AddDirectory("system"));
  TRY(AddCpus(*system));
  TRY(AddMemoryNodes(*system));
  SyntheticDirectory* virtual_devices = TRY(devices->AddDirectory("virtual"));
  SyntheticDirectory* net = TRY(virtual_devices->AddDirectory("net"));
  TRY(AddInterface(*net, "lo", kLoopback));
  TRY(AddInterface(*net, "fab0", kFabric));
  // UCX takes only links here for interfaces.
  SyntheticDirectory* classes = TRY(root.AddDirectory("class"));
  SyntheticDirectory* class_net = TRY(classes->AddDirectory("net"));
  TRY(class_net->AddSymlink("lo", "../../devices/virtual/net/lo"));
  TRY(class_net->AddSymlink("fab0", "../../devices/virtual/net/fab0"));
  // No disks.
  TRY(root.AddDirectory("block"));
  TRY(classes->AddDirectory("block"));
  SyntheticDirectory* numbers = TRY(root.AddDirectory("dev"));
  TRY(numbers->AddDirectory("block"));
  TRY(numbers->AddDirectory("char"));
  SyntheticDirectory* fs = TRY(root.AddDirectory("fs"));
  TRY(fs->AddDirectory("cgroup"));
  SyntheticDirectory* kernel = TRY(root.AddDirectory("kernel"));
  SyntheticDirectory* memory = TRY(kernel->AddDirectory("mm"));
  TRY(memory->AddDirectory("hugepages"));
  SyntheticDirectory* large = TRY(memory->AddDirectory("transparent_hugepage"));
  TRY(large->AddFile("enabled", &LargePolicyNow));
  TRY(large->AddFile("defrag", &NeverDefragments));
  TRY(large->AddFile("hpage_pmd_size", &Number, mem::kLargePageSize));
  TRY(large->AddFile("use_zero_page", &Number, 0));
  return Status::kOk;
}

}  // namespace k42::fs
