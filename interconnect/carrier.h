// The carrier's host side: a vhost-user-blk backend that serves no disk. It brings three things:
// the arena's descriptor (from QEMU's memory table), a kick eventfd per queue (kernel -> daemon)
// and a call eventfd per queue (daemon -> an MSI-X vector of the kernel). Queue n belongs to CPU n.
//
// QEMU listens, we connect, so a new daemon finds the socket again: QEMU then repeats the whole
// handshake, memory table and descriptors included, and the guest notices nothing.
//
// States:  kSearching (connects again and again) -> kConnected (handshake under way) -> kRunning
//          (arena known, queues started) ; any -> kGone when QEMU closes.
// QEMU sends the call descriptor several times (masked, unmasked): the newest counts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "interconnect/arena.h"
#include "interconnect/guest_memory.h"
#include "interconnect/unique_fd.h"
#include "interconnect/vhost_user.h"

namespace k42::interconnect {

// Tells the kernel's driver that this block device is the link: bytes 8..15 of the config space.
inline constexpr char kCarrierMagic[9] = "K42LINK1";

class CarrierEvents {
 public:
  virtual ~CarrierEvents() = default;
  // Once per connection, when the guest's memory is known. `arena` lives as long as the carrier is
  // connected to this guest.
  virtual void OnArena(Arena& arena) = 0;
  virtual void OnKick() = 0;  // one or several queues
  virtual void OnGone() = 0;  // QEMU has closed: the guest is over, or has stopped for good
};

class Carrier {
 public:
  enum class State { kSearching, kConnected, kRunning, kGone };

  Carrier(std::string socket_path, std::uint32_t queues, CarrierEvents& events);

  State state() const { return state_; }
  // Connected, and QEMU has said nothing yet: it speaks first.
  bool silent() const { return state_ == State::kConnected && !heard_; }
  // All of the guest's memory, to look at (traces). Empty while no guest is known.
  const GuestMemory& memory() const { return memory_; }
  // One attempt; false: nobody listens yet.
  bool Connect();
  int WaitFd() const { return epoll_.get(); }
  void Progress();
  // Interrupts the kernel's CPU `queue`.
  void Call(std::uint32_t queue);
  // Lets go of a guest that is over, to look for the next one.
  void Forget();

 private:
  struct Queue {
    UniqueFd kick;
    UniqueFd call;
    bool missed = false;  // called while there was no descriptor: the next one is
  };

  void Watch(int fd, std::uint64_t what);
  void SetKick(std::size_t queue, UniqueFd fd);
  void Receive();
  Status Handle(const VhostHeader& header, std::span<std::byte> payload,
                std::vector<UniqueFd>& fds);
  Status SetMemory(std::span<const std::byte> payload, std::vector<UniqueFd>& fds);
  Status SetQueueFd(std::span<const std::byte> payload, std::vector<UniqueFd>& fds, bool kick);
  Status GetConfig(const VhostHeader& header, std::span<const std::byte> payload);
  Status Reply(const VhostHeader& header, std::span<const std::byte> payload);
  Status ReplyNumber(const VhostHeader& header, std::uint64_t number);
  void Lose();

  const std::string socket_path_;
  CarrierEvents& events_;
  State state_ = State::kSearching;
  bool heard_ = false;  // anything, on this connection
  UniqueFd epoll_;
  UniqueFd socket_;
  std::vector<Queue> queues_;
  std::unique_ptr<Arena> arena_;
  std::uint64_t arena_inode_ = 0;
  GuestMemory memory_;
  // A message half received: its header, then its payload.
  std::vector<std::byte> received_;
  std::vector<UniqueFd> received_fds_;
};

}  // namespace k42::interconnect
