// Whose the operations of a CPU are: a peer that answers nothing must not come to hold all of them.
//
// A lane is a peer, or the own daemon, or all revocations together (they wait for all peers). The
// last kForFirst free operations are for lanes that hold none. Of the others a lane may take one
// more while it holds less than twice what would be left of them: 32 if it is alone, ever less the
// more lanes hold some. So if n lanes' operations never end, one that comes then still gets one,
// for n up to 19, whichever way those filled themselves; beyond that it waits for one of their
// ends.
//
// What finds no room waits, in order within its lane; the lanes take turns. Owner's lock: one
// CPU's.
#pragma once

#include <bit>
#include <cstdint>

#include "abi/link_control.h"
#include "base/bitmap.h"
#include "base/intrusive_queue.h"
#include "global/link_request.h"

namespace k42::global {

class LinkLanes {
 public:
  constexpr LinkLanes() = default;

  using Lane = std::uint8_t;
  static Lane Of(const LinkRequest& request) {
    if (request.kind == abi::OperationKind::kRevokeWindow)
      return kRevocations;
    return request.peer.node <= abi::kMaxNode ? static_cast<Lane>(request.peer.node) : kDaemon;
  }

  // May a request that comes now to that lane be issued? If not, it has to Wait.
  bool MayIssue(Lane lane) const {
    return HasRoom(lane) && (lanes_waiting_ == 0 || waiting_[lane].empty());
  }
  void Wait(Lane lane, LinkRequest& request);
  // Of those that wait, the next that may be issued now; null: none.
  LinkRequest* TakeNext() { return lanes_waiting_ == 0 ? nullptr : TakeNextWaiting(); }

  // An operation for the lane, which has room; the operation has ended.
  std::uint32_t Take(Lane lane) {
    const auto operation = static_cast<std::uint32_t>(std::countr_zero(free_));
    free_ &= free_ - 1;
    --free_count_;
    ++held_[lane];
    lane_of_[operation] = lane;
    return operation;
  }
  void Give(std::uint32_t operation) {
    free_ |= std::uint64_t{1} << operation;
    ++free_count_;
    --held_[lane_of_[operation]];
  }

  // Has the lane come so far that what it waits for should be heard of at once? Always before it
  // has to wait.
  bool Scarce(Lane lane) const { return held_[lane] >= Spare(); }

 private:
  static constexpr Lane kDaemon = 0;  // nodes are numbered from 1
  static constexpr Lane kRevocations = abi::kMaxNode + 1;
  static constexpr std::uint32_t kLanes = kRevocations + 1;
  static_assert(kLanes <= 256);
  static_assert(abi::kOperationsPerCpu == 64, "one word of free operations");

  static constexpr std::uint32_t kForFirst = 16;

  LinkRequest* TakeNextWaiting();

  std::uint32_t Spare() const { return free_count_ > kForFirst ? free_count_ - kForFirst : 0; }
  bool HasRoom(Lane lane) const {
    return held_[lane] == 0 ? free_count_ != 0 : held_[lane] < 2 * Spare();
  }

  std::uint64_t free_ = ~std::uint64_t{0};
  std::uint32_t free_count_ = abi::kOperationsPerCpu;
  std::uint32_t lanes_waiting_ = 0;
  Lane turn_ = 0;  // the last that had its
  Lane lane_of_[abi::kOperationsPerCpu] = {};
  std::uint8_t held_[kLanes] = {};
  Bitmap<kLanes> waits_;
  IntrusiveQueue<LinkRequest> waiting_[kLanes];
};

}  // namespace k42::global
