// A daemon between a kernel's end of the link (over an arena in this process, without a carrier)
// and a membership that the test plays.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cluster-services/noded/daemon.h"
#include "global/link_port.h"

namespace k42::noded {

using interconnect::PeerId;

constexpr std::uint64_t kArenaSize = 8 << 20;
constexpr std::chrono::milliseconds kHang{800};

class Bell final : public global::LinkDoorbell {
 public:
  void Kick(machine::CpuId) override {}
};

class Heard final : public global::LinkReceiver {
 public:
  void OnMessage(global::LinkPeer, const abi::Frame& frame, Bytes) override {
    kinds.push_back(static_cast<abi::ControlKind>(frame.method));
    last_number = frame.sequence;
  }
  bool Has(abi::ControlKind kind) const {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  }
  std::vector<abi::ControlKind> kinds;
  std::uint64_t last_number = 0;
};

class PlayedMembership final : public Membership {
 public:
  void Join(const Attributes& said, const Life& adopted) override {
    ++joins;
    attributes = said;
    last = adopted;
  }
  void Leave(const std::string&) override { ++leaves; }
  std::uint64_t AuthorityDeadlineNs() const override { return 0; }
  int joins = 0;
  int leaves = 0;
  Life last;
  Attributes attributes;
};

class DaemonWorld : public ::testing::Test {
 protected:
  DaemonWorld() : arena_(interconnect::Arena::CreateFormatted(kArenaSize, 1)) {
    char name[] = "/tmp/k42-noded-test-XXXXXX";
    folder_ = mkdtemp(name);
    NewKernel();
    NewDaemon();
  }
  ~DaemonWorld() override {
    daemon_.reset();
    std::filesystem::remove_all(folder_);
  }

  void NewKernel() {
    port_ = std::make_unique<global::LinkPort>();
    EXPECT_EQ(port_->Start(arena_->At(0), kArenaSize, 1, bell_), Status::kOk);
    port_->SetReceiver(abi::Channel::kControl, heard_);
  }
  void NewDaemon(const std::string& transport = "shm") {
    daemon_.reset();
    Options options;
    options.folder = folder_;
    options.transport = transport;
    options.hang_ns = std::chrono::nanoseconds(kHang).count();
    daemon_ = std::make_unique<Daemon>(options, loop_);
    auto membership = std::make_unique<PlayedMembership>();
    membership_ = membership.get();
    daemon_->SetMembership(std::move(membership));
  }
  void Attach() {
    daemon_->OnArena(*arena_);
    daemon_->OnKick();
  }
  // How a put of the kernel's ends; kPending: not yet.
  Status PutTo(PeerId peer) {
    auto request = std::make_unique<global::LinkRequest>();
    request->kind = abi::OperationKind::kPut;
    request->peer = {peer.node, peer.incarnation};
    request->local_offset = arena_->layout().data;
    request->done = [](global::LinkRequest&) {};
    port_->Submit(*request);
    daemon_->Serve();
    port_->Drain();
    const bool ended = request->outcome != abi::Outcome::kNone;
    requests_.push_back(std::move(request));
    return ended ? requests_.back()->status : Status::kPending;
  }
  Life ALife() {
    Life life{7, 70, {}};
    life.secret.fill(std::byte{0x5a});
    return life;
  }

  std::string folder_;
  std::vector<std::unique_ptr<global::LinkRequest>> requests_;  // the port's until they end
  EventLoop loop_;
  Bell bell_;
  Heard heard_;
  std::unique_ptr<interconnect::Arena> arena_;
  std::unique_ptr<global::LinkPort> port_;
  std::unique_ptr<Daemon> daemon_;
  PlayedMembership* membership_ = nullptr;
};

}  // namespace k42::noded
