#include "global/object_classes.h"

#include "global/cluster_barrier.h"
#include "global/cluster_barrier.wire.h"
#include "global/cluster_counter.h"
#include "global/cluster_counter.wire.h"
#include "global/cluster_counter_partial.h"
#include "global/forwarding.h"
#include "global/pause.h"

namespace k42::global {
namespace {

Result<cobj::Root*> NewSharedCounter(Allocator& allocator) {
  return TRY(allocator.Make<cobj::SharedRoot<ClusterCounter>>());
}
Result<cobj::Root*> NewPartialCounter(Allocator& allocator) {
  return TRY(allocator.Make<cobj::ReplicatedRoot<PartialClusterCounter>>(allocator, 1u));
}

}  // namespace

ObjectClasses::ObjectClasses() : counters_(1, NewSharedCounter), partial_code_(NewPartialCounter) {}

const char* ObjectClasses::Word(ObjectClass kind) {
  switch (kind) {
    case ObjectClass::kCounter:
      return "counter";
    case ObjectClass::kBarrier:
      return "barrier";
  }
  return nullptr;
}

const cobj::GlobalClass* ObjectClasses::Type(ObjectClass kind) {
  switch (kind) {
    case ObjectClass::kCounter:
      return &kClusterCounterClass;
    case ObjectClass::kBarrier:
      return &kClusterBarrierClass;
  }
  return nullptr;
}

Result<cobj::RefBits> ObjectClasses::Make(ObjectClass kind, std::uint64_t parameter) {
  switch (kind) {
    case ObjectClass::kCounter:
      return TRY(counters_.Create()).bits();
    case ObjectClass::kBarrier:
      if (parameter == 0 || parameter > ClusterBarrier::kMaxParties)
        return Status::kInvalidArgument;
      return TRY(cobj::MakeShared<ClusterBarrier>(static_cast<std::uint32_t>(parameter))).bits();
  }
  return Status::kInvalidArgument;
}

Result<cobj::RefBits> ObjectClasses::Import(GlobalNode& node, ObjectClass kind, LinkPeer home,
                                            GlobalId id) {
  switch (kind) {
    case ObjectClass::kCounter:
      return TRY(ImportGlobal<RemoteClusterCounter>(node, home, id)).bits();
    case ObjectClass::kBarrier:
      return TRY(ImportGlobal<RemoteClusterBarrier>(node, home, id)).bits();
  }
  return Status::kInvalidArgument;
}

Result<std::uint64_t> ObjectClasses::NextVersion(ObjectClass kind, std::uint64_t deadline_ns) {
  constexpr std::uint64_t kPauseNs = 1'000'000;
  if (kind != ObjectClass::kCounter)
    return Status::kNotSupported;
  const std::uint32_t version = counters_.version() + 1;
  const auto left = counters_.Update({version, version % 2 == 1 ? shared_code_ : &partial_code_});
  if (left.status() == Status::kVersionMismatch)
    return Status::kBusy;  // somebody else's update was faster
  std::uint64_t outdated = TRY(left);
  while (outdated != 0) {
    if (machine::MonotonicNs() >= deadline_ns)
      return Status::kTimedOut;
    Pause(kPauseNs);
    outdated = TRY(counters_.Retry());
  }
  return version;
}

}  // namespace k42::global
