// What survives exec, as the blob that Process.Replace and Process.Spawn carry to the new image.
//
// Layout: ExecHeader, the heads of the program and of its interpreter, if it has one (ElfProgram,
// as far as it is used), ExecDescriptor[descriptor_count], path, arguments, environment (each
// zero-terminated words). Written and read by the same image: no versioning beyond a magic.
#pragma once

#include <cstdint>

#include "user/linux/elf.h"
#include "user/linux/kernel.h"
#include "user/linux/load.h"
#include "user/linux/task.h"

namespace k42::personality {

inline constexpr std::uint32_t kExecMagic = 0x4578'6563;

struct ExecHeader {
  std::uint32_t magic;
  std::uint32_t descriptor_count;
  std::uint32_t umask;
  std::uint32_t fd_limit;
  std::uint64_t signal_mask;
  std::uint64_t signals_ignored;
  std::uint64_t signals_pending;
  struct {
    std::uint64_t left_ns, interval_ns;
  } timers[kIntervalTimers];
  CpuLimit cpu_limit;
  std::uint64_t affinity;
  MemoryPolicy policy;
  kernel::Handle directory;  // kNoHandle: the root
  kernel::Handle program;
  kernel::Handle interpreter;  // kNoHandle: none
  std::uint32_t no_new_privileges;
  std::uint32_t process_locks;
  std::uint32_t child_options;  // the kernel has some from a SIGCHLD action that exec ends
  std::uint64_t path_size, argument_size, argument_count, environment_size, environment_count;
};

struct ExecDescriptor {
  std::uint32_t fd;
  kernel::Handle handle;
  std::uint32_t linux_flags;
  std::uint32_t kind;     // fs::FileKind, where it matters to us
  std::uint32_t same_as;  // fd of an earlier one with the same description, or ~0
};

// What exec wants to run, all opened and checked.
struct ExecTarget {
  kernel::Handle program;
  kernel::Handle interpreter;
  const ElfProgram* program_head;
  const ElfProgram* interpreter_head;  // null: none
  const char* path;
  Words arguments;
  Words environment;
};

// Starts the target for the thread's task: in this process (the main task) or in a new one. Returns
// only on failure, or after Spawn (0, and the task has moved: its thread is to end).
std::int64_t PassOn(Thread& thread, const ExecTarget& target);

// The other side: rebuilds the task's state and loads the program. Never returns.
[[noreturn]] void StartFromBlob(Thread& thread, const void* blob, std::uint64_t size);
// For the node's first process: words, and the console for descriptors 0 to 2.
[[noreturn]] void StartFirst(Thread& thread, const char* words, std::uint64_t size,
                             const kernel::Handle* handles, std::uint64_t count);

}  // namespace k42::personality
