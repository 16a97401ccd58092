#include <stdlib.h>
#include <unistd.h>

#include "interconnect/fault_transport.h"
#include "interconnect/loopback_transport.h"
#include "interconnect/mapped_transport.h"
#include "interconnect/ucx_transport.h"
#include "unit/interconnect/test_fabric.h"

namespace k42::interconnect {
namespace {

class LoopbackKind : public Kind {
 public:
  std::unique_ptr<Transport> Make(TestNode& node) override {
    return std::make_unique<LoopbackTransport>(fabric_, node.identity, *node.arena, node.recorder);
  }
  const Clock& clock() const override { return clock_; }
  void PassTime() override { clock_.Advance(20'000); }

 private:
  ManualClock clock_;
  LoopbackFabric fabric_{7, Faults{}, clock_};
};

// The loopback behind the operators' faults: every request is delayed by some time more.
class DelayedKind : public Kind {
 public:
  std::unique_ptr<Transport> Make(TestNode& node) override {
    auto made = FaultTransport::Around(node.recorder, clock_, 7, [&](Events& events) {
      return std::make_unique<LoopbackTransport>(fabric_, node.identity, *node.arena, events);
    });
    constexpr std::uint32_t kNodes = 4;
    for (std::uint32_t peer = 1; peer <= kNodes; ++peer) made->Delay(peer, 50'000);
    return made;
  }
  const Clock& clock() const override { return clock_; }
  void PassTime() override { clock_.Advance(20'000); }

 private:
  ManualClock clock_;
  LoopbackFabric fabric_{7, Faults{}, clock_};
};

// Real time: give the kernel's sockets a moment.
class RealKind : public Kind {
 public:
  const Clock& clock() const override { return clock_; }
  void PassTime() override { usleep(10); }

 protected:
  MonotonicClock clock_;
};

class MappedKind : public RealKind {
 public:
  MappedKind() {
    char name[] = "/tmp/k42-mapped-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~MappedKind() override {
    for (const std::string& path : paths_) unlink(path.c_str());
    rmdir(folder_.c_str());
  }
  std::unique_ptr<Transport> Make(TestNode& node) override {
    paths_.push_back(folder_ + "/" + node.id().Text());
    return MappedTransport::Create(node.identity, *node.arena, paths_.back(), node.recorder,
                                   clock_);
  }

 private:
  std::string folder_;
  std::vector<std::string> paths_;
};

class UcxKind : public RealKind {
 public:
  std::unique_ptr<Transport> Make(TestNode& node) override {
    std::string error;
    auto transport =
        UcxTransport::Create(node.identity, *node.arena, {.transports = "tcp", .net_devices = "lo"},
                             node.recorder, clock_, &error);
    EXPECT_NE(transport, nullptr) << error;
    return transport;
  }
};

}  // namespace

std::unique_ptr<Kind> MakeUcxKind() {
  return std::make_unique<UcxKind>();
}
std::unique_ptr<Kind> MakeLoopbackKind() {
  return std::make_unique<LoopbackKind>();
}
std::unique_ptr<Kind> MakeDelayedKind() {
  return std::make_unique<DelayedKind>();
}
std::unique_ptr<Kind> MakeMappedKind() {
  return std::make_unique<MappedKind>();
}

}  // namespace k42::interconnect
