// A node of a test: an arena, the transport under test, and a record of what the transport said.
// It is in this process (LocalNode) or in another one, perhaps on another machine (node_agent.h).
#pragma once

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

struct ReceivedNotify {
  abi::Channel channel;
  std::uint64_t word;
  std::string seen;  // the arena at that moment: see TestNode::KeepOnNotify
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
    notifications.push_back({channel, word, look ? look(word) : std::string()});
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
  std::vector<ReceivedNotify> notifications;
  std::vector<Completion> ended;
  std::vector<PeerId> down;
  std::function<std::string(std::uint64_t word)> look;
};

class TestNode {
 public:
  explicit TestNode(const LocalIdentity& as) : identity(as) {}
  virtual ~TestNode() = default;

  PeerId id() const { return identity.self; }
  std::uint64_t data(std::uint64_t offset = 0) const { return data_ + offset; }
  const std::string& address() const { return address_; }

  // Offsets are in the data area.
  virtual void Write(std::uint64_t offset, const std::string& text) = 0;
  virtual std::string Read(std::uint64_t offset, std::size_t size) = 0;
  // Opens window `index` over [offset, offset + size), for everybody or for `only`.
  virtual abi::WindowId Open(std::uint32_t index, std::uint64_t offset, std::uint64_t size,
                             std::uint32_t access, PeerId only = {}) = 0;
  virtual void CloseWindow(std::uint32_t index) = 0;
  // From now on the recorder keeps [word * size, + size) with every notification.
  virtual void KeepOnNotify(std::size_t size) = 0;

  virtual void Submit(const Request& request) = 0;
  virtual void AddPeer(const PeerInfo& peer) = 0;
  virtual void RemovePeer(PeerId peer, Status why) = 0;
  virtual void RevokeWindow(Token token, abi::WindowId window) = 0;
  virtual void Step() = 0;

  LocalIdentity identity;
  Recorder recorder;

 protected:
  std::uint64_t data_ = 0;
  std::string address_;
};

// What differs between transports: how a node's is made, how time passes, and what may be expected.
class LocalNode;
class Kind {
 public:
  virtual ~Kind() = default;
  virtual std::unique_ptr<Transport> Make(LocalNode& node) = 0;
  virtual const Clock& clock() const = 0;
  virtual void PassTime() = 0;
  // How long a test waits for what must come, by that clock.
  virtual std::uint64_t PatienceNs() const = 0;
  // Does a put or get end while the target's process is stopped?
  virtual bool OneSided() const { return false; }
};

class LocalNode final : public TestNode {
 public:
  LocalNode(const LocalIdentity& as, Kind& kind)
      : TestNode(as), arena(Arena::CreateFormatted(8 << 20, 2)) {
    data_ = arena->layout().data;
    transport = kind.Make(*this);
    if (transport != nullptr)
      address_ = transport->LocalAddress();
  }

  void Write(std::uint64_t offset, const std::string& text) override {
    std::memcpy(arena->At(data(offset)), text.data(), text.size());
  }
  std::string Read(std::uint64_t offset, std::size_t size) override {
    return {reinterpret_cast<const char*>(arena->At(data(offset))), size};
  }
  abi::WindowId Open(std::uint32_t index, std::uint64_t offset, std::uint64_t size,
                     std::uint32_t access, PeerId only) override {
    abi::WindowEntry& entry = arena->window(index);
    entry.access = access;
    entry.offset = data(offset);
    entry.size = size;
    entry.peer_node = only.node;
    entry.peer_incarnation = only.incarnation;
    std::uint32_t generation = entry.generation.load() + 1;
    entry.generation.store(generation);
    return abi::MakeWindowId(index, generation);
  }
  void CloseWindow(std::uint32_t index) override { arena->window(index).generation.fetch_add(1); }
  void KeepOnNotify(std::size_t size) override {
    recorder.look = [this, size](std::uint64_t word) { return Read(word * size, size); };
  }
  void Submit(const Request& request) override { transport->Submit(request); }
  void AddPeer(const PeerInfo& peer) override { transport->AddPeer(peer); }
  void RemovePeer(PeerId peer, Status why) override { transport->RemovePeer(peer, why); }
  void RevokeWindow(Token token, abi::WindowId window) override {
    transport->RevokeWindow(token, window);
  }
  void Step() override { transport->Progress(); }

  std::unique_ptr<Arena> arena;
  std::unique_ptr<Transport> transport;
};

}  // namespace k42::interconnect
