// Call: one call under way to an object on another node. Lives on the stack of whoever waits for
// it.
//
// States: idle -> under way -> ended. Ends exactly once, by its deadline at the latest, as:
//   Done      status() and reply are the callee's
//   NotSent   kEndpointDown, kNodeDead...: the callee has not executed it and never will
//   Unknown   kUnknown or kTimedOut: it may have been executed, at most once
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/intrusive_list.h"
#include "global/global_id.h"
#include "global/link_request.h"

namespace k42::global {

enum class CallEnd : std::uint8_t { kNone, kDone, kNotSent, kUnknown };

struct Call : ListLink<> {
  // -- the caller fills in --
  LinkPeer home;
  GlobalId object;
  std::uint32_t method = 0;
  std::uint64_t class_digest = 0;
  std::uint64_t deadline_ns = 0;
  Bytes request;
  std::span<std::byte> reply;
  void (*done)(Call&) = nullptr;  // at the end, from the call layer's step
  void* waiter = nullptr;         // the caller's own

  // -- the end --
  CallEnd end = CallEnd::kNone;
  Status status = Status::kOk;
  std::size_t reply_size = 0;

  // -- the call layer's --
  std::uint64_t sequence = 0;
  std::uint64_t next_send_ns = 0;
  bool sent = false;  // at least once: the callee may have it
};

}  // namespace k42::global
