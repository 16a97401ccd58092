// Some nodes, joined by the transport under test.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "unit/interconnect/node_agent.h"
#include "unit/interconnect/test_kinds.h"
#include "unit/interconnect/test_node.h"

namespace k42::interconnect {

class TestFabric {
 public:
  // With `agents`, nodes of even number are in processes of their own, which they start.
  TestFabric(std::unique_ptr<Kind> kind, std::uint32_t count, const Agents* agents = nullptr)
      : kind_(std::move(kind)) {
    for (std::uint32_t i = 1; i <= count; ++i) {
      LocalIdentity identity;
      identity.self = {i, 100 + i};
      identity.cluster_id = 42;
      identity.daemon_generation = 1;
      identity.secret.fill(static_cast<std::byte>(i));
      if (agents != nullptr && i % 2 == 0)
        nodes_.push_back(std::make_unique<RemoteNode>(identity, kind_->clock(), *agents));
      else
        nodes_.push_back(std::make_unique<LocalNode>(identity, *kind_));
    }
    for (auto& node : nodes_) {
      for (auto& peer : nodes_) {
        if (peer != node)
          node->AddPeer(InfoOf(*peer));
      }
    }
  }

  TestNode& node(std::uint32_t number) { return *nodes_[number - 1]; }
  RemoteNode& remote(std::uint32_t number) {
    return dynamic_cast<RemoteNode&>(*nodes_[number - 1]);
  }
  Kind& kind() { return *kind_; }
  static PeerInfo InfoOf(TestNode& node) {
    return {node.id(), node.identity.secret, node.address()};
  }

  void Step() {
    for (auto& node : nodes_) node->Step();
    kind_->PassTime();
  }
  bool Until(const std::function<bool()>& done) { return Until(done, kind_->PatienceNs()); }
  bool Until(const std::function<bool()>& done, std::uint64_t patience_ns) {
    const std::uint64_t end = kind_->clock().NowNs() + patience_ns;
    while (!done() && kind_->clock().NowNs() < end) Step();
    return done();
  }
  // For what must not happen: time for it.
  void Wait(std::uint64_t ns) {
    Until([] { return false; }, ns);
  }
  Token Begin(std::uint32_t from, Request request) {
    static Token next = 1'000'000;
    request.token = ++next;
    node(from).Submit(request);
    return request.token;
  }
  Completion End(std::uint32_t from, Token token) {
    EXPECT_TRUE(Until([&] { return node(from).recorder.Find(token) != nullptr; }));
    const Completion* end = node(from).recorder.Find(token);
    return end == nullptr ? Completion{} : *end;
  }
  // Submits at `from` and waits for the end.
  Completion Run(std::uint32_t from, const Request& request) {
    return End(from, Begin(from, request));
  }

 private:
  std::unique_ptr<Kind> kind_;
  std::vector<std::unique_ptr<TestNode>> nodes_;
};

}  // namespace k42::interconnect
