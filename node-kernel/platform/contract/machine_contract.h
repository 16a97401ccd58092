// What the core may expect of a machine, as concepts. Both implementations check themselves against
// them: platform/x86_64/kernel/contract_check.cc and platform/hosted's. The prose contracts stand
// in the headers of machine/; a concept only keeps the shapes from drifting apart.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "base/lock_rank.h"
#include "base/result.h"
#include "platform/contract/types.h"

namespace k42::machine {

// SpinLock, IrqSpinLock, Mutex.
template <typename L>
concept LockContract = std::default_initializable<L> && !std::copyable<L> && requires(L lock) {
  { lock.Lock() } -> std::same_as<void>;
  { lock.Unlock() } -> std::same_as<void>;
};
template <typename L>
concept TryLockContract = LockContract<L> && requires(L lock) {
  { lock.TryLock() } -> std::same_as<bool>;
};

template <typename T>
concept ThreadContract = requires(T thread, const char* name, void (*entry)(void*), void* argument,
                                  CpuId cpu) {
  { T::Create(name, entry, argument, cpu) } -> std::same_as<Result<T*>>;
  { T::Current() } -> std::same_as<T*>;
  { T::Block() } -> std::same_as<void>;
  { T::BlockExternal() } -> std::same_as<void>;
  { T::Yield() } -> std::same_as<void>;
  { T::PreemptionPoint() } -> std::same_as<void>;
  { thread.Unblock() } -> std::same_as<void>;
  { thread.cpu() } -> std::same_as<CpuId>;
  {thread.context()};
};

template <typename T>
concept TimerContract =
    std::default_initializable<T> && !std::copyable<T> &&
    requires(T timer, std::uint64_t deadline_ns, void (*callback)(void*), void* argument) {
  { timer.Arm(deadline_ns, callback, argument) } -> std::same_as<void>;
  { timer.Cancel() } -> std::same_as<bool>;
  { timer.armed() } -> std::same_as<bool>;
};

// Disabled from construction to destruction.
template <typename T>
concept ScopeContract = std::default_initializable<T> && !std::copyable<T> && std::destructible<T>;

}  // namespace k42::machine
