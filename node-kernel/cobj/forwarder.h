// Forwarder<I>: stands in for an object and passes its calls on. Generated per interface
// (foo.forward.h).
//
// It asks a ForwardPolicy whom to call; between the policy's Enter and Leave the call is *inside*,
// and a record of it is on the stack, linked into the thread. So a policy can recognise a thread
// that is already inside (recursion), and a debugger can list who is inside what (counted calls).
// Hot swap, interposition and version adaptors are policies.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "machine/thread.h"

namespace k42::cobj {

class ForwardPolicy;

// On the stack of each forwarded call.
struct ForwardRecord {
  ForwardRecord* outer = nullptr;         // the thread's next older one
  const ForwardPolicy* policy = nullptr;  // null: the call is not counted
  std::uint32_t method = 0;
  bool counted = true;  // the policy wants to hear of the end
};

class ForwardPolicy {
 public:
  // The object to call, or an error, which becomes the call's result. May block.
  virtual Result<void*> Enter(ForwardRecord& record) = 0;
  // After a call that Enter gave an object for, unless it set record.counted to false: then the
  // policy may be gone by the end of the call.
  virtual void Leave(const ForwardRecord& record) = 0;

  // Is the current thread inside this policy already, by a call that it counts?
  bool ThreadIsInside() const {
    const auto* record =
        static_cast<ForwardRecord*>(machine::Thread::Current()->context().forward_records);
    for (; record != nullptr; record = record->outer)
      if (record->policy == this)
        return true;
    return false;
  }

 protected:
  ~ForwardPolicy() = default;
};

// One call through a forwarder: inside from construction to destruction.
class ForwardedCall {
 public:
  ForwardedCall(ForwardPolicy& policy, std::uint32_t method) : policy_(policy) {
    machine::Thread::BecomeActive();  // Enter may block, and others may be gone afterwards
    record_.policy = &policy;
    record_.method = method;
    const Result<void*> object = policy.Enter(record_);
    status_ = object.status();
    if (status_ != Status::kOk)
      return;
    object_ = object.value();
    // The policy may go before the call ends, and another come to its address.
    if (!record_.counted)
      record_.policy = nullptr;
    auto& newest = machine::Thread::Current()->context().forward_records;
    record_.outer = static_cast<ForwardRecord*>(newest);
    newest = &record_;
  }
  ~ForwardedCall() {
    if (status_ != Status::kOk)
      return;
    machine::Thread::Current()->context().forward_records = record_.outer;
    if (record_.counted)
      policy_.Leave(record_);
  }
  ForwardedCall(const ForwardedCall&) = delete;
  ForwardedCall& operator=(const ForwardedCall&) = delete;

  Status status() const { return status_; }
  template <typename I>
  I* object() const {
    return static_cast<I*>(object_);
  }

 private:
  ForwardPolicy& policy_;
  Status status_;
  void* object_ = nullptr;
  ForwardRecord record_;
};

// Specialized in each interface's generated foo.forward.h.
template <typename I>
class Forwarder;

}  // namespace k42::cobj
