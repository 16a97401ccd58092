#include "user/linux/start.h"

#include <cstring>

#include "user/linux/dispatchers.h"
#include "user/linux/entry.h"
#include "user/linux/exec_state.h"
#include "user/linux/heap.h"
#include "user/linux/log.h"
#include "user/linux/task.h"

namespace k42::personality {
namespace {

abi::ProcessStart start_block;
alignas(16) [[gnu::section(".bss.large")]] char dispatcher_stack[16 * 1024];

// On its own stack, as the first thread.
void FirstThread() {
  Thread& thread = Self();
  const void* blob = reinterpret_cast<const void*>(start_block.blob);
  if (start_block.kind == abi::kStartFirst) {
    StartFirst(thread, static_cast<const char*>(blob), start_block.blob_size,
               reinterpret_cast<const kernel::Handle*>(start_block.handles),
               start_block.handle_count);
  }
  StartFromBlob(thread, blob, start_block.blob_size);
}

}  // namespace

const abi::ProcessStart& StartBlock() {
  return start_block;
}
std::uint64_t DispatcherStackTop() {
  return reinterpret_cast<std::uint64_t>(dispatcher_stack) + sizeof(dispatcher_stack);
}
bool InPersonality(const void* address) {
  const auto value = reinterpret_cast<std::uint64_t>(address);
  return value >= abi::kPersonalityBase && value < abi::kPersonalityLimit;
}

// The image's entry point, disabled, on the stack the kernel gave.
extern "C" [[noreturn]] [[gnu::used]] void image_entry(const abi::ProcessStart* start) {
  start_block = *start;
  if (start->magic != abi::kStartMagic || start->version != abi::kStartVersion) {
    kernel::Exit(0, proc::ExitKind::kKilled, kSIGKILL);
  }
  Dispatchers::Begin(start->cpu_count);
  auto* files = New<FdTable>();
  auto* context = New<FsContext>();
  auto* actions = New<SignalActions>();
  const auto pid = static_cast<std::int32_t>(start->task);
  Task* task = files && context && actions ? CreateTask(pid, files, context, actions) : nullptr;
  Thread* thread = task ? CreateThread(task, pid, FirstThread) : nullptr;
  if (!thread) {
    Log("linux: no memory to start");
    kernel::Exit(0, proc::ExitKind::kKilled, kSIGKILL);
    __builtin_unreachable();
  }
  task->main = true;
  Here().Start(thread);
  RegisterEntries();
  LeaveStack(thread);
}

}  // namespace k42::personality
