// Nodes of a test in processes of their own: RemoteNode gives orders over a socket, and at its
// other end an agent, this same program, carries them out on a LocalNode and answers, once it has,
// with what its recorder has got since the last answer.
//
// Where agents come from: ForkedAgents starts them here; ServeAgents(port), in another machine,
// starts one for each connection of a DialledAgents. Both ends are the same build: structures
// travel as they are in memory.
#pragma once

#include <sys/types.h>

#include <string>

#include "interconnect/unique_fd.h"
#include "unit/interconnect/test_node.h"

namespace k42::interconnect {

class Agents {
 public:
  struct Connection {
    UniqueFd socket;
    pid_t child = 0;  // to be waited for when the socket is closed
  };
  virtual ~Agents() = default;
  virtual Connection Connect() const = 0;
  // What the agent calls the transport: mapped, ucx, ucx-rdma.
  virtual std::string KindName() const = 0;
};

class ForkedAgents final : public Agents {
 public:
  explicit ForkedAgents(std::string kind) : kind_(std::move(kind)) {}
  Connection Connect() const override;
  std::string KindName() const override { return kind_; }

 private:
  const std::string kind_;
};

class DialledAgents final : public Agents {
 public:
  // `place`: "10.77.0.2:7000"
  DialledAgents(std::string kind, std::string place)
      : kind_(std::move(kind)), place_(std::move(place)) {}
  Connection Connect() const override;
  std::string KindName() const override { return kind_; }

 private:
  const std::string kind_;
  const std::string place_;
};

class RemoteNode final : public TestNode {
 public:
  RemoteNode(const LocalIdentity& as, const Clock& clock, const Agents& agents);
  ~RemoteNode() override;

  void Write(std::uint64_t offset, const std::string& text) override;
  std::string Read(std::uint64_t offset, std::size_t size) override;
  abi::WindowId Open(std::uint32_t index, std::uint64_t offset, std::uint64_t size,
                     std::uint32_t access, PeerId only = {}) override;
  void CloseWindow(std::uint32_t index) override;
  void KeepOnNotify(std::size_t size) override;
  void Submit(const Request& request) override;
  void AddPeer(const PeerInfo& peer) override;
  void RemovePeer(PeerId peer, Status why) override;
  void RevokeWindow(Token token, abi::WindowId window) override;
  void Step() override;  // nothing while it is stopped

  // SIGSTOP and SIGCONT to its process; Stop() returns when it has stopped.
  void Stop();
  void Continue();

 private:
  struct Order;
  void Give(const Order& order, const std::string& text = {});
  std::uint64_t Ask(const Order& order, const std::string& text = {},
                    std::string* answer = nullptr);
  void Signal(int number);

  const Clock& clock_;
  const Agents& agents_;
  Agents::Connection connection_;
  std::uint64_t pid_ = 0;
  bool stopped_ = false;

  friend class Agent;
};

// The agent's process: ends when the socket does.
int RunAgent(int socket);
// Starts an agent for each connection to `port`; for ever.
int ServeAgents(std::uint16_t port);

}  // namespace k42::interconnect
