// The forwarding kind of global object: the local rep turns each call into a message to the home.
//
//   const auto counter = TRY(ImportGlobal<RemoteClusterCounter>(node, home, id));   // a Ref as any
//   other TRY(counter->Add(1));
//
// Errors of the way are results like the object's own: kEndpointDown and kNodeDead (not executed),
// kUnknown and kTimedOut (it may have been executed).
#pragma once

#include <cstdint>

#include "cobj/make.h"
#include "cobj/may_block.h"
#include "cobj/wire.h"
#include "global/global_node.h"
#include "machine/clock.h"

namespace k42::global {

inline constexpr std::uint64_t kCallBudgetNs = 2'000'000'000;

// One object elsewhere, as its sending rep sees it.
class RemoteObject final : public cobj::RemoteTarget {
 public:
  RemoteObject(GlobalNode& node, LinkPeer home, GlobalId id, std::uint64_t class_digest,
               std::uint64_t budget_ns)
      : node_(node), home_(home), id_(id), class_digest_(class_digest), budget_ns_(budget_ns) {}

  Result<std::size_t> Call(std::uint32_t method, Bytes request, MutableBytes reply) override {
    // Of a user's call: again from the start, on a thread that may wait.
    TRY(cobj::MayBlock());
    global::Call call;
    call.home = home_;
    call.object = id_;
    call.method = method;
    call.class_digest = class_digest_;
    call.deadline_ns = machine::MonotonicNs() + budget_ns_;
    call.request = request;
    call.reply = reply;
    node_.RunCall(call);
    if (call.end != CallEnd::kDone)
      return call.status;
    return call.reply_size;
  }

 private:
  GlobalNode& node_;
  const LinkPeer home_;
  const GlobalId id_;
  const std::uint64_t class_digest_;
  const std::uint64_t budget_ns_;
};

// Remote is the generated sending rep (RemoteFoo); one for all CPUs, since it has no state.
template <typename Remote>
class ForwardingRoot final : public cobj::Root {
 public:
  using Interface = typename Remote::Interface;

  ForwardingRoot(GlobalNode& node, LinkPeer home, GlobalId id, std::uint64_t budget_ns)
      : object_(node, home, id, Remote::kClassDigest.Short(), budget_ns), rep_(object_) {}

  Result<void*> ObjectFor(machine::CpuId) override { return static_cast<Interface*>(&rep_); }
  void Dispose(Allocator& allocator) override { allocator.Destroy(this); }
  void Publishing(cobj::Ref<Interface>) {}

 private:
  RemoteObject object_;
  Remote rep_;
};

template <typename Remote>
Result<cobj::Ref<typename Remote::Interface>> ImportGlobal(
    GlobalNode& node, LinkPeer home, GlobalId id, std::uint64_t budget_ns = kCallBudgetNs) {
  return cobj::PublishRoot(
      TRY(cobj::node_objects->allocator().Make<ForwardingRoot<Remote>>(node, home, id, budget_ns)));
}

}  // namespace k42::global
