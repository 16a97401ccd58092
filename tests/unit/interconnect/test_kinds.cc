#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "interconnect/fault_transport.h"
#include "interconnect/loopback_transport.h"
#include "interconnect/mapped_transport.h"
#include "interconnect/ucx_transport.h"
#include "unit/interconnect/test_kinds.h"

namespace k42::interconnect {
namespace {

class ManualKind : public Kind {
 public:
  const Clock& clock() const override { return clock_; }
  void PassTime() override { clock_.Advance(20'000); }
  std::uint64_t PatienceNs() const override { return 400'000'000; }

 protected:
  ManualClock clock_;
  LoopbackFabric fabric_{7, Faults{}, clock_};
};

class LoopbackKind : public ManualKind {
 public:
  std::unique_ptr<Transport> Make(LocalNode& node) override {
    return std::make_unique<LoopbackTransport>(fabric_, node.identity, *node.arena, node.recorder);
  }
};

// The loopback behind the operators' faults: every request is delayed by some time more.
class DelayedKind : public ManualKind {
 public:
  std::unique_ptr<Transport> Make(LocalNode& node) override {
    auto made = FaultTransport::Around(node.recorder, clock_, 7, [&](Events& events) {
      return std::make_unique<LoopbackTransport>(fabric_, node.identity, *node.arena, events);
    });
    constexpr std::uint32_t kNodes = 4;
    for (std::uint32_t peer = 1; peer <= kNodes; ++peer) made->Delay(peer, 50'000);
    return made;
  }
};

// Real time: give the kernel's sockets a moment, and a busy machine some seconds.
class RealKind : public Kind {
 public:
  const Clock& clock() const override { return clock_; }
  void PassTime() override { usleep(10); }
  std::uint64_t PatienceNs() const override { return 20'000'000'000; }

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
  std::unique_ptr<Transport> Make(LocalNode& node) override {
    paths_.push_back(folder_ + "/" + node.id().Text());
    return MappedTransport::Create(node.identity, *node.arena, paths_.back(), node.recorder,
                                   clock_);
  }
  bool OneSided() const override { return true; }

 private:
  std::string folder_;
  std::vector<std::string> paths_;
};

class UcxKind : public RealKind {
 public:
  UcxKind(UcxOptions options, bool one_sided)
      : options_(std::move(options)), one_sided_(one_sided) {}
  std::unique_ptr<Transport> Make(LocalNode& node) override {
    std::string error;
    auto transport =
        UcxTransport::Create(node.identity, *node.arena, options_, node.recorder, clock_, &error);
    EXPECT_NE(transport, nullptr) << error;
    return transport;
  }
  // Emulated, with an emulated NIC's timeouts of seconds.
  std::uint64_t PatienceNs() const override {
    return one_sided_ ? 60'000'000'000 : RealKind::PatienceNs();
  }
  bool OneSided() const override { return one_sided_; }

 private:
  const UcxOptions options_;
  const bool one_sided_;
};

}  // namespace

std::unique_ptr<Kind> MakeUcxKind() {
  return std::make_unique<UcxKind>(UcxOptions{.transports = "tcp", .net_devices = "lo"}, false);
}
std::unique_ptr<Kind> MakeUcxRdmaKind() {
  const char* device = getenv("K42_RDMA_DEVICE");
  // ud only for the exchange that connects the queue pairs.
  return std::make_unique<UcxKind>(UcxOptions{.transports = "rc_verbs,ud_verbs:aux",
                                              .net_devices = device == nullptr ? "" : device,
                                              .one_sided = true},
                                   true);
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
