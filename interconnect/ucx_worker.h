// UCX behind a small interface: one worker that sends and receives whole packets.
//
// Wakeup mode: the worker sleeps in its event descriptor; nothing polls. Active messages are sent
// eagerly (at most 32 KiB), so the receiver never has to fetch. Errors of a peer close its endpoint
// (UCP_ERR_HANDLING_MODE_PEER) and are reported once.
#pragma once

#include <ucp/api/ucp.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "interconnect/ucx_packet.h"

namespace k42::interconnect {

struct UcxOptions {
  std::string transports;   // UCX_TLS: "tcp", "rc,ud,tcp"; empty: UCX chooses
  std::string net_devices;  // UCX_NET_DEVICES; empty: UCX chooses
};

class UcxWorker {
 public:
  using OnPacket = std::function<void(std::span<const std::byte>)>;
  using Endpoint = ucp_ep_h;

  // Null: `*error` says why.
  static std::unique_ptr<UcxWorker> Create(const UcxOptions& options, OnPacket on_packet,
                                           std::string* error);
  ~UcxWorker();
  UcxWorker(const UcxWorker&) = delete;
  UcxWorker& operator=(const UcxWorker&) = delete;

  const std::string& address() const { return address_; }  // hexadecimal

  // Null if the address is none. `on_error` is called at most once, from Progress.
  Endpoint Connect(const std::string& address, std::function<void()> on_error);
  // At once; everything sent on it ends.
  void Close(Endpoint endpoint);

  // `body` must stay until `done` (called once, possibly before Send returns): true if it left.
  void Send(Endpoint endpoint, const UcxPacket& packet, std::span<const std::byte> body,
            std::function<void(bool)> done);

  std::size_t Progress() { return ucp_worker_progress(worker_); }
  int WaitFd() const { return fd_; }
  bool Arm() { return ucp_worker_arm(worker_) == UCS_OK; }

 private:
  struct Sending {
    UcxPacket packet;
    ucp_dt_iov_t pieces[2];
    std::function<void(bool)> done;
  };

  explicit UcxWorker(OnPacket on_packet) : on_packet_(std::move(on_packet)) {}
  bool Start(const UcxOptions& options, std::string* error);
  static ucs_status_t Receive(void* self, const void* header, std::size_t header_length, void* data,
                              std::size_t length, const ucp_am_recv_param_t* param);
  static void Sent(void* request, ucs_status_t status, void* sending);
  static void Failed(void* self, ucp_ep_h endpoint, ucs_status_t status);

  OnPacket on_packet_;
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  int fd_ = -1;
  std::string address_;
  std::map<Endpoint, std::function<void()>> endpoints_;
};

}  // namespace k42::interconnect
