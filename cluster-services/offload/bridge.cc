#include "cluster-services/offload/bridge.h"

#include <cstring>

namespace k42::offload {
namespace {

using abi::OffloadKind;

std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string_view TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool Ended(const abi::OffloadHeader& header) {
  return (header.flags & abi::kOffloadEnded) != 0;
}

}  // namespace

// -- the kernel's side --------------------------------------------------------------------------

std::uint32_t Bridge::OnSession(std::span<const std::byte> boot_id) {
  if (boot_id_ != TextOf(boot_id)) {
    for (const auto& [number, connection] : connections_) outside_.Close(number, true);
    connections_.clear();
    boot_id_ = TextOf(boot_id);
  }
  for (auto& [number, connection] : connections_) {
    connection.named = false;
    connection.in.GoBack();
  }
  return ++session_;
}

void Bridge::OnMessage(const abi::OffloadHeader& header, std::span<const std::byte> payload) {
  if (header.kind == OffloadKind::kSynced)
    return OfThisSession(header) ? DropUnnamed() : void();
  if (header.kind == OffloadKind::kConnect)
    return Connect(header, payload);
  const Place place = connections_.find(header.connection);
  if (place == connections_.end()) {
    // It has ended here, and the kernel may not know.
    if (header.kind != OffloadKind::kReset)
      Tell(OffloadKind::kReset, header.connection, 0, 0, Status::kConnectionReset);
    return;
  }
  if (header.kind == OffloadKind::kReset)
    return End(place, Status::kOk, false, !place->second.done);
  if (header.kind == OffloadKind::kResume)
    return Resume(place, header);
  const Status status = Take(place->second, header, payload);
  if (status != Status::kOk)
    return End(place, status, true, true);
  Pump(place);
}

void Bridge::Connect(const abi::OffloadHeader& header, std::span<const std::byte> payload) {
  const Number number = header.connection;
  if (const Place known = connections_.find(number); known != connections_.end()) {
    known->second.named |= OfThisSession(header);
    if (!known->second.connecting) {
      known->second.in.GoBack();
      Tell(OffloadKind::kConnected, number, 0, known->second.out.limit());
      Pump(known);
    }
    return;
  }
  const auto refuse = [&](Status why) { Tell(OffloadKind::kFailed, number, 0, 0, why); };
  abi::OffloadAddress target{};
  if (payload.size() != sizeof target || header.limit > abi::kOffloadWindow)
    return refuse(Status::kCorrupt);
  if (connections_.size() >= abi::kOffloadConnections)
    return refuse(Status::kLimitExceeded);
  std::memcpy(&target, payload.data(), sizeof target);
  if (const Status status = outside_.Connect(number, target); status != Status::kOk)
    return refuse(status);
  Connection& connection = connections_[number];
  (void)connection.in.OnCredit(0, header.limit, false);
}

Status Bridge::Take(Connection& connection, const abi::OffloadHeader& header,
                    std::span<const std::byte> payload) {
  if (connection.connecting && header.kind != OffloadKind::kClose)
    return Status::kCorrupt;
  switch (header.kind) {
    case OffloadKind::kData: {
      std::uint64_t skip = 0, take = 0;
      const Status status = connection.out.OnData(header.position, payload.size(), &skip, &take);
      if (status == Status::kOk)
        connection.unwritten += TextOf(payload.subspan(skip, take));
      return status;
    }
    case OffloadKind::kEnd:
      return connection.out.OnEnd(header.position);
    case OffloadKind::kCredit:
      return OnCredit(connection, header);
    case OffloadKind::kClose:
      connection.closing = true;
      return Status::kOk;
    default:
      return Status::kCorrupt;
  }
}

Status Bridge::OnCredit(Connection& connection, const abi::OffloadHeader& header) {
  const std::uint64_t before = connection.in.acked();
  const Status status = connection.in.OnCredit(header.position, header.limit, Ended(header));
  if (status == Status::kOk)
    connection.unacked.erase(0, connection.in.acked() - before);
  return status;
}

void Bridge::Resume(Place place, const abi::OffloadHeader& header) {
  Connection& connection = place->second;
  connection.named |= OfThisSession(header);
  if (connection.connecting || OnCredit(connection, header) != Status::kOk)
    return End(place, Status::kCorrupt, true, true);
  connection.in.GoBack();
  Grant(place->first, connection, true);
  Pump(place);
}

void Bridge::DropUnnamed() {
  for (Place place = connections_.begin(); place != connections_.end();) {
    const Place next = std::next(place);
    const Connection& connection = place->second;
    if (!connection.named)
      End(place, Status::kOk, false, !connection.done);
    place = next;
  }
}

// -- the host's sockets -------------------------------------------------------------------------

void Bridge::OnConnected(Number number) {
  const Place place = connections_.find(number);
  if (place == connections_.end() || !place->second.connecting)
    return;
  place->second.connecting = false;
  (void)place->second.out.Grant(abi::kOffloadWindow);
  Tell(OffloadKind::kConnected, number, 0, place->second.out.limit());
  Pump(place);
}

void Bridge::OnFailed(Number number, Status why) {
  const Place place = connections_.find(number);
  if (place == connections_.end())
    return;
  Tell(place->second.connecting ? OffloadKind::kFailed : OffloadKind::kReset, number, 0, 0, why);
  End(place, why, false, false);
}

void Bridge::OnReady(Number number) {
  if (const Place place = connections_.find(number); place != connections_.end())
    Pump(place);
}

void Bridge::Tick(std::uint64_t now_ns) {
  now_ns_ = now_ns;
  for (Place place = connections_.begin(); place != connections_.end();) {
    const Place next = std::next(place);
    if (place->second.closes_at != 0 && place->second.closes_at <= now_ns)
      End(place, Status::kOk, true, true);
    place = next;
  }
}

// -- moving -------------------------------------------------------------------------------------

void Bridge::Pump(Place place) {
  const Number number = place->first;
  Connection& connection = place->second;
  if (connection.connecting || connection.done) {
    if (connection.closing)
      End(place, Status::kOk, true, connection.connecting);
    return;
  }
  if (connection.broken == Status::kOk)
    connection.broken = WriteOutside(number, connection);
  ReadOutside(number, connection);
  if (!connection.closing)
    SendToKernel(number, connection);
  if (connection.broken != Status::kOk) {
    if (connection.closing || connection.in.sent() == connection.in.written())
      return End(place, connection.broken, true, false);
    return outside_.Watch(number, false, false);
  }
  const bool sent_all = connection.shut;
  const bool over =
      connection.closing ? sent_all && connection.in.ended() : sent_all && connection.in.over();
  if (over && connection.closing)
    return End(place, Status::kOk, true, false);
  if (over) {
    connection.done = true;
    return outside_.Close(number, false);
  }
  if (connection.closing && sent_all && connection.closes_at == 0)
    connection.closes_at = now_ns_ + kLingerNs;
  outside_.Watch(number,
                 connection.in.Room() != 0 || (connection.closing && !connection.in.ended()),
                 !connection.unwritten.empty());
}

Status Bridge::WriteOutside(Number number, Connection& connection) {
  while (!connection.unwritten.empty()) {
    const auto written = outside_.Write(number, BytesOf(connection.unwritten));
    if (written.status() == Status::kWouldBlock)
      break;
    if (!written.ok())
      return written.status();
    connection.unwritten.erase(0, written.value());
  }
  const bool end = connection.out.ended() && connection.unwritten.empty();
  if (end && !connection.shut) {
    connection.shut = true;
    outside_.ShutdownWrite(number);
    Grant(number, connection, true);
  } else {
    Grant(number, connection, false);
  }
  return Status::kOk;
}

// At most a window's worth: others wait, too.
void Bridge::ReadOutside(Number number, Connection& connection) {
  std::byte bytes[abi::kOffloadWindow];
  const std::size_t room = connection.closing ? sizeof bytes : connection.in.Room();
  if (room == 0 || connection.in.ended() || connection.broken != Status::kOk)
    return;
  const auto count = outside_.Read(number, std::span(bytes).first(room));
  if (count.status() == Status::kWouldBlock)
    return;
  if (!count.ok()) {
    connection.broken = count.status();
  } else if (count.value() == 0) {
    connection.in.OnSourceEnded();
  } else if (!connection.closing) {
    connection.unacked += TextOf(std::span(bytes).first(count.value()));
    connection.in.OnWritten(count.value());
  }
}

void Bridge::SendToKernel(Number number, Connection& connection) {
  abi::OffloadSender& in = connection.in;
  while (const std::uint64_t size = in.Sendable()) {
    abi::OffloadHeader header{};
    header.kind = OffloadKind::kData;
    header.connection = number;
    header.position = in.sent();
    send_(header,
          BytesOf(std::string_view(connection.unacked).substr(in.sent() - in.acked(), size)));
    in.OnSent(size);
  }
  if (in.EndDue()) {
    Tell(OffloadKind::kEnd, number, in.written());
    in.OnEndSent();
  }
}

void Bridge::Grant(Number number, Connection& connection, bool always) {
  abi::OffloadReceiver& out = connection.out;
  const std::uint64_t written = out.received() - connection.unwritten.size();
  if (out.Grant(written + abi::kOffloadWindow) || always)
    Tell(OffloadKind::kCredit, number, out.received(), out.limit(), Status::kOk,
         connection.shut ? abi::kOffloadEnded : std::uint16_t{0});
}

void Bridge::End(Place place, Status why, bool tell, bool reset) {
  if (tell)
    Tell(OffloadKind::kReset, place->first, 0, 0, why);
  outside_.Close(place->first, reset);
  connections_.erase(place);
}

void Bridge::Tell(OffloadKind kind, Number number, std::uint64_t position, std::uint64_t limit,
                  Status status, std::uint16_t flags) {
  abi::OffloadHeader header{};
  header.kind = kind;
  header.flags = flags;
  header.status = static_cast<std::int32_t>(status);
  header.connection = number;
  header.position = position;
  header.limit = limit;
  send_(header, {});
}

}  // namespace k42::offload
