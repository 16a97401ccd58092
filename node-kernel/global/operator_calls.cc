#include "global/operator_calls.h"

#include <algorithm>
#include <cstring>

#include "global/cluster_barrier.h"
#include "global/cluster_counter.wire.h"
#include "global/forwarding.h"

namespace k42::global {

using abi::ControlKind;

// A request, copied, until it is answered.
struct OperatorCalls::Job : ipc::Work {
  OperatorCalls* owner = nullptr;
  ControlKind kind{};
  std::uint64_t number = 0;
  abi::ObjectRequest object{};
  abi::PingRequest ping{};
  char name[kObjectNameMax];
};

void OperatorCalls::OnControl(ControlKind kind, std::uint64_t number, Bytes payload) {
  const auto refuse = [&](Status why) {
    if (kind == ControlKind::kPingRequest) {
      const abi::PingAnswer answer{static_cast<std::int64_t>(why), 0, 0, 0};
      (void)control_.Send(ControlKind::kPingAnswer, number, BytesOf(answer));
    } else {
      const abi::ObjectAnswer answer{static_cast<std::int64_t>(why), 0};
      (void)control_.Send(ControlKind::kObjectAnswer, number, BytesOf(answer));
    }
  };
  if (jobs_ >= kMaxCalls)
    return refuse(Status::kBusy);
  const auto made = allocator_.Make<Job>();
  if (!made.ok())
    return refuse(made.status());
  Job& job = *made.value();
  job.owner = this;
  job.kind = kind;
  job.number = number;
  bool fine = false;
  if (kind == ControlKind::kPingRequest) {
    fine = payload.size() == sizeof job.ping;
    if (fine)
      std::memcpy(&job.ping, payload.data(), sizeof job.ping);
  } else if (const auto head = ReadAt<abi::ObjectRequest>(payload, 0); head.ok()) {
    job.object = head.value();
    const std::size_t size = payload.size() - sizeof job.object;
    fine = size == job.object.name_size && size <= sizeof job.name;
    if (fine)
      std::memcpy(job.name, payload.data() + sizeof job.object, size);
  }
  job.run = Run;
  ++jobs_;
  const Status status = fine ? ipc::WorkerPool::Here().Submit(&job) : Status::kInvalidArgument;
  if (status != Status::kOk) {
    --jobs_;
    allocator_.Destroy(&job);
    refuse(status);
  }
}

void OperatorCalls::Run(ipc::Work* work) {
  auto* job = static_cast<Job*>(work);
  OperatorCalls& self = *job->owner;
  if (job->kind == ControlKind::kPingRequest) {
    abi::PingAnswer answer{};
    answer.status = static_cast<std::int64_t>(self.Ping(job->ping, &answer));
    (void)self.control_.Send(ControlKind::kPingAnswer, job->number, BytesOf(answer));
  } else {
    const abi::ObjectAnswer answer =
        self.Serve(job->object, std::string_view(job->name, job->object.name_size));
    (void)self.control_.Send(ControlKind::kObjectAnswer, job->number, BytesOf(answer));
  }
  --self.jobs_;
  self.allocator_.Destroy(job);
}

// -- objects --------------------------------------------------------------------------------------

abi::ObjectAnswer OperatorCalls::Serve(const abi::ObjectRequest& request, std::string_view name) {
  const auto done = Act(request, static_cast<ObjectClass>(request.kind), name);
  return {static_cast<std::int64_t>(done.status()), done.ValueOr(0)};
}

Result<std::uint64_t> OperatorCalls::Act(const abi::ObjectRequest& request, ObjectClass kind,
                                         std::string_view name) {
  const std::uint64_t deadline = machine::MonotonicNs() + request.budget_ns;
  const auto counter = [&]() -> Result<cobj::Ref<IClusterCounter>> {
    if (kind != ObjectClass::kCounter)
      return Status::kInvalidArgument;
    return cobj::Ref<IClusterCounter>::FromBits(TRY(directory_.Open(kind, name, deadline)));
  };
  const auto barrier = [&]() -> Result<cobj::Ref<IClusterBarrier>> {
    if (kind != ObjectClass::kBarrier || request.argument >= ClusterBarrier::kMaxParties)
      return Status::kInvalidArgument;
    return cobj::Ref<IClusterBarrier>::FromBits(TRY(directory_.Open(kind, name, deadline)));
  };
  const auto member = static_cast<std::uint32_t>(request.argument);
  switch (request.action) {
    case abi::ObjectAction::kMake:
      TRY(directory_.Make(kind, name, request.argument, deadline));
      return std::uint64_t{0};
    case abi::ObjectAction::kRemove:
      TRY(directory_.Remove(kind, name, deadline));
      return std::uint64_t{0};
    case abi::ObjectAction::kSwap:
      return directory_.Swap(kind, name, deadline);
    case abi::ObjectAction::kAdd:
      return TRY(counter())->Add(request.argument);
    case abi::ObjectAction::kRead:
      return TRY(counter())->Read();
    case abi::ObjectAction::kArrive:
      return TRY(barrier())->Arrive(member);
    case abi::ObjectAction::kWait: {
      const auto meeting = TRY(barrier());
      TRY(WaitAtBarrier(meeting, member, deadline));
      return std::uint64_t{0};
    }
  }
  return Status::kNotSupported;
}

// -- round trips ----------------------------------------------------------------------------------

Status OperatorCalls::Ping(const abi::PingRequest& request, abi::PingAnswer* answer) {
  const bool daemon = request.node == 0;
  const LinkPeer peer = daemon ? LinkPeer{abi::kDaemonNode, 0} : view_.Member(request.node);
  const bool call = request.way == abi::PingWay::kCall;
  const bool memory = request.way == abi::PingWay::kPut || request.way == abi::PingWay::kStore ||
                      request.way == abi::PingWay::kLoad || request.way == abi::PingWay::kStream;
  const std::size_t most = memory ? abi::kPingPutMax : abi::kMaxMessage - sizeof(abi::Frame);
  if (request.count == 0 || request.count > abi::kPingCountMax || ((call || memory) && daemon) ||
      request.size > most)
    return Status::kInvalidArgument;
  if (!daemon && peer.incarnation == 0)
    return Status::kNotInView;
  const std::size_t times_size = request.count * sizeof(std::uint64_t);
  auto* times =
      static_cast<std::uint64_t*>(allocator_.Allocate(times_size, alignof(std::uint64_t)));
  auto* payload = static_cast<std::byte*>(allocator_.Allocate(abi::kMaxMessage, 8));
  cobj::Ref<IClusterCounter> counter;
  const std::uint64_t deadline = machine::MonotonicNs() + request.budget_ns;
  const auto measure = [&]() -> Status {
    if (times == nullptr || payload == nullptr)
      return Status::kNoMemory;
    std::memset(payload, 0x42, abi::kMaxMessage);
    if (call)
      counter = TRY(ImportGlobal<RemoteClusterCounter>(
          node_, peer, WellKnownId(peer, WellKnown::kTestCounter), request.budget_ns));
    for (std::uint32_t i = 0; i < request.count; ++i) {
      const std::uint64_t begin = machine::MonotonicNs();
      if (begin >= deadline)
        return Status::kTimedOut;
      if (call) {
        TRY(counter->Read());
        times[i] = machine::MonotonicNs() - begin;
      } else if (request.way == abi::PingWay::kPut) {
        times[i] = TRY(echo_.puts().Ping(peer, request.size, deadline - begin));
      } else if (request.way == abi::PingWay::kStore) {
        times[i] = TRY(echo_.puts().Store(peer, request.size, deadline - begin));
      } else if (request.way == abi::PingWay::kLoad) {
        times[i] = TRY(echo_.puts().Load(peer, request.size, deadline - begin));
      } else if (request.way == abi::PingWay::kStream) {
        times[i] = TRY(echo_.puts().Stream(peer, request.size, deadline - begin));
      } else {
        times[i] = TRY(echo_.Ping(peer, {payload, request.size}, deadline - begin));
      }
    }
    std::sort(times, times + request.count);
    answer->least_ns = times[0];
    answer->median_ns = times[request.count / 2];
    answer->most_ns = times[request.count - 1];
    return Status::kOk;
  };
  const Status status = measure();
  if (counter)
    (void)cobj::Destroy(counter);
  if (times != nullptr)
    allocator_.Free(times, times_size);
  if (payload != nullptr)
    allocator_.Free(payload, abi::kMaxMessage);
  return status;
}

}  // namespace k42::global
