#include "global/link_lanes.h"

#include <bit>

namespace k42::global {

void LinkLanes::Wait(Lane lane, LinkRequest& request) {
  if (waiting_[lane].empty()) {
    waits_.Set(lane);
    ++lanes_waiting_;
  }
  waiting_[lane].PushBack(&request);
}

LinkRequest* LinkLanes::TakeNext() {
  std::size_t lane = turn_;
  for (std::uint32_t left = lanes_waiting_; left != 0; --left) {
    lane = waits_.FindSet(lane + 1);
    if (lane == waits_.kNone)
      lane = waits_.FindSet();
    if (!HasRoom(static_cast<Lane>(lane)))
      continue;
    turn_ = static_cast<Lane>(lane);
    LinkRequest* request = waiting_[lane].PopFront();
    if (waiting_[lane].empty()) {
      waits_.Clear(lane);
      --lanes_waiting_;
    }
    return request;
  }
  return nullptr;
}

std::uint32_t LinkLanes::Take(Lane lane) {
  const auto operation = static_cast<std::uint32_t>(std::countr_zero(free_));
  free_ &= free_ - 1;
  --free_count_;
  ++held_[lane];
  lane_of_[operation] = lane;
  return operation;
}

void LinkLanes::Give(std::uint32_t operation) {
  free_ |= std::uint64_t{1} << operation;
  ++free_count_;
  --held_[lane_of_[operation]];
}

}  // namespace k42::global
