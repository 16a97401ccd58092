// The daemon at the other end of offload.sock: one at a time, the newest. Packets in, packets out;
// what does not fit into the socket waits here, in order.
//
// A daemon that goes away takes what waits with it: the next session starts over (abi/offload.h).
#pragma once

#include <deque>
#include <vector>

#include "cluster-services/offload/bridge.h"
#include "interconnect/unique_fd.h"

namespace k42::offload {

class Session {
 public:
  // `life`: the number of this process's life. `listener`: a packet socket.
  Session(interconnect::UniqueFd listener, std::uint64_t life)
      : listener_(std::move(listener)), life_(life) {}

  int listener() const { return listener_.get(); }
  int descriptor() const { return socket_.get(); }  // -1: nobody is there
  bool wants_write() const { return !unsent_.empty(); }
  // The daemon takes slowly: stop reading, from outside and from it. (What its kernel says may have
  // answers, one each.)
  bool full() const { return unsent_.size() >= kManyUnsent; }

  void Accept();
  void Send(const abi::OffloadHeader& header, std::span<const std::byte> payload);
  void Flush();
  void Receive(Bridge& bridge);

 private:
  static constexpr std::size_t kManyUnsent = 256;

  void Drop();
  bool Greet(Bridge& bridge, const abi::OffloadHeader& header, std::span<const std::byte> payload);

  interconnect::UniqueFd listener_;
  interconnect::UniqueFd socket_;
  const std::uint64_t life_;
  bool greeted_ = false;
  std::deque<std::vector<std::byte>> unsent_;
};

}  // namespace k42::offload
