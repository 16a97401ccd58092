// Marker: has every thread that was active when it was set become inactive? Set, then ask, or be
// called back. Of one CPU or of the whole node.
#pragma once

#include <atomic>

#include "cobj/object_system.h"

namespace k42::cobj {

class Marker {
 public:
  enum class Scope { kCpu, kNode };

  Marker() = default;
  Marker(const Marker&) = delete;
  Marker& operator=(const Marker&) = delete;

  // Not while an earlier mark is pending.
  void Set(Scope scope) {
    elapsed_.store(false, std::memory_order_relaxed);
    wait_.marker = this;
    wait_.done = [](GraceWait* wait) {
      static_cast<Wait*>(wait)->marker->elapsed_.store(true, std::memory_order_release);
    };
    if (scope == Scope::kCpu)
      node_objects->grace().AfterLocal(&wait_);
    else
      node_objects->grace().AfterGlobal(&wait_);
  }
  bool elapsed() const { return elapsed_.load(std::memory_order_acquire); }

 private:
  struct Wait : GraceWait {
    Marker* marker = nullptr;
  };
  Wait wait_;
  std::atomic<bool> elapsed_{true};
};

}  // namespace k42::cobj
