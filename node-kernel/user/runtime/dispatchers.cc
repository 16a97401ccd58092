#include "user/runtime/dispatchers.h"

#include "base/assert.h"
#include "user/runtime/runtime.h"

namespace k42::runtime {

namespace {

struct Beginning {
  void (*function)(void*);
  void* argument;
  std::uint64_t stack;
};

// By index, filled in by whoever runs there: one begins after the last one of its index has parked,
// whose stack is not used any more.
std::atomic<std::uint64_t> stacks[abi::kDispatchersMax];

[[noreturn]] void Run(Beginning* start) {
  if (const std::uint64_t over =
          stacks[DispatcherIndex()].exchange(start->stack, std::memory_order_acq_rel);
      over != 0)
    (void)kProcess.Unmap(over, kDispatcherStackSize);
  start->function(start->argument);
  (void)machine::Park();
  __builtin_trap();
}

Result<std::uint64_t> MapStack() {
  proc::MapRequest request = {};
  request.length = kDispatcherStackSize;
  request.protection = proc::kMapRead | proc::kMapWrite;
  request.flags = proc::kMapPrivate;
  return kProcess.Map(request, 0);
}

}  // namespace

Result<std::uint32_t> StartDispatcher(std::uint32_t cpu, void (*function)(void*), void* argument) {
  const std::uint64_t stack = TRY(MapStack());
  auto* start = reinterpret_cast<Beginning*>(stack + kDispatcherStackSize) - 1;
  *start = {function, argument, stack};
  abi::UserState state = {};
  state.rip = reinterpret_cast<std::uint64_t>(&Run);
  state.rdi = reinterpret_cast<std::uint64_t>(start);
  state.rsp = state.rdi - 8;  // as after a call
  const auto index = machine::AddDispatcher(cpu, state);
  if (!index.ok())
    (void)kProcess.Unmap(stack, kDispatcherStackSize);
  return index;
}

std::uint32_t DispatcherIndex() {
  return machine::DispatcherPage()->dispatcher_index;
}

void Event::Set() {
  const std::uint32_t before = word_.exchange(kSet, std::memory_order_acq_rel);
  if (before >= kWaiter)
    (void)machine::Notify(before - kWaiter);
}

bool Event::Try() {
  std::uint32_t set = kSet;
  return word_.compare_exchange_strong(set, kClear, std::memory_order_acquire);
}

void Event::Wait() {
  const std::uint32_t own = kWaiter + DispatcherIndex();
  for (;;) {
    if (Try())
      return;
    std::uint32_t clear = kClear;
    if (word_.compare_exchange_strong(clear, own, std::memory_order_acq_rel) || clear == own) {
      machine::WaitForEvent(0);
      machine::DispatcherPage()->pending.store(0, std::memory_order_relaxed);
    }
  }
}

void WorkQueue::Post(Work* work) {
  if (posted_.Push(work))
    wanted_.Set();
}

void WorkQueue::RunSome() {
  Work* work = posted_.TakeAll();
  if (work == nullptr)
    return wanted_.Wait();
  while (work != nullptr) {
    Work* next = work->next;
    work->run(work);
    work = next;
  }
}

}  // namespace k42::runtime
