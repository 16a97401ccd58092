#include "global/link_lanes.h"

namespace k42::global {

void LinkLanes::Wait(Lane lane, LinkRequest& request) {
  if (waiting_[lane].empty()) {
    waits_.Set(lane);
    ++lanes_waiting_;
  }
  waiting_[lane].PushBack(&request);
}

LinkRequest* LinkLanes::TakeNextWaiting() {
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

}  // namespace k42::global
