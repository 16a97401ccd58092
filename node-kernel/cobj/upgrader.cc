#include "cobj/upgrader.h"

#include "cobj/object_system.h"
#include "machine/clock.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42::cobj {

namespace {

constexpr std::uint64_t kPauseNs = 10'000'000;

void WakeThread(void* thread) {
  static_cast<machine::Thread*>(thread)->Unblock();
}

void Sleep(std::uint64_t ns) {
  machine::Timer timer;
  const std::uint64_t until = machine::MonotonicNs() + ns;
  timer.Arm(until, WakeThread, machine::Thread::Current());
  while (machine::MonotonicNs() < until) machine::Thread::BlockExternal();
}

struct Waiting : GraceWait {
  machine::Thread* thread = nullptr;
  bool over = false;
};

// Until all threads that are active now have become inactive.
void AwaitGrace() {
  Waiting wait;
  wait.thread = machine::Thread::Current();
  wait.done = [](GraceWait* ended) {
    auto* waiting = static_cast<Waiting*>(ended);
    waiting->over = true;  // on the CPU that waits
    waiting->thread->Unblock();
  };
  node_objects->grace().AfterGlobal(&wait);
  while (!wait.over) machine::Thread::BlockExternal();
}

}  // namespace

Status Upgrader::Register(const char* name, UpgradableClass& target) {
  if (Find(name) != nullptr)
    return Status::kAlreadyExists;
  if (count_ == kMaxClasses)
    return Status::kLimitExceeded;
  Entry& entry = entries_[count_++];
  entry.name = name;
  entry.target = &target;
  entry.built_in = target.Present();
  return Status::kOk;
}

Upgrader::Entry* Upgrader::Find(std::string_view name) {
  for (std::uint32_t i = 0; i < count_; ++i) {
    if (name == entries_[i].name)
      return &entries_[i];
  }
  return nullptr;
}

Status Upgrader::Load(Bytes file, const ModuleClaim& claim, Sentence& why) {
  Entry* entry = Find(claim.name());
  if (entry == nullptr) {
    why.Say("no class {} can be upgraded in this kernel", claim.name());
    return Status::kNotFound;
  }
  const ClassVersion before = entry->At(entry->depth);
  const bool neighbour =
      claim.to_version == before.number + 1 || claim.to_version + 1 == before.number;
  if (claim.from_version != before.number || !neighbour) {
    why.Say("{} is at version {}: no step from {} to {}", claim.name(), before.number,
            claim.from_version, claim.to_version);
    return Status::kVersionMismatch;
  }
  if (entry->depth == kMaxModules) {
    why.Say("{} has come {} modules far: build a newer kernel", claim.name(), entry->depth);
    return Status::kLimitExceeded;
  }
  LoadedModule* module = TRY(loader_.Load(file, claim, node_objects->allocator(), why));
  const Status status = Change(*entry, before, module->AsVersion(), why);
  if (status == Status::kOk)
    entry->path[entry->depth++] = module;
  else
    Leave(module);
  return status;
}

Status Upgrader::Back(std::string_view class_name, std::uint32_t from_version, Sentence& why) {
  Entry* entry = Find(class_name);
  if (entry == nullptr) {
    why.Say("no class {} can be upgraded in this kernel", class_name);
    return Status::kNotFound;
  }
  const ClassVersion before = entry->At(entry->depth);
  if (entry->depth == 0 || before.number != from_version) {
    why.Say("{} is at version {}{}: no way back from {}", class_name, before.number,
            entry->depth == 0 ? ", the built-in one" : "", from_version);
    return Status::kVersionMismatch;
  }
  TRY(Change(*entry, before, entry->At(entry->depth - 1), why));
  Leave(entry->path[--entry->depth]);
  return Status::kOk;
}

Status Upgrader::Change(Entry& entry, const ClassVersion& before, const ClassVersion& next,
                        Sentence& why) {
  std::uint64_t left = 0;
  const Status status = Converge(*entry.target, next, &left);
  if (status == Status::kOk)
    return Status::kOk;
  if (status != Status::kTimedOut) {
    why.Say("{} cannot become version {}: {}", entry.name, next.number, status);
    return status;
  }
  const SwapFailure failure = entry.target->LastFailure();
  std::uint64_t stranded = 0;
  (void)Converge(*entry.target, before, &stranded);
  why.Say("{} of {} objects of {} could not become version {} (object {x}: {}); {} not taken back",
          left, entry.target->Count(), entry.name, next.number, failure.object, failure.status,
          stranded);
  return status;
}

Status Upgrader::Converge(UpgradableClass& target, const ClassVersion& version,
                          std::uint64_t* left) {
  const std::uint64_t deadline = machine::MonotonicNs() + patience_ns_;
  TRY(target.Update(version));
  while ((*left = target.Outdated()) != 0) {
    if (machine::MonotonicNs() > deadline)
      return Status::kTimedOut;
    Sleep(kPauseNs);
    TRY(target.Retry());
  }
  return Status::kOk;
}

void Upgrader::Leave(LoadedModule* module) {
  left_.PushBack(module);
  ++left_count_;
}

std::uint32_t Upgrader::Collect() {
  if (left_.empty())
    return 0;
  AwaitGrace();  // roots that were retired just now go with it
  for (LoadedModule* module = left_.Front(); module != nullptr;) {
    LoadedModule* next = left_.Next(module);
    if (module->code.roots() == 0) {
      module->Unlink();
      --left_count_;
      AwaitGrace();  // who disposed of the last root has returned from its code
      loader_.Unload(module, node_objects->allocator());
    }
    module = next;
  }
  return left_count_;
}

void Upgrader::Describe(FunctionRef<void(const ClassState&)> show) {
  for (std::uint32_t i = 0; i < count_; ++i) {
    Entry& entry = entries_[i];
    show({entry.name, entry.built_in.number, entry.target->Count(), entry.target->Outdated(),
          entry.depth, entry.path});
  }
}

}  // namespace k42::cobj
