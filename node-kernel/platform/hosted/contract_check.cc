// The hosted machine against the contract.
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/cpu_message.h"
#include "machine/interrupts.h"
#include "machine/mutex.h"
#include "machine/phys.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"
#include "machine/timer.h"
#include "machine/user_copy.h"
#include "platform/contract/machine_contract.h"

namespace k42::machine {

static_assert(TryLockContract<SpinLock<LockRank::kSpinTest>>);
static_assert(TryLockContract<IrqSpinLock<LockRank::kSpinTest>>);
static_assert(TryLockContract<Mutex<LockRank::kMutexTest>>);
static_assert(ThreadContract<Thread>);
static_assert(TimerContract<Timer>);
static_assert(ScopeContract<InterruptsOff>);
static_assert(std::same_as<decltype(CurrentCpu()), CpuId>);
static_assert(std::same_as<decltype(CpuCount()), CpuId>);
static_assert(std::same_as<decltype(MonotonicNs()), std::uint64_t>);
static_assert(std::same_as<decltype(&Send), void (*)(CpuId, CpuMessage*)>);
static_assert(std::same_as<decltype(&CopyIn), Status (*)(void*, std::uint64_t, std::size_t)>);
static_assert(
    std::same_as<decltype(&CopyOut), Status (*)(std::uint64_t, const void*, std::size_t)>);
static_assert(std::same_as<decltype(PhysToVirt<int>(0)), int*>);

}  // namespace k42::machine
