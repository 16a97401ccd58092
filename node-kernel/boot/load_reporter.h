// Tells the daemon about once a second how busy the node is (abi::LoadReport): dispatchers that
// want to run, as a decaying mean over a second or so, and memory. Placement decides by it.
//
// One report is under way at a time, in memory of its own: while no daemon listens nothing piles
// up.
#pragma once

#include "abi/link_control.h"
#include "global/link_port.h"
#include "machine/timer.h"
#include "mem/frame_allocator.h"

namespace k42::boot {

class LoadReporter {
 public:
  constexpr explicit LoadReporter(global::LinkPort& port) : port_(port) {}

  // With the link started, on CPU 0. What it reads outlives it.
  void Start(const mem::FrameAllocator& frames);

 private:
  static void OnTimer(void* reporter);
  static void Sent(global::LinkRequest& request);
  void Sample();
  void Send();

  struct Report : global::LinkRequest {
    LoadReporter* reporter = nullptr;
  };

  global::LinkPort& port_;
  const mem::FrameAllocator* frames_ = nullptr;
  machine::Timer timer_;
  std::uint32_t samples_ = 0;
  std::uint64_t mean_x1600_ = 0;  // runnable dispatchers, in 1600ths
  bool under_way_ = false;
  Report report_;
  abi::LoadReport words_{};
};

}  // namespace k42::boot
