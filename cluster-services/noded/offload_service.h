// Passes messages between the node's kernel and its k42-offload (abi/offload.h), and looks at none.
//
// States:  away      no process at offload.sock, or the guest is not up: looked for now and then
//          greeting  connected; our hello is on the way
//          joined    the kernel knows the number of the process's life
// A connection that breaks is a process that has died: the kernel is told that nobody is there.
//
// From outside to the kernel only as fast as the kernel reads: while more than kMuchBacklog waits
// for its ring, the socket is not read. From the kernel outwards the windows of the connections
// bound what waits here; beyond kMostUnsent the session is given up.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <vector>

#include "abi/offload.h"
#include "cluster-services/noded/daemon.h"
#include "interconnect/unique_fd.h"

namespace k42::noded {

class OffloadService {
 public:
  explicit OffloadService(Daemon& daemon);
  ~OffloadService() { Leave(); }
  OffloadService(const OffloadService&) = delete;

  // Each round of the loop: looks for the process, goes on reading. Returns how much it did.
  std::size_t Serve();

 private:
  static constexpr std::size_t kMuchBacklog = 256 * 1024;
  static constexpr std::size_t kMostUnsent =
      std::size_t{2} * abi::kOffloadConnections * abi::kOffloadWindow;

  void Look();
  void Leave();
  void Lose();
  void OnKernel(std::span<const std::byte> message);
  void OnSocket(std::uint32_t events);
  void Push(std::span<const std::byte> packet);
  void Flush();
  std::size_t Receive();
  void Take(std::span<const std::byte> packet);
  void TellKernel(const abi::OffloadSession& session);
  bool KernelIsSlow() const;

  Daemon& daemon_;
  interconnect::UniqueFd socket_;
  bool joined_ = false;
  bool stopped_ = false;  // reading, because the kernel is slow
  std::uint64_t next_look_ns_ = 0;
  std::uint32_t failed_looks_ = 0;
  std::deque<std::vector<std::byte>> unsent_;
  std::size_t unsent_bytes_ = 0;
};

}  // namespace k42::noded
