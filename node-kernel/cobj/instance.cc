#include "cobj/instance.h"

namespace k42::cobj {

namespace {

constexpr machine::HoldReason kWalk{
    200000, "a CPU's objects of one class are walked, during an upgrade only"};

// Under the list's lock.
void Adjust(std::atomic<std::uint64_t>& count, std::int64_t by) {
  count.store(count.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(by),
              std::memory_order_relaxed);
}

}  // namespace

std::uint64_t InstanceList::count() const {
  std::uint64_t sum = 0;
  for (const PerCpu& cpu : cpus_) sum += cpu.count.load(std::memory_order_relaxed);
  return sum;
}

void InstanceList::Add(Instance& instance) {
  instance.list = this;
  instance.cpu = machine::CurrentCpu();
  PerCpu& cpu = cpus_[instance.cpu];
  const machine::SpinGuard guard(cpu.lock);
  cpu.instances.PushBack(&instance);
  Adjust(cpu.count, 1);
}

void InstanceList::Gone(Instance& instance, Allocator& allocator) {
  PerCpu& cpu = instance.list->cpus_[instance.cpu];
  {
    const machine::SpinGuard guard(cpu.lock);
    instance.Unlink();
    Adjust(cpu.count, -1);
  }
  allocator.Destroy(&instance);
}

std::uint64_t InstanceList::CountOtherThan(const CodeUse* code) {
  std::uint64_t others = 0;
  for (PerCpu& cpu : cpus_) {
    const machine::SpinGuard guard(cpu.lock, kWalk);
    for (const Instance& instance : cpu.instances) others += instance.code != code;
  }
  return others;
}

bool InstanceList::ClaimOutdated(const CodeUse* code, Claim* claim) {
  if (claim->sweep == 0)
    claim->sweep = sweeps_.fetch_add(1, std::memory_order_relaxed) + 1;
  for (; claim->at < machine::kMaxCpus; ++claim->at) {
    PerCpu& cpu = cpus_[claim->at];
    const machine::SpinGuard guard(cpu.lock, kWalk);
    for (Instance& instance : cpu.instances) {
      if (instance.code == code || instance.tried_in == claim->sweep)
        continue;
      instance.tried_in = claim->sweep;
      claim->bits = instance.bits;
      claim->cpu = claim->at;
      return true;
    }
  }
  return false;
}

void InstanceList::EndClaim(const Claim& claim, bool swapped, const CodeUse* code) {
  PerCpu& cpu = cpus_[claim.cpu];
  const machine::SpinGuard guard(cpu.lock, kWalk);
  for (Instance& instance : cpu.instances) {
    if (instance.bits != claim.bits)
      continue;
    if (swapped)
      instance.code = code;
    return;
  }
}

}  // namespace k42::cobj
