#include "cobj/instance.h"

namespace k42::cobj {

namespace {

constexpr machine::HoldReason kWalk{
    200000, "a CPU's objects of one class are walked, during an upgrade only"};

}  // namespace

void InstanceList::Add(Instance& instance) {
  instance.list = this;
  instance.cpu = machine::CurrentCpu();
  PerCpu& cpu = cpus_[instance.cpu];
  const machine::SpinGuard guard(cpu.lock);
  cpu.instances.PushBack(&instance);
  count_.fetch_add(1, std::memory_order_relaxed);
}

void InstanceList::Gone(Instance& instance, Allocator& allocator) {
  InstanceList& list = *instance.list;
  {
    const machine::SpinGuard guard(list.cpus_[instance.cpu].lock);
    instance.Unlink();
    list.count_.fetch_sub(1, std::memory_order_relaxed);
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
