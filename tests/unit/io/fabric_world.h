// Two nodes in one program: their fabric networks over a link of queues, which loses what a test
// wants lost, and breaks.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <random>
#include <vector>

#include "abi/arena_format.h"
#include "io/fabric_network.h"
#include "io/stream_object.h"
#include "support/node_fixture.h"
#include "unit/io/no_names.h"

namespace k42::io {

inline constexpr machine::CpuId kFabricCpus = 4;
inline constexpr std::uint64_t kFabricArenaSize = 16 << 20;

// The link threads of both nodes: work posted to a CPU is done there, in order.
class LinkThreads {
 public:
  LinkThreads() {
    for (machine::CpuId cpu = 0; cpu < kFabricCpus; ++cpu) {
      cpus_[cpu].owner = this;
      cpus_[cpu].thread = machine::Thread::Create("link", Run, &cpus_[cpu], cpu).value();
    }
  }
  void Post(machine::CpuId cpu, std::function<void()> work) {
    {
      const std::lock_guard guard(cpus_[cpu].mutex);
      cpus_[cpu].queue.push_back(std::move(work));
    }
    cpus_[cpu].thread->Unblock();
  }

 private:
  struct Cpu {
    LinkThreads* owner;
    machine::Thread* thread;
    std::mutex mutex;
    std::deque<std::function<void()>> queue;
  };
  static void Run(void* argument) {
    auto& cpu = *static_cast<Cpu*>(argument);
    for (;;) {
      std::function<void()> work;
      {
        const std::lock_guard guard(cpu.mutex);
        if (!cpu.queue.empty()) {
          work = std::move(cpu.queue.front());
          cpu.queue.pop_front();
        }
      }
      if (work)
        work();
      else
        machine::Thread::BlockExternal();
    }
  }
  Cpu cpus_[kFabricCpus];
};

class FabricNode;
struct FabricWorld {
  LinkThreads threads;
  FabricNode* nodes[2] = {};
  // Of a hundred operations under way, how many are lost with a break; of both nodes.
  std::atomic<unsigned> loss_percent{0};
  std::atomic<unsigned> lost{0};
  std::atomic<bool> lose_next_put{false};
};

class FabricNode final : public global::Link {
 public:
  FabricNode(FabricWorld& world, std::uint32_t number)
      : arena_(kFabricArenaSize / 4096),
        world_(world),
        number_(number),
        services(SocketServices::kNodePrefix << 16 | number, names_),
        network(*this, view, services) {
    const std::uint8_t boot_id[16] = {};
    memory_.Start(base(), abi::FormatArena(base(), kFabricArenaSize, kFabricCpus, boot_id).value());
    struct {
      abi::ViewHeader header{1, 2, 0};
      abi::ViewMember members[2] = {};
    } install;
    for (std::uint32_t i = 0; i < 2; ++i) {
      install.members[i].node = i + 1;
      install.members[i].incarnation = i + 1;
    }
    EXPECT_EQ(view.Install({reinterpret_cast<std::byte*>(&install), sizeof install}), Status::kOk);
    services.SetFabric(network);
    world.nodes[number - 1] = this;
    EXPECT_EQ(network.Start(), Status::kOk);
  }

  global::LinkPeer Self() const override { return {number_, number_}; }
  global::LinkMemory& memory() override { return memory_; }
  void Submit(global::LinkRequest& request) override {
    world_.threads.Post(machine::CurrentCpu(), [this, &request] { Begin(request); });
  }
  // What the kernel does with every heartbeat: quiet ends are seen at last.
  void Beat() {
    for (machine::CpuId cpu = 0; cpu < kFabricCpus; ++cpu)
      world_.threads.Post(cpu, [this] { SeeEnds(); });
  }
  // As when a daemon dies, or was too slow, or made no sense: both ends hear of it, and the peer
  // lives.
  void Break() {
    constexpr Status kWhy[] = {Status::kEndpointDown, Status::kTimedOut, Status::kCorrupt};
    const Status why = kWhy[breaks_++ % std::size(kWhy)];
    world_.threads.Post(0, [this, why] {
      SeeEnds();
      network.OnPeerDown(Other().Self(), why);
    });
  }

 private:
  std::size_t breaks_ = 0;
  struct Page {
    alignas(4096) std::byte bytes[4096];
  };
  std::byte* base() { return reinterpret_cast<std::byte*>(arena_.data()); }
  FabricNode& Other() { return *world_.nodes[2 - number_]; }

  // A CPU is woken: it sees all ends that are there.
  void SeeEnds() {
    std::vector<global::LinkRequest*> ends;
    ends.swap(ends_[machine::CurrentCpu()]);
    for (global::LinkRequest* request : ends) request->done(*request);
  }

  void Begin(global::LinkRequest& request) {
    thread_local std::mt19937 random(7);
    FabricNode& other = Other();
    const auto from = Self();
    request.outcome = abi::Outcome::kDone;
    request.status = Status::kOk;
    const bool lose_this =
        request.kind == abi::OperationKind::kPutNotify && world_.lose_next_put.exchange(false);
    if (lose_this || (random() % 100 < world_.loss_percent.load() &&
                      request.kind != abi::OperationKind::kRevokeWindow)) {
      request.outcome = abi::Outcome::kUnknown;
      request.status = Status::kUnknown;
      world_.lost.fetch_add(1);
    } else if (request.kind == abi::OperationKind::kSend) {
      std::vector<std::byte> copy(request.payload.begin(), request.payload.end());
      const abi::Frame frame = request.frame;
      world_.threads.Post(request.receiver_cpu % kFabricCpus, [&other, from, frame, copy] {
        other.SeeEnds();
        other.network.OnMessage(from, frame, copy);
      });
    } else if (request.kind == abi::OperationKind::kPutNotify) {
      const auto& window = *reinterpret_cast<const abi::WindowEntry*>(
          other.base() + other.windows_ +
          abi::WindowIndex(request.window) * sizeof(abi::WindowEntry));
      if (window.generation.load() != abi::WindowGeneration(request.window)) {
        request.outcome = abi::Outcome::kNotSent;
        request.status = Status::kRevoked;
      } else {
        EXPECT_LE(request.remote_offset + request.length, window.size);
        std::memcpy(other.base() + window.offset + request.remote_offset,
                    base() + request.local_offset, request.length);
        world_.threads.Post(request.receiver_cpu % kFabricCpus,
                            [&other, from, word = request.operand] {
                              other.SeeEnds();
                              other.network.OnNotify(from, word);
                            });
      }
    }
    auto& ends = ends_[machine::CurrentCpu()];
    ends.push_back(&request);
    const bool quiet =
        request.outcome == abi::Outcome::kDone && (request.flags & abi::kQuietEnd) != 0;
    if (!quiet || ends.size() > abi::kMostQuietEnds)
      SeeEnds();
  }

  std::vector<Page> arena_;
  std::vector<global::LinkRequest*> ends_[kFabricCpus];  // not seen yet; each CPU's link thread's
  const std::uint64_t windows_ =
      abi::ComputeArenaLayout(kFabricArenaSize, kFabricCpus).value().windows;
  FabricWorld& world_;
  const std::uint32_t number_;
  global::LinkMemory memory_;
  NoNames names_;

 public:
  global::ClusterView view;
  SocketServices services;
  FabricNetwork network;
};

// Like every node object these live as long as the program: their threads do.
inline FabricWorld& TheFabricWorld() {
  static FabricWorld& world = *[] {
    auto* made = new FabricWorld;
    new FabricNode(*made, 1);
    new FabricNode(*made, 2);
    return made;
  }();
  return world;
}

}  // namespace k42::io
