// What layers above the platform keep in each kernel thread, and how they hear of a thread's life.
//
// The platform knows no clustered objects; it carries these words and calls the hooks that boot/
// registers. A thread is *active* (it may hold pointers to reps) between activate and deactivate.
// Both run on the thread itself, interrupts on, and must not block.
#pragma once

#include <cstdint>

namespace k42::machine {

class Thread;

struct ThreadContext {
  std::uint64_t generation = 0;          // cobj: generation at activation
  void* forward_records = nullptr;       // cobj: innermost forwarder record on this thread's stack
  ThreadContext* next_active = nullptr;  // cobj: list of this CPU's active threads
  ThreadContext* previous_active = nullptr;
  Thread* thread = nullptr;        // cobj: whose this is, while active
  std::uint64_t active_since = 0;  // cobj: ns, debug builds
  void* user_call = nullptr;       // ipc: the user call this thread serves, or null
  void* space = nullptr;   // the address space whose user memory this thread reaches, or null
  void* worker = nullptr;  // ipc: the worker record if this thread may wait
  bool destroyed = false;  // cobj: an object, since it was last held back for that
};

struct ActivityHooks {
  void (*activate)(ThreadContext&) = [](ThreadContext&) {};
  void (*deactivate)(ThreadContext&) = [](ThreadContext&) {};
};
// By boot/, before anybody calls an object. Other threads may run meanwhile.
void SetActivityHooks(const ActivityHooks& hooks);

}  // namespace k42::machine
