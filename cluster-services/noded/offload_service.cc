#include "cluster-services/noded/offload_service.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <cstring>

#include "abi/link_control.h"
#include "interconnect/unix_socket.h"

namespace k42::noded {

using interconnect::Transfer;

namespace {
constexpr std::uint64_t kLookPeriodNs = 200'000'000;
constexpr std::uint32_t kLooksBeforeNobody = 5;
constexpr std::size_t kPacketsAtOnce = 64;
}  // namespace

OffloadService::OffloadService(Daemon& daemon) : daemon_(daemon) {
  daemon_.SetControlHandler(
      abi::ControlKind::kOffloadMessage, abi::ControlKind::kOffloadMessage,
      [this](const abi::Frame&, std::span<const std::byte> payload) { OnKernel(payload); });
  daemon_.AddGuestHandler([this](bool up) {
    Leave();
    next_look_ns_ = up ? 0 : ~std::uint64_t{0};
    failed_looks_ = 0;
  });
}

// -- the process --------------------------------------------------------------------------------

void OffloadService::Look() {
  next_look_ns_ = daemon_.NowNs() + kLookPeriodNs;
  socket_ = interconnect::ConnectUnix(daemon_.options().folder + "/offload.sock", SOCK_SEQPACKET);
  if (!socket_) {
    // The kernel may know one that a predecessor of ours knew, and that is gone.
    if (++failed_looks_ == kLooksBeforeNobody)
      TellKernel({0, 0});
    return;
  }
  failed_looks_ = 0;
  daemon_.loop().Watch(socket_.get(), EPOLLIN, [this](std::uint32_t events) { OnSocket(events); });
  abi::OffloadHeader hello{};
  hello.kind = abi::OffloadKind::kHello;
  const auto boot_id = daemon_.boot_id();
  std::vector<std::byte> packet(sizeof hello + boot_id.size());
  std::memcpy(packet.data(), &hello, sizeof hello);
  std::memcpy(packet.data() + sizeof hello, boot_id.data(), boot_id.size());
  Push(packet);
}

void OffloadService::Leave() {
  if (socket_)
    daemon_.loop().Unwatch(socket_.get());
  socket_.Reset();
  unsent_.clear();
  unsent_bytes_ = 0;
  joined_ = stopped_ = false;
}

void OffloadService::Lose() {
  const bool was = joined_;
  Leave();
  if (!was)
    return;
  spdlog::warn("k42-offload is gone: connections to outside hosts are reset");
  TellKernel({0, 0});
}

void OffloadService::TellKernel(const abi::OffloadSession& session) {
  if (daemon_.link() != nullptr)
    daemon_.link()->SendToKernel(0, abi::FrameKind::kControl,
                                 static_cast<std::uint32_t>(abi::ControlKind::kOffloadSession),
                                 std::as_bytes(std::span(&session, 1)));
}

bool OffloadService::KernelIsSlow() const {
  return daemon_.link() == nullptr || daemon_.link()->BacklogBytes(0) > kMuchBacklog;
}

// -- passing on ---------------------------------------------------------------------------------

std::size_t OffloadService::Serve() {
  if (!socket_) {
    if (daemon_.guest() == Daemon::Guest::kUp && daemon_.NowNs() >= next_look_ns_)
      Look();
    return 0;
  }
  if (!stopped_ || KernelIsSlow())
    return 0;
  stopped_ = false;
  daemon_.loop().Change(socket_.get(), EPOLLIN | (unsent_.empty() ? 0u : EPOLLOUT));
  return Receive();
}

void OffloadService::OnKernel(std::span<const std::byte> message) {
  if (!joined_ || message.size() < sizeof(abi::OffloadHeader) ||
      message.size() > abi::kOffloadPacket)
    return;
  Push(message);
}

void OffloadService::Push(std::span<const std::byte> packet) {
  if (unsent_bytes_ + packet.size() > kMostUnsent) {
    spdlog::error("k42-offload does not read what its kernel says");
    return Lose();
  }
  unsent_.emplace_back(packet.begin(), packet.end());
  unsent_bytes_ += packet.size();
  Flush();
}

void OffloadService::Flush() {
  while (socket_ && !unsent_.empty()) {
    const Transfer transfer = interconnect::SendUnix(socket_.get(), unsent_.front(), {});
    if (transfer == Transfer::kClosed)
      return Lose();
    if (transfer == Transfer::kAgain)
      break;
    unsent_bytes_ -= unsent_.front().size();
    unsent_.pop_front();
  }
  if (socket_)
    daemon_.loop().Change(socket_.get(),
                          (stopped_ ? 0u : EPOLLIN) | (unsent_.empty() ? 0u : EPOLLOUT));
}

void OffloadService::OnSocket(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0)
    Flush();
  if (socket_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
    Receive();
}

std::size_t OffloadService::Receive() {
  std::byte packet[abi::kOffloadPacket];
  for (std::size_t count = 0; socket_ && count < kPacketsAtOnce; ++count) {
    if (KernelIsSlow()) {
      stopped_ = true;
      daemon_.loop().Change(socket_.get(), unsent_.empty() ? 0u : EPOLLOUT);
      return count;
    }
    std::size_t size = 0;
    std::vector<interconnect::UniqueFd> luggage;
    const Transfer transfer = interconnect::ReceiveUnix(socket_.get(), packet, &size, &luggage);
    if (transfer == Transfer::kAgain)
      return count;
    if (transfer == Transfer::kClosed || size < sizeof(abi::OffloadHeader)) {
      Lose();
      return count;
    }
    Take(std::span(packet, size));
  }
  return kPacketsAtOnce;
}

void OffloadService::Take(std::span<const std::byte> packet) {
  if (joined_) {
    daemon_.link()->SendToKernel(0, abi::FrameKind::kControl,
                                 static_cast<std::uint32_t>(abi::ControlKind::kOffloadMessage),
                                 packet);
    return;
  }
  abi::OffloadHeader header;
  std::memcpy(&header, packet.data(), sizeof header);
  if (header.kind != abi::OffloadKind::kHello || header.position == 0)
    return Leave();
  joined_ = true;
  spdlog::info("k42-offload serves outside connections");
  TellKernel({header.position, header.limit});
}

}  // namespace k42::noded
