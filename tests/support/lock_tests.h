// What every lock must do, whatever its kind: the same tests for each, hosted and in guests. A test
// returns null, or what is wrong.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/mutex.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"
#include "sync/blocking_lock.h"
#include "sync/read_write_lock.h"

namespace k42::test {

using machine::Thread;

// Each kind, as the tests use it.
using Spin = machine::SpinLock<LockRank::kSpinTest>;
using IrqSpin = machine::IrqSpinLock<LockRank::kSpinTest>;
using Fair = machine::Mutex<LockRank::kMutexTest>;
using Blocking = sync::BlockingLock<LockRank::kMutexTest>;
using Bit = sync::BitLock<LockRank::kMutexTest>;
using ReadWrite = sync::ReadWriteLock<LockRank::kMutexTest>;

// A read-write lock's reading side, alone: excludes nobody, so only some tests are for it.
template <typename Lock>
inline constexpr bool kBlocks = !std::is_same_v<Lock, Spin> && !std::is_same_v<Lock, IrqSpin>;
template <typename Lock>
inline constexpr bool kFair = std::is_same_v<Lock, Fair> || std::is_same_v<Lock, ReadWrite>;

// body() in `per_cpu` threads on each CPU; returns when all have ended.
template <typename Body>
void OnAllCpus(std::uint32_t per_cpu, Body body) {
  struct Shared {
    Body& body;
    Thread* waiter;
    std::atomic<std::uint32_t> left;
  } shared{body, Thread::Current(), per_cpu * machine::CpuCount()};
  for (std::uint32_t i = per_cpu * machine::CpuCount(); i-- > 0;) {
    const auto made = Thread::Create(
        "lock test",
        [](void* argument) {
          auto* all = static_cast<Shared*>(argument);
          all->body();
          Thread* waiter = all->waiter;  // `all` may be gone once nothing is left
          if (all->left.fetch_sub(1) == 1)
            waiter->Unblock();
        },
        &shared, i % machine::CpuCount());
    if (!made.ok())
      shared.left.fetch_sub(1);
  }
  while (shared.left.load() != 0) Thread::BlockExternal();
}

// One of each kind.
template <typename Lock>
inline Lock the_lock;

// How often the lock went from one thread to another in Excludes.
inline constinit std::atomic<std::uint64_t> hand_offs{0};

template <typename Lock>
const char* Excludes(std::uint32_t per_cpu, std::uint32_t rounds) {
  static std::uint64_t counter, changes;
  static Thread* last;
  counter = changes = 0;
  last = nullptr;
  OnAllCpus(per_cpu, [rounds] {
    for (std::uint32_t i = 0; i < rounds; ++i) {
      the_lock<Lock>.Lock();
      const std::uint64_t before = counter;
      changes += last != Thread::Current();
      last = Thread::Current();
      if constexpr (kBlocks<Lock>) {
        if (i % 8 == 0)
          Thread::Yield();  // others of this CPU run into the held lock and wait
      }
      counter = before + 1;
      the_lock<Lock>.Unlock();
    }
  });
  hand_offs = changes;
  return counter == std::uint64_t{per_cpu} * rounds * machine::CpuCount() ? nullptr
                                                                          : "two were inside";
}

template <typename Lock>
const char* TriesDoNotWait() {
  Lock& lock = the_lock<Lock>;
  if (!lock.TryLock())
    return "a try of a free lock fails";
  if (lock.TryLock())
    return "a try of a held lock succeeds";
  lock.Unlock();
  lock.Lock();
  if (lock.TryLock())
    return "a try of a locked lock succeeds";
  lock.Unlock();
  if (!lock.TryLock())
    return "a try after a release fails";
  lock.Unlock();
  return nullptr;
}

// Interrupts are off under an IrqSpinLock alone, and as before after each.
template <typename Lock>
const char* KeepsTheInterruptFlag() {
  Lock& lock = the_lock<Lock>;
  lock.Lock();
  const bool on = machine::InterruptsEnabled();
  lock.Unlock();
  if (on == std::is_same_v<Lock, IrqSpin>)
    return "interrupts are wrong while it is held";
  if (!machine::InterruptsEnabled())
    return "interrupts are off after a release";
  if constexpr (!kBlocks<Lock>) {
    const machine::InterruptsOff off;
    lock.Lock();
    lock.Unlock();
    if (!lock.TryLock())
      return "a try of a free lock fails";
    lock.Unlock();
    if (machine::InterruptsEnabled())
      return "a release turned interrupts on";
  }
  return nullptr;
}

// Three threads of this CPU wait, one after the other. They get it in that order; and a newcomer at
// the moment of the release gets it before them exactly where the lock is not fair.
template <typename Lock>
const char* WaitersComeInOrder() {
  static std::uint32_t started, ended;
  static std::uint32_t order[3];
  started = ended = 0;
  Lock& lock = the_lock<Lock>;
  lock.Lock();
  for (std::uint32_t i = 0; i < 3; ++i) {
    const auto made = Thread::Create(
        "waiter",
        [](void*) {
          const std::uint32_t me = started++;
          the_lock<Lock>.Lock();
          order[ended] = me;
          the_lock<Lock>.Unlock();
          ++ended;
        },
        nullptr, machine::CurrentCpu());
    if (!made.ok())
      return "no memory for a thread";
    while (started == i) Thread::Yield();  // it lets go of the CPU in Lock only
  }
  lock.Unlock();
  const bool barged = lock.TryLock();
  if (barged)
    lock.Unlock();
  while (ended != 3) Thread::Yield();
  if (barged == kFair<Lock>)
    return "a newcomer was before the waiters, or not, against what the lock promises";
  for (std::uint32_t i = 0; i < 3; ++i)
    if (order[i] != i)
      return "waiters did not come in order";
  return nullptr;
}

// -- of one kind ----------------------------------------------------------------------------------

// The other bits of a BitLock's word are its owner's, whatever the lock does.
inline const char* BitsStay() {
  static constinit Bit lock(5);
  if (lock.bits() != 5)
    return "the first bits are lost";
  OnAllCpus(2, [] {
    for (int i = 0; i < 200; ++i) {
      lock.Lock();
      const std::uint64_t bits = lock.bits();
      if (i % 16 == 0)
        Thread::Yield();
      lock.SetBits(bits + 1);
      lock.Unlock();
    }
  });
  return lock.bits() == 5 + 2 * 200 * std::uint64_t{machine::CpuCount()} ? nullptr
                                                                         : "bits were lost";
}

// Readers are inside together, writers alone; a reader behind a waiting writer waits.
inline const char* ReadersShareWritersDoNot() {
  static std::atomic<std::int32_t> readers, most;
  static std::atomic<bool> writing, wrong;
  static std::uint64_t writes;
  readers = most = 0;
  writing = wrong = false;
  writes = 0;
  OnAllCpus(3, [] {
    for (int i = 0; i < 60; ++i) {
      if (i % 6 == 0) {
        const machine::MutexGuard guard(the_lock<ReadWrite>);
        if (writing.exchange(true) || readers != 0)
          wrong = true;
        ++writes;
        Thread::Yield();
        writing = false;
      } else {
        const sync::ReadGuard guard(the_lock<ReadWrite>);
        const std::int32_t now = ++readers;
        if (now > most)
          most = now;
        if (writing)
          wrong = true;
        Thread::Yield();
        --readers;
      }
    }
  });
  if (wrong)
    return "a writer was not alone";
  if (writes != 3 * 10 * std::uint64_t{machine::CpuCount()})
    return "writes were lost";
  if (most < 2)
    return "readers were never inside together";

  ReadWrite& lock = the_lock<ReadWrite>;
  static bool wrote;
  wrote = false;
  lock.LockShared();
  static bool started;
  started = false;
  const auto made = Thread::Create(
      "writer",
      [](void*) {
        started = true;
        const machine::MutexGuard guard(the_lock<ReadWrite>);
        wrote = true;
      },
      nullptr, machine::CurrentCpu());
  if (!made.ok())
    return "no memory for a thread";
  while (!started) Thread::Yield();
  const bool passed = lock.TryLockShared();
  lock.UnlockShared();
  while (!wrote) Thread::Yield();
  if (passed)
    return "a reader went past a waiting writer";
  return lock.TryLock() ? (lock.Unlock(), nullptr) : "the writer's end was lost";
}

}  // namespace k42::test
