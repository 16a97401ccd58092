// Some nodes with arenas and recorders, joined by the transport under test.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "interconnect/arena.h"
#include "interconnect/clock.h"
#include "interconnect/transport.h"

namespace k42::interconnect {

struct ReceivedMessage {
  PeerId from;
  abi::Channel channel;
  std::uint32_t cpu;
  std::string text;
};

class Recorder : public Events {
 public:
  void OnMessage(PeerId from, abi::Channel channel, std::uint32_t cpu,
                 std::span<const std::byte> message) override {
    messages.push_back(
        {from, channel, cpu,
         std::string(reinterpret_cast<const char*>(message.data()), message.size())});
  }
  void OnNotify(PeerId, abi::Channel channel, std::uint32_t, std::uint64_t word) override {
    notified_channels.push_back(channel);
    notifications.push_back(word);
    if (on_notify)
      on_notify(word);
  }
  void OnCompletion(const Completion& completion) override { ended.push_back(completion); }
  void OnPeerDown(PeerId peer, Status) override { down.push_back(peer); }

  const Completion* Find(Token token) const {
    for (const Completion& completion : ended) {
      if (completion.token == token)
        return &completion;
    }
    return nullptr;
  }

  std::vector<ReceivedMessage> messages;
  std::vector<std::uint64_t> notifications;
  std::vector<abi::Channel> notified_channels;
  std::vector<Completion> ended;
  std::vector<PeerId> down;
  std::function<void(std::uint64_t)> on_notify;
};

struct TestNode {
  LocalIdentity identity;
  std::unique_ptr<Arena> arena;
  Recorder recorder;
  std::unique_ptr<Transport> transport;

  PeerId id() const { return identity.self; }
  std::uint64_t data(std::uint64_t offset = 0) const { return arena->layout().data + offset; }
  void Write(std::uint64_t offset, const std::string& text) {
    std::memcpy(arena->At(data(offset)), text.data(), text.size());
  }
  std::string Read(std::uint64_t offset, std::size_t size) {
    return {reinterpret_cast<const char*>(arena->At(data(offset))), size};
  }
  // Opens window `index` over [offset, offset + size) of the data area.
  abi::WindowId Open(std::uint32_t index, std::uint64_t offset, std::uint64_t size,
                     std::uint32_t access) {
    abi::WindowEntry& entry = arena->window(index);
    entry.access = access;
    entry.offset = data(offset);
    entry.size = size;
    std::uint32_t generation = entry.generation.load() + 1;
    entry.generation.store(generation);
    return abi::MakeWindowId(index, generation);
  }
  void CloseWindow(std::uint32_t index) { arena->window(index).generation.fetch_add(1); }
};

// What differs between transports: how a node's is made, and how time passes.
class Kind {
 public:
  virtual ~Kind() = default;
  virtual std::unique_ptr<Transport> Make(TestNode& node) = 0;
  virtual const Clock& clock() const = 0;
  virtual void PassTime() = 0;
};

class TestFabric {
 public:
  TestFabric(std::unique_ptr<Kind> kind, std::uint32_t count) : kind_(std::move(kind)) {
    for (std::uint32_t i = 1; i <= count; ++i) {
      auto node = std::make_unique<TestNode>();
      node->identity.self = {i, 100 + i};
      node->identity.cluster_id = 42;
      node->identity.daemon_generation = 1;
      node->identity.secret.fill(static_cast<std::byte>(i));
      node->arena = Arena::CreateFormatted(8 << 20, 2);
      nodes_.push_back(std::move(node));
    }
    for (auto& node : nodes_) node->transport = kind_->Make(*node);
    for (auto& node : nodes_) {
      for (auto& peer : nodes_) {
        if (peer != node)
          node->transport->AddPeer(InfoOf(*peer));
      }
    }
  }

  TestNode& node(std::uint32_t number) { return *nodes_[number - 1]; }
  Kind& kind() { return *kind_; }
  static PeerInfo InfoOf(TestNode& node) {
    return {node.id(), node.identity.secret, node.transport->LocalAddress()};
  }

  void Step() {
    for (auto& node : nodes_) {
      if (node->transport != nullptr)
        node->transport->Progress();
    }
    kind_->PassTime();
  }
  bool Until(const std::function<bool()>& done, int steps = 20000) {
    for (int i = 0; i < steps && !done(); ++i) Step();
    return done();
  }
  // Submits at `from` and waits for the end.
  Completion Run(std::uint32_t from, Request request) {
    static Token next = 1'000'000;
    request.token = ++next;
    node(from).transport->Submit(request);
    EXPECT_TRUE(Until([&] { return node(from).recorder.Find(request.token) != nullptr; }));
    const Completion* end = node(from).recorder.Find(request.token);
    return end == nullptr ? Completion{} : *end;
  }

 private:
  std::unique_ptr<Kind> kind_;
  std::vector<std::unique_ptr<TestNode>> nodes_;
};

std::unique_ptr<Kind> MakeLoopbackKind();
std::unique_ptr<Kind> MakeDelayedKind();
std::unique_ptr<Kind> MakeMappedKind();
std::unique_ptr<Kind> MakeUcxKind();

}  // namespace k42::interconnect
