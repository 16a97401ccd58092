// UCX behind a small interface: one worker that sends and receives whole packets.
//
// Wakeup mode: the worker sleeps in its event descriptor; nothing polls. Active messages are sent
// eagerly (at most 32 KiB), so the receiver never has to fetch. Errors of a peer close its endpoint
// (UCP_ERR_HANDLING_MODE_PEER) and are reported once.
//
// Where it is asked for and the host has an RDMA device, OneSided() is true: memory can be
// registered, and a peer that holds the registration's key puts and gets without anybody's help
// here.
#pragma once

#include <ucp/api/ucp.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "interconnect/ucx_packet.h"

namespace k42::interconnect {

struct UcxOptions {
  std::string transports;   // UCX_TLS: "tcp", "rc,ud,tcp"; empty: UCX chooses
  std::string net_devices;  // UCX_NET_DEVICES; empty: UCX chooses
  // Let the NICs put and get by themselves, where there is an RDMA device. Not by default: UCX then
  // also performs puts and gets in software, by any address and unchecked, of whoever reaches the
  // worker, so all of its network must be trusted. PrepareProcess must have been called.
  bool one_sided = false;
};

// Memory that holders of its key reach until it goes: each registration has a key of its own, and
// the NIC refuses it from the moment it is gone. Must go before its worker.
class UcxMemory {
 public:
  UcxMemory() = default;
  UcxMemory(UcxMemory&& other) noexcept
      : context_(other.context_), handle_(std::exchange(other.handle_, nullptr)) {}
  UcxMemory& operator=(UcxMemory&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~UcxMemory();

  explicit operator bool() const { return handle_ != nullptr; }
  std::vector<std::byte> Key() const;  // empty: there is none

 private:
  friend class UcxWorker;
  UcxMemory(ucp_context_h context, ucp_mem_h handle) : context_(context), handle_(handle) {}

  ucp_context_h context_ = nullptr;
  ucp_mem_h handle_ = nullptr;
};

// The key of a peer's registration, for one endpoint; must outlive what uses it.
class UcxKey {
 public:
  UcxKey() = default;
  UcxKey(UcxKey&& other) noexcept : key_(std::exchange(other.key_, nullptr)) {}
  UcxKey& operator=(UcxKey&& other) noexcept {
    std::swap(key_, other.key_);
    return *this;
  }
  ~UcxKey() {
    if (key_ != nullptr)
      ucp_rkey_destroy(key_);
  }
  explicit operator bool() const { return key_ != nullptr; }

 private:
  friend class UcxWorker;
  explicit UcxKey(ucp_rkey_h key) : key_(key) {}

  ucp_rkey_h key_ = nullptr;
};

class UcxWorker {
 public:
  using OnPacket = std::function<void(std::span<const std::byte>)>;
  using Endpoint = ucp_ep_h;

  // Sets what UCX reads from the environment, for one_sided: while no other thread reads that.
  static void PrepareProcess();
  // Null: `*error` says why.
  static std::unique_ptr<UcxWorker> Create(const UcxOptions& options, OnPacket on_packet,
                                           std::string* error);
  ~UcxWorker();
  UcxWorker(const UcxWorker&) = delete;
  UcxWorker& operator=(const UcxWorker&) = delete;

  // No packet is handed on any more. Not from within one.
  void Deafen() { on_packet_ = nullptr; }

  const std::string& address() const { return address_; }  // as ucx_address.h prints it

  // Null if the address is none. `on_error` is called at most once, from Progress.
  Endpoint Connect(const std::string& address, std::function<void()> on_error);
  // At once; everything sent on it ends.
  void Close(Endpoint endpoint);

  // `body` must stay until `done` (called once, possibly before Send returns): true if it left.
  void Send(Endpoint endpoint, const UcxPacket& packet, std::span<const std::byte> body,
            std::function<void(bool)> done);

  bool OneSided() const { return one_sided_; }
  // By a queue pair of ours and one of its, once it is connected?
  bool OneSided(Endpoint endpoint) const;
  UcxMemory Register(std::span<std::byte> memory);  // false: it cannot be
  UcxKey Unpack(Endpoint endpoint, std::span<const std::byte> key);
  // `local` lies in `registered`. `done` (called once, possibly before these return): true if it is
  // complete, a put at the peer.
  void Put(Endpoint endpoint, std::span<const std::byte> local, const UcxMemory& registered,
           std::uint64_t remote, const UcxKey& key, std::function<void(bool)> done);
  void Get(Endpoint endpoint, std::span<std::byte> local, const UcxMemory& registered,
           std::uint64_t remote, const UcxKey& key, std::function<void(bool)> done);
  // True when everything before it is complete.
  void Flush(Endpoint endpoint, std::function<void(bool)> done);

  std::size_t Progress() { return ucp_worker_progress(worker_); }
  int WaitFd() const { return fd_; }
  bool Arm() { return ucp_worker_arm(worker_) == UCS_OK; }

 private:
  struct Sending {
    UcxPacket packet;
    ucp_dt_iov_t pieces[2];
    std::function<void(bool)> done;
  };

  // A put ends when its own request and the flush behind it have.
  struct Transfer {
    std::function<void(bool)> done;
    int requests = 0;
    bool fine = true;
  };

  explicit UcxWorker(OnPacket on_packet) : on_packet_(std::move(on_packet)) {}
  bool Start(const UcxOptions& options, std::string* error);
  static ucs_status_t Receive(void* self, const void* header, std::size_t header_length, void* data,
                              std::size_t length, const ucp_am_recv_param_t* param);
  static void Sent(void* request, ucs_status_t status, void* sending);
  static ucp_request_param_t ParamOf(Transfer* transfer, ucp_mem_h local = nullptr);
  static void Begun(ucs_status_ptr_t request, Transfer* transfer);
  static void Transferred(void* request, ucs_status_t status, void* transfer);
  static void Failed(void* self, ucp_ep_h endpoint, ucs_status_t status);

  OnPacket on_packet_;
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  int fd_ = -1;
  bool one_sided_ = false;
  std::string address_;
  std::map<Endpoint, std::function<void()>> endpoints_;
};

}  // namespace k42::interconnect
