// The transport contract. Everything above it (link, calls, streams) relies on these words and on
// nothing else; tests/unit/interconnect holds every transport to them.
//
// ENDPOINTS. A transport reaches peers (node, incarnation) that AddPeer has named, in each
// direction by an endpoint of its own, which it opens when the first operation needs it. Before
// anything else passes, both ends prove that they know each other's secret (handshake.h).
// Operations submitted meanwhile wait, at most kMaxWaiting of them.
//
// ORDER. Per endpoint and channel, messages arrive in the order of their submission, each at most
// once, none left out before a later one, as long as the endpoint is up. When an endpoint has
// broken and a new one to the same peer is up, what was lost stays lost: there is no silent
// resending, and nothing of the broken one, message or memory operation, arrives any more.
//
// ENDING. Every submitted request ends by exactly one OnCompletion, possibly inside Submit:
//   kDone      it happened. A put: visible to the peer's CPUs. A message: it left in order; that it
//              was *processed* is only proven by an answer.
//   kNotSent   it certainly did not happen; `status` says why.
//   kUnknown   it may or may not have happened: the endpoint broke under it.
// Until then its local memory belongs to the transport.
//
// DEADLINES end a wait, not a transfer: a request not yet sent at its deadline ends as
// kNotSent/kTimedOut; one under way goes on, its memory stays the transport's, until it completes
// or the peer is removed. (Who waits for it stops waiting by its own clock.)
//
// MEMORY. A request names local memory by its offset in the own arena, and the peer's by window and
// offset; ranges, access and generation of the window are checked before a byte moves (kRevoked,
// kPermissionDenied, kOutOfRange: kNotSent). Puts and gets may tear at 64 bytes and may pass each
// other; kPutNotify's word arrives after its data is visible; kFlush ends when all earlier puts and
// atomics to that peer are visible. Atomics are atomic among all nodes and with the peer's own
// CPUs.
//
// CLOSING. RemovePeer is the fence: when it returns, every request to that peer has ended and
// nothing more from it reaches Events. RevokeWindow ends as kDone when no transfer into the window
// is under way or can start; as kUnknown when a peer that may still have the memory has not said so
// (the kernel then quarantines it).
//
// THREADS. One thread calls everything; events are delivered inside Submit, RemovePeer and
// Progress. To sleep: Arm(); if true, wait for WaitFd() to become readable (or for NextTimer()),
// then Progress.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "abi/arena.h"
#include "abi/link_operation.h"
#include "base/status.h"
#include "interconnect/identity.h"

namespace k42::interconnect {

using abi::OperationKind;
using abi::Outcome;
using Token = std::uint64_t;  // the submitter's own name for a request

inline constexpr std::size_t kMaxWaiting = 1024;  // requests waiting for one endpoint to open

struct Request {
  Token token = 0;
  PeerId peer;
  OperationKind kind = OperationKind::kSend;
  abi::Channel channel = abi::Channel::kCall;  // kSend, kPutNotify: who is told there
  std::uint32_t receiver_cpu = 0;              // kSend, kPutNotify
  std::uint64_t local_offset = 0;              // kSend, kPut, kPutNotify, kGet
  std::uint32_t length = 0;
  abi::WindowId window = 0;  // all but kSend, kFlush
  std::uint64_t remote_offset = 0;
  std::uint64_t operand = 0;  // atomics; kPutNotify's word
  std::uint64_t compare = 0;
  std::uint64_t deadline_ns = 0;  // monotonic clock; 0: none
};

struct Completion {
  Token token = 0;
  Outcome outcome = Outcome::kNone;
  Status status = Status::kOk;
  std::uint64_t value = 0;  // atomics: what was there before
};

class Events {
 public:
  virtual ~Events() = default;
  // `message` is valid during the call only.
  virtual void OnMessage(PeerId from, abi::Channel channel, std::uint32_t receiver_cpu,
                         std::span<const std::byte> message) = 0;
  virtual void OnNotify(PeerId from, abi::Channel channel, std::uint32_t receiver_cpu,
                        std::uint64_t word) = 0;
  virtual void OnCompletion(const Completion& completion) = 0;
  // An endpoint, in whatever direction, broke; requests under way have ended before this.
  virtual void OnPeerDown(PeerId peer, Status why) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual std::string_view Name() const = 0;
  // What peers need in PeerInfo::address.
  virtual std::string LocalAddress() const = 0;

  // Who we are in this life; before the first AddPeer. Addresses do not depend on it.
  virtual void SetIdentity(const LocalIdentity& self) = 0;
  virtual void AddPeer(const PeerInfo& peer) = 0;
  virtual void RemovePeer(PeerId peer, Status why) = 0;

  // kinds kSend .. kFlush
  virtual void Submit(const Request& request) = 0;
  virtual void RevokeWindow(Token token, abi::WindowId window) = 0;

  // Moves things on; returns how many events it delivered.
  virtual std::size_t Progress() = 0;
  virtual int WaitFd() const = 0;
  // False: there is work, call Progress instead of sleeping.
  virtual bool Arm() = 0;
  // Monotonic time at which Progress wants to be called even without an event; 0: never.
  virtual std::uint64_t NextTimer() const = 0;
};

}  // namespace k42::interconnect
