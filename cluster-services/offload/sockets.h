// Outside over the host's sockets, all non-blocking, watched by poll().
#pragma once

#include <poll.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster-services/offload/bridge.h"
#include "cluster-services/offload/targets.h"
#include "interconnect/unique_fd.h"

namespace k42::offload {

class Sockets final : public Outside {
 public:
  // `control`: path of the daemon's control socket, as this process sees it then.
  Sockets(std::string control, std::set<Denied> denied)
      : control_(std::move(control)), denied_(std::move(denied)) {}

  Status Connect(Number number, const abi::OffloadAddress& target) override;
  Result<std::size_t> Read(Number number, std::span<std::byte> into) override;
  Result<std::size_t> Write(Number number, std::span<const std::byte> bytes) override;
  void ShutdownWrite(Number number) override;
  void Close(Number number, bool reset) override;
  void Watch(Number number, bool readable, bool writable) override;

  // Adds what is to be polled; `reading`: also for what comes.
  void AddTo(std::vector<pollfd>& polled, bool reading) const;
  // Tells the bridge what was found there, from index `first` on.
  void Handle(Bridge& bridge, const std::vector<pollfd>& polled, std::size_t first);

 private:
  struct Socket {
    interconnect::UniqueFd fd;
    bool connecting = true;
    short wanted = POLLOUT;
  };
  std::string control_;
  std::set<Denied> denied_;
  std::map<Number, Socket> sockets_;
};

// What an errno of a socket is called here.
Status StatusOf(int error);

}  // namespace k42::offload
