#include "interconnect/carrier.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "interconnect/unix_socket.h"

namespace k42::interconnect {
namespace {

constexpr std::uint64_t kFeatures =
    1ull << 32 | kVhostProtocolFeaturesBit | 1ull << 29 | 1ull << 28;  // VERSION_1, event index
constexpr std::uint64_t kProtocolFeatures =
    kVhostProtocolMultiQueue | kVhostProtocolReplyAck | kVhostProtocolConfig;
constexpr std::uint64_t kSocket = ~std::uint64_t{0};  // in the epoll set; else a queue's number

}  // namespace

Carrier::Carrier(std::string socket_path, std::uint32_t queues, CarrierEvents& events)
    : socket_path_(std::move(socket_path)),
      events_(events),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      queues_(queues) {}

void Carrier::Watch(int fd, std::uint64_t what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = what;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

bool Carrier::Connect() {
  if (state_ != State::kSearching)
    return true;
  socket_ = ConnectUnix(socket_path_, SOCK_STREAM);
  if (!socket_)
    return false;
  Watch(socket_.get(), kSocket);
  state_ = State::kConnected;
  heard_ = false;
  return true;
}

void Carrier::Progress() {
  epoll_event ready[72];
  int count = epoll_wait(epoll_.get(), ready, 72, 0);
  bool kicked = false;
  for (int i = 0; i < count; ++i) {
    if (ready[i].data.u64 == kSocket) {
      Receive();
      continue;
    }
    const UniqueFd& kick = queues_[ready[i].data.u64].kick;
    if (!kick)
      continue;  // gone with what the socket has said just now
    // QEMU has made the descriptor non-blocking. What it counts does not matter, rings do.
    std::uint64_t kicks;
    kicked |= read(kick.get(), &kicks, sizeof kicks) == sizeof kicks;
  }
  if (kicked)
    events_.OnKick();
}

// QEMU holds the same open file, so closing ours alone would leave the entry in the epoll set: it
// would speak for whatever has the descriptor's number next.
void Carrier::SetKick(std::size_t queue, UniqueFd fd) {
  UniqueFd& kick = queues_[queue].kick;
  if (kick)
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, kick.get(), nullptr);
  kick = std::move(fd);
  if (kick)
    Watch(kick.get(), queue);
}

void Carrier::Call(std::uint32_t queue) {
  if (queue >= queues_.size())
    return;
  // Not started, or stopped with the guest. A kernel that sleeps is called once only (KickWord), so
  // this must not be forgotten.
  if (!queues_[queue].call) {
    queues_[queue].missed = true;
    return;
  }
  std::uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(queues_[queue].call.get(), &one, sizeof one);
}

void Carrier::Lose() {
  Forget();
  state_ = State::kGone;
  events_.OnGone();
}

void Carrier::Forget() {
  for (std::size_t queue = 0; queue < queues_.size(); ++queue) {
    SetKick(queue, {});
    queues_[queue] = {};
  }
  memory_.Clear();
  socket_.Reset();
  received_.clear();
  received_fds_.clear();
  arena_inode_ = 0;  // should the same guest be met again, whoever hears us begins anew
  state_ = State::kSearching;
}

// Header, then payload; descriptors come with the header.
void Carrier::Receive() {
  for (;;) {
    std::size_t wanted = sizeof(VhostHeader);
    VhostHeader header{};
    if (received_.size() >= sizeof header) {
      if (ParseVhostHeader(std::span(received_).first(sizeof header), &header) != Status::kOk)
        return Lose();
      wanted += header.size;
    }
    if (received_.size() >= sizeof header && received_.size() == wanted) {
      std::vector<std::byte> message = std::move(received_);
      std::vector<UniqueFd> fds = std::move(received_fds_);
      received_.clear();
      received_fds_.clear();
      Status status = Handle(header, std::span(message).subspan(sizeof header), fds);
      if (state_ == State::kGone)
        return;
      if (status == Status::kCorrupt)
        return Lose();
      continue;
    }
    std::byte buffer[sizeof(VhostHeader) + kVhostMaxPayload];
    std::size_t size = 0;
    Transfer transfer = ReceiveUnix(
        socket_.get(), std::span(buffer).first(wanted - received_.size()), &size, &received_fds_);
    if (transfer == Transfer::kAgain)
      return;
    if (transfer == Transfer::kClosed)
      return Lose();
    heard_ = true;
    received_.insert(received_.end(), buffer, buffer + size);
  }
}

Status Carrier::Handle(const VhostHeader& header, std::span<std::byte> payload,
                       std::vector<UniqueFd>& fds) {
  switch (header.request) {
    case VhostRequest::kGetFeatures:
      return ReplyNumber(header, kFeatures);
    case VhostRequest::kGetProtocolFeatures:
      return ReplyNumber(header, kProtocolFeatures);
    case VhostRequest::kGetQueueNum:
      return ReplyNumber(header, queues_.size());
    case VhostRequest::kGetConfig:
      return GetConfig(header, payload);
    case VhostRequest::kGetVringBase: {
      // The queue stops. Our rings are elsewhere: there is no base to keep.
      VhostVringState state{};
      if (payload.size() < sizeof state)
        return Status::kCorrupt;
      std::memcpy(&state, payload.data(), sizeof state);
      if (state.queue < queues_.size()) {
        SetKick(state.queue, {});
        queues_[state.queue].call.Reset();
      }
      state.value = 0;
      return Reply(header, std::as_bytes(std::span(&state, 1)));
    }
    default:
      break;
  }
  Status status = Status::kOk;
  if (header.request == VhostRequest::kSetMemTable)
    status = SetMemory(payload, fds);
  else if (header.request == VhostRequest::kSetVringKick)
    status = SetQueueFd(payload, fds, true);
  else if (header.request == VhostRequest::kSetVringCall)
    status = SetQueueFd(payload, fds, false);
  // Everything else (owner, sizes, addresses, enable) is about queues we do not run.
  if ((header.flags & kVhostNeedReplyFlag) != 0)
    return ReplyNumber(header, status == Status::kOk ? 0 : 1);
  return status;
}

// The arena is the region at the highest address: QEMU puts NUMA node 1 above node 0. RAM is not
// mapped: its descriptors are kept for whoever looks at it from outside.
Status Carrier::SetMemory(std::span<const std::byte> payload, std::vector<UniqueFd>& fds) {
  VhostMemoryTable table;
  TRY(ParseMemoryTable(payload, fds.size(), &table));
  if (table.count == 0)
    return Status::kOk;
  std::size_t highest = 0;
  for (std::size_t i = 1; i < table.count; ++i) {
    if (table.regions[i].guest_address > table.regions[highest].guest_address)
      highest = i;
  }
  struct stat status {};
  if (fstat(fds[highest].get(), &status) != 0 ||
      static_cast<std::uint64_t>(status.st_size) !=
          table.regions[highest].file_offset + table.regions[highest].size)
    return Status::kNotSupported;  // not a backend of its own: this guest has no arena
  if (arena_ != nullptr && arena_inode_ == status.st_ino)
    return Status::kOk;  // the same guest, its queues restarted
  arena_ = Arena::Map(fds[highest].get(), table.regions[highest].file_offset,
                      table.regions[highest].size);
  if (arena_ == nullptr)
    return Status::kNoMemory;
  arena_inode_ = status.st_ino;
  memory_.Clear();
  for (std::size_t i = 0; i < table.count; ++i)
    memory_.Add(table.regions[i].guest_address, table.regions[i].size, std::move(fds[i]),
                table.regions[i].file_offset);
  state_ = State::kRunning;
  events_.OnArena(*arena_);
  return Status::kOk;
}

Status Carrier::SetQueueFd(std::span<const std::byte> payload, std::vector<UniqueFd>& fds,
                           bool kick) {
  std::uint64_t word;
  if (payload.size() < sizeof word)
    return Status::kCorrupt;
  std::memcpy(&word, payload.data(), sizeof word);
  std::size_t queue = word & 0xff;
  if (queue >= queues_.size())
    return Status::kOutOfRange;
  UniqueFd fd = (word & kVhostNoFd) != 0 || fds.empty() ? UniqueFd() : std::move(fds[0]);
  if (!kick) {
    queues_[queue].call = std::move(fd);
    if (queues_[queue].call && std::exchange(queues_[queue].missed, false))
      Call(static_cast<std::uint32_t>(queue));
    return Status::kOk;
  }
  SetKick(queue, std::move(fd));
  events_.OnKick();  // it may have rung before we listened
  return Status::kOk;
}

// A disk of no sectors with our magic where a disk says its largest segment.
Status Carrier::GetConfig(const VhostHeader& header, std::span<const std::byte> payload) {
  VhostConfig config{};
  constexpr std::size_t kFront = offsetof(VhostConfig, data);
  if (payload.size() < kFront)
    return Status::kCorrupt;
  std::memcpy(&config, payload.data(), std::min(payload.size(), sizeof config));
  if (config.size > sizeof config.data || config.offset != 0)
    return Status::kCorrupt;
  std::memset(config.data, 0, sizeof config.data);
  std::memcpy(config.data + 8, kCarrierMagic, 8);
  return Reply(header, std::as_bytes(std::span(&config, 1)).first(kFront + config.size));
}

Status Carrier::Reply(const VhostHeader& header, std::span<const std::byte> payload) {
  VhostHeader reply{header.request, kVhostVersion | kVhostReplyFlag,
                    static_cast<std::uint32_t>(payload.size())};
  Transfer transfer = SendUnix(socket_.get(), std::as_bytes(std::span(&reply, 1)), payload);
  return transfer == Transfer::kDone ? Status::kOk : Status::kCorrupt;
}

Status Carrier::ReplyNumber(const VhostHeader& header, std::uint64_t number) {
  return Reply(header, std::as_bytes(std::span(&number, 1)));
}

}  // namespace k42::interconnect
