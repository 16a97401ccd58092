// One seeded run of three nodes over the loopback transport: every kind of operation, cuts, breaks,
// repeated and late messages, windows revoked, nodes fenced and back as new incarnations. All the
// while the contract (interconnect/transport.h) is held against a model:
//
//   messages   arrive at most once and in order; Done: exactly once; NotSent: never; Unknown: once
//              or not; never at a node that has removed the sender
//   puts       Done: all bytes there; NotSent: none; Unknown: each 64 bytes old or new; nothing
//              lands once the window is revoked or the sender fenced
//   notifies   at most once, after their data
//   gets       Done: what was there; after any end the local memory is the submitter's
//   fetch-add  no value is handed out twice; the sum lies between what is Done and what may be
//   swap       a lock made of compare-and-swap has one holder
//   endings    one for each request
//
// A put slot is (target, sender, index) and has one operation at a time; after Unknown it rests
// until nothing can be under way any more.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "interconnect/loopback_transport.h"
#include "unit/interconnect/test_fabric.h"

namespace k42::interconnect {

// A defect to put in, so that a run shows it.
enum class Mutation : std::uint8_t { kNone, kNoFence, kNoDeduplication, kPutForSwap };

class FabricSchedule {
 public:
  FabricSchedule(std::uint64_t seed, Mutation mutation);
  ~FabricSchedule();
  // The first clause that was broken, empty: none.
  std::string Run();

 private:
  static constexpr std::uint32_t kNodes = 3;
  static constexpr std::uint32_t kSlots = 8;
  static constexpr std::uint32_t kSlotSize = 192;
  static constexpr std::uint32_t kMoves = 400;
  static constexpr std::uint64_t kMaxDelayNs = 100'000;
  using Bytes192 = std::array<std::byte, kSlotSize>;

  struct Slot {
    bool busy = false;
    std::uint64_t rests_until_ns = 0;
  };
  // What a target's put slot must hold.
  struct PutSlot {
    Bytes192 settled{};
    std::uint64_t token = 0;  // the put that is under way, or was when its endpoint broke; 0: none
  };
  enum class LockState : std::uint8_t {
    kIdle,
    kTaking,
    kStoring,
    kHeld,
    kReleasing,
    kUnsure,
    kRecovering
  };
  struct Node;
  struct Op {
    Request request;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    std::uint32_t slot = 0;
    std::uint64_t bond = 0;        // of the two, at submission
    std::uint64_t area_epoch = 0;  // the target's
    std::uint64_t order = 0;       // of a message on its way
    bool for_lock = false;
    bool ended = false;
    Outcome outcome = Outcome::kNone;
    std::uint32_t arrived = 0;
  };

  std::uint64_t Random(std::uint64_t below) { return random_() % below; }
  std::uint64_t Bond(std::uint32_t a, std::uint32_t b) const;
  void Fail(const std::string& what, std::uint64_t token = 0);
  void Join(std::uint32_t number, std::uint64_t incarnation);
  void Submit(std::uint32_t from, Op op);
  void Operate();
  void OperateOn(std::uint32_t from, std::uint32_t to, std::uint32_t slot);
  void MoveLock(std::uint32_t number);
  void SwapLock(std::uint32_t number, std::uint64_t compare, std::uint64_t value);
  void LockEnded(std::uint32_t number, const Completion& completion);
  void Rejoin(std::uint32_t number);
  void Revoke(std::uint32_t number);
  void Revoked(std::uint32_t number);
  void OpenPutWindow(std::uint32_t number);
  void WipeArea(std::uint32_t target, std::uint32_t sender);
  void Move();
  void Drain();
  void CheckPutSlots();
  void CheckEnd();

  void OnMessage(std::uint32_t at, PeerId from, abi::Channel channel, std::uint32_t cpu,
                 std::span<const std::byte> message);
  void OnNotify(std::uint32_t at, PeerId from, std::uint64_t word);
  void OnCompletion(std::uint32_t at, const Completion& completion);
  void EndPut(Op& op);
  void EndGet(Op& op);

  Mutation mutation_;
  std::mt19937_64 random_;
  ManualClock clock_;
  LoopbackFabric fabric_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Op> ops_;                             // by token; 0 is none
  std::map<std::uint64_t, std::uint32_t> revokes_;  // token -> node
  std::map<std::array<std::uint64_t, 4>, std::uint64_t> last_order_;
  std::set<std::uint64_t> added_values_;
  std::uint64_t added_ = 0;
  std::uint64_t maybe_added_ = 0;
  int lock_holder_ = -1;
  std::string broken_;
};

}  // namespace k42::interconnect
