#include "cluster-services/offload/confine.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

namespace k42::offload {
namespace {

constexpr rlim_t kMostDescriptors = 1024;
constexpr rlim_t kMostMemory = 512u << 20;

bool WriteFile(const char* path, const std::string& text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  const bool done =
      fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0)
    close(fd);
  return done;
}

// A user namespace of our own lets an ordinary user change root. Hosts may forbid it: then root can
// do without, and an ordinary user keeps its file system, which the list of system calls closes.
bool EnterNamespaces() {
  const std::string user = std::to_string(getuid());
  const std::string group = std::to_string(getgid());
  if (unshare(CLONE_NEWUSER) == 0) {
    WriteFile("/proc/self/setgroups", "deny");
    WriteFile("/proc/self/uid_map", user + " " + user + " 1");
    WriteFile("/proc/self/gid_map", group + " " + group + " 1");
  } else if (geteuid() != 0) {
    return false;
  }
  return unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) == 0;
}

bool DropCapabilities() {
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL && errno != EPERM)
      return false;
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  return syscall(SYS_capset, &header, none) == 0;
}

bool Limit(__rlimit_resource_t what, rlim_t value) {
  const rlimit limit{value, value};
  return setrlimit(what, &limit) == 0;
}

// -- the list of system calls -------------------------------------------------------------------

constexpr int kAllowed[] = {
    SYS_read,           SYS_write,        SYS_writev,          SYS_recvfrom,   SYS_recvmsg,
    SYS_sendto,         SYS_sendmsg,      SYS_close,           SYS_poll,       SYS_ppoll,
    SYS_connect,        SYS_accept4,      SYS_shutdown,        SYS_setsockopt, SYS_getsockopt,
    SYS_getsockname,    SYS_fcntl,        SYS_clock_gettime,   SYS_brk,        SYS_munmap,
    SYS_mremap,         SYS_madvise,      SYS_futex,           SYS_getrandom,  SYS_rt_sigaction,
    SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_restart_syscall, SYS_getpid,     SYS_gettid,
    SYS_tgkill,         SYS_exit,         SYS_exit_group,
};

constexpr std::uint32_t kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint32_t kEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr std::uint32_t kAnyBit = BPF_JMP | BPF_JSET | BPF_K;
constexpr std::uint32_t kReturn = BPF_RET | BPF_K;

sock_filter Step(std::uint32_t code, std::uint32_t value, std::uint8_t yes = 0,
                 std::uint8_t no = 0) {
  return {static_cast<std::uint16_t>(code), yes, no, value};
}

std::uint32_t Argument(std::size_t which) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + which * sizeof(std::uint64_t));
}

// The steps after each test end in kill or allow, so that none jumps far.
std::vector<sock_filter> Filter() {
  const sock_filter kill = Step(kReturn, SECCOMP_RET_KILL_PROCESS);
  const sock_filter allow = Step(kReturn, SECCOMP_RET_ALLOW);
  const auto number = static_cast<std::uint32_t>(offsetof(seccomp_data, nr));
  std::vector<sock_filter> steps = {
      Step(kLoad, static_cast<std::uint32_t>(offsetof(seccomp_data, arch))),
      Step(kEqual, AUDIT_ARCH_X86_64, 1, 0),
      kill,
      Step(kLoad, number),
  };
  for (const int call : kAllowed) {
    steps.push_back(Step(kEqual, static_cast<std::uint32_t>(call), 0, 1));
    steps.push_back(allow);
  }
  // Streams only, of two families.
  constexpr std::uint32_t kTypeBits = 0xf;
  for (const std::uint32_t family : {AF_INET, AF_UNIX}) {
    steps.push_back(Step(kEqual, SYS_socket, 0, 7));
    steps.push_back(Step(kLoad, Argument(0)));
    steps.push_back(Step(kEqual, family, 0, 4));
    steps.push_back(Step(kLoad, Argument(1)));
    steps.push_back(Step(BPF_ALU | BPF_AND | BPF_K, kTypeBits));
    steps.push_back(Step(kEqual, SOCK_STREAM, 0, 1));
    steps.push_back(allow);
    steps.push_back(Step(kLoad, number));
  }
  // Memory, but none that can be executed.
  for (const std::uint32_t call : {SYS_mmap, SYS_mprotect}) {
    steps.push_back(Step(kEqual, call, 0, 4));
    steps.push_back(Step(kLoad, Argument(2)));
    steps.push_back(Step(kAnyBit, PROT_EXEC, 1, 0));
    steps.push_back(allow);
    steps.push_back(Step(kLoad, number));
  }
  steps.push_back(kill);
  return steps;
}

bool FilterSystemCalls() {
  std::vector<sock_filter> steps = Filter();
  const sock_fprog program{static_cast<unsigned short>(steps.size()), steps.data()};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

}  // namespace

bool Confine(const std::string& root, std::string* error) {
  const auto step = [error](bool done, const char* what) {
    if (!done)
      *error = std::string(what) + ": " + std::strerror(errno);
    return done;
  };
  const bool namespaces = EnterNamespaces();
  return step(chdir(root.c_str()) == 0, "its folder") &&
         (!namespaces || step(chroot(".") == 0, "change of root")) &&
         step(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges") &&
         step(DropCapabilities(), "capabilities") &&
         step(Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_NOFILE, kMostDescriptors) &&
                  Limit(RLIMIT_AS, kMostMemory),
              "limits") &&
         step(FilterSystemCalls(), "filter of system calls");
}

}  // namespace k42::offload
