// /proc/sys: what programs read of the kernel's settings. None can be changed: writing is refused.
#include "fs/process_fs.h"
#include "machine/random.h"

namespace k42::fs {
namespace {

constexpr std::size_t kUuidSize = 16;

void PrintUuid(TextWriter& text, const std::uint8_t (&bytes)[kUuidSize]) {
  for (std::size_t i = 0; i < kUuidSize; ++i) {
    text.Text(i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "");
    text.Hex(bytes[i], 2);
  }
  text.Text("\n");
}

void BootId(TextWriter& text, std::uint64_t) {
  PrintUuid(text, NodeNow().boot_id);
}

// A new one at each read.
void Uuid(TextWriter& text, std::uint64_t) {
  std::uint8_t bytes[kUuidSize];
  machine::FillRandom(bytes, sizeof(bytes));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  PrintUuid(text, bytes);
}

void Hostname(TextWriter& text, std::uint64_t) {
  const proc::NodeInfo info = NodeNow();
  text.Print("{}\n", TextOf(info.name, sizeof(info.name)));
}

constexpr ConstantFile kKernel[] = {{"ostype", "Linux\n"},
                                    {"osrelease", "6.1.0-k42\n"},
                                    {"version", "#1 SMP K42\n"},
                                    {"domainname", "(none)\n"},
                                    {"ngroups_max", "65536\n"},
                                    {"pid_max", "262144\n"},
                                    {"threads-max", "262144\n"},
                                    {"cap_last_cap", "40\n"},
                                    {"core_pattern", "core\n"},
                                    {"core_uses_pid", "0\n"},
                                    {"shmmax", "18446744073692774399\n"},
                                    {"shmall", "18446744073692774399\n"},
                                    {"shmmni", "4096\n"},
                                    {"msgmax", "8192\n"},
                                    {"msgmnb", "16384\n"},
                                    {"msgmni", "32000\n"},
                                    {"sem", "32000\t1024000000\t500\t32000\n"},
                                    {"tainted", "0\n"},
                                    {"printk", "4\t4\t1\t7\n"},
                                    {"dmesg_restrict", "0\n"},
                                    {"kptr_restrict", "0\n"},
                                    {"perf_event_paranoid", "2\n"},
                                    {"numa_balancing", "0\n"},
                                    {"randomize_va_space", "0\n"}};
constexpr ConstantFile kRandom[] = {{"entropy_avail", "256\n"}, {"poolsize", "256\n"}};
constexpr ConstantFile kVm[] = {{"overcommit_memory", "1\n"},  {"overcommit_ratio", "50\n"},
                                {"max_map_count", "65530\n"},  {"swappiness", "60\n"},
                                {"mmap_min_addr", "65536\n"},  {"nr_hugepages", "0\n"},
                                {"dirty_ratio", "20\n"},       {"dirty_background_ratio", "10\n"},
                                {"min_free_kbytes", "4096\n"}, {"zone_reclaim_mode", "0\n"},
                                {"drop_caches", "0\n"}};
constexpr ConstantFile kFiles[] = {{"file-max", "9223372036854775807\n"},
                                   {"file-nr", "0\t0\t9223372036854775807\n"},
                                   {"nr_open", "1048576\n"},
                                   {"pipe-max-size", "1048576\n"},
                                   {"aio-max-nr", "65536\n"},
                                   {"aio-nr", "0\n"}};
constexpr ConstantFile kWatches[] = {{"max_queued_events", "16384\n"},
                                     {"max_user_instances", "65536\n"},
                                     {"max_user_watches", "65536\n"}};
constexpr ConstantFile kNetCore[] = {{"somaxconn", "4096\n"},
                                     {"rmem_default", "212992\n"},
                                     {"rmem_max", "212992\n"},
                                     {"wmem_default", "212992\n"},
                                     {"wmem_max", "212992\n"}};
constexpr ConstantFile kInternet[] = {{"ip_local_port_range", "32768\t60999\n"},
                                      {"ip_forward", "0\n"},
                                      {"tcp_rmem", "4096\t131072\t6291456\n"},
                                      {"tcp_wmem", "4096\t16384\t4194304\n"},
                                      {"tcp_fin_timeout", "60\n"}};
constexpr ConstantFile kYama[] = {{"ptrace_scope", "0\n"}};

Status AddFolder(SyntheticDirectory& parent, std::string_view name,
                 std::span<const ConstantFile> files) {
  SyntheticDirectory* made = TRY(parent.AddDirectory(name));
  return AddConstants(*made, files);
}

}  // namespace

Status AddControls(SyntheticDirectory& root) {
  SyntheticDirectory* kernel = TRY(root.AddDirectory("kernel"));
  TRY(AddConstants(*kernel, kKernel));
  TRY(kernel->AddFile("hostname", &Hostname));
  SyntheticDirectory* random = TRY(kernel->AddDirectory("random"));
  TRY(random->AddFile("boot_id", &BootId));
  TRY(random->AddFile("uuid", &Uuid));
  TRY(AddConstants(*random, kRandom));
  TRY(AddFolder(*kernel, "yama", kYama));
  TRY(AddFolder(root, "vm", kVm));
  SyntheticDirectory* files = TRY(root.AddDirectory("fs"));
  TRY(AddConstants(*files, kFiles));
  TRY(AddFolder(*files, "inotify", kWatches));
  SyntheticDirectory* net = TRY(root.AddDirectory("net"));
  TRY(AddFolder(*net, "core", kNetCore));
  return AddFolder(*net, "ipv4", kInternet);
}

}  // namespace k42::fs
