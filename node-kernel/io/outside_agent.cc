#include "io/outside_agent.h"

#include <algorithm>

namespace k42::io {
namespace {

using abi::OffloadKind;

constexpr std::uint64_t kWindow = abi::kOffloadWindow;

std::uint64_t RoomOf(Conduit& conduit) {
  return kWindow - std::min(kWindow, conduit.bytes());
}

}  // namespace

Result<RemoteConnection*> OutsideAgent::Connect(const SocketAddress&, const SocketAddress& to,
                                                ReadyList& list) {
  if (life_.load() == 0) {
    return Status::kUnreachable;
  }
  if (count_.fetch_add(1) >= abi::kOffloadConnections) {
    count_.fetch_sub(1);
    return Status::kLimitExceeded;
  }
  const auto made = OutsideConnection::Make(*this, to, list);
  if (!made.ok()) {
    count_.fetch_sub(1);
    return made.status();
  }
  OutsideConnection* connection = made.value();
  connection->AddReference();
  {
    machine::SpinGuard guard(lock_);
    wanted_.PushBack(connection);
  }
  Wake();
  return static_cast<RemoteConnection*>(connection);
}

// -- the process ----------------------------------------------------------------------------------

OutsideConnection* OutsideAgent::Find(std::uint64_t number) {
  for (OutsideConnection& connection : connections_) {
    if (connection.number_ == number) {
      return &connection;
    }
  }
  return nullptr;
}

void OutsideAgent::OnSession(std::uint64_t life, std::uint64_t session) {
  TakeWanted();
  life_.store(life);
  session_ = static_cast<std::int32_t>(session);
  OutsideConnection* next = nullptr;
  for (OutsideConnection* one = connections_.Front(); one != nullptr; one = next) {
    next = connections_.Next(one);
    if (one->life_ == 0) {
      continue;  // not asked for yet
    }
    if (one->life_ == life) {
      Resume(*one);
      continue;
    }
    one->state_.load() == OutsideConnection::State::kConnecting ? one->Failed(Status::kUnreachable)
                                                                : one->Broken();
    Forget(*one);
  }
  if (life != 0) {
    (void)port_.Send({OffloadKind::kSynced, 0, session_, 0, 0, 0}, {});
  }
}

void OutsideAgent::Resume(OutsideConnection& connection) {
  if (connection.state_.load() == OutsideConnection::State::kConnecting) {
    return Ask(connection);
  }
  connection.sender_.GoBack();
  connection.close_told_ = false;
  const abi::OffloadReceiver& in = connection.receiver_;
  (void)Tell(OffloadKind::kResume, connection, in.received(), in.limit(),
             in.ended() ? abi::kOffloadEnded : std::uint16_t{0}, session_);
  connection.due_.store(true);
}

void OutsideAgent::OnMessage(const abi::OffloadHeader& header, Bytes payload) {
  OutsideConnection* connection = Find(header.connection);
  if (connection == nullptr) {
    return;  // it has ended here
  }
  connection->due_.store(true);
  if (!Take(*connection, header, payload)) {
    Forget(*connection);
  }
}

// While connecting, what belongs to a kConnected that was lost is not taken: the process goes back
// to it when it is asked again.
bool OutsideAgent::Take(OutsideConnection& connection, const abi::OffloadHeader& header,
                        Bytes payload) {
  const bool connecting = connection.state_.load() == OutsideConnection::State::kConnecting;
  const auto status = static_cast<Status>(header.status);
  const bool ended = (header.flags & abi::kOffloadEnded) != 0;
  switch (header.kind) {
    case OffloadKind::kConnected:
      if (!connecting) {
        return true;  // again, in a new session
      }
      if (connection.sender_.OnCredit(0, header.limit, false) != Status::kOk) {
        return Abort(connection);
      }
      connection.Opened();
      return true;
    case OffloadKind::kFailed:
      if (!connecting) {
        return Abort(connection);
      }
      connection.Failed(status != Status::kOk ? status : Status::kConnectionRefused);
      return false;
    case OffloadKind::kReset:
      OnReset(connection, status);
      return false;
    case OffloadKind::kCredit:
      if (connecting ||
          connection.sender_.OnCredit(header.position, header.limit, ended) == Status::kOk) {
        return true;
      }
      return Abort(connection);
    case OffloadKind::kData:
      return connecting || TakeData(connection, header, payload);
    case OffloadKind::kEnd:
      if (connecting) {
        return true;
      }
      if (connection.receiver_.OnEnd(header.position) != Status::kOk) {
        return Abort(connection);
      }
      if (!connection.receiver_.ended()) {
        return true;
      }
      connection.in_->Shut();
      return GrantIn(connection, true);
    default:
      return Abort(connection);
  }
}

void OutsideAgent::OnReset(OutsideConnection& connection, Status why) {
  if (connection.state_.load() == OutsideConnection::State::kConnecting) {
    return connection.Failed(Status::kConnectionReset);
  }
  const bool over = connection.sender_.over() && connection.receiver_.ended();
  if (why != Status::kOk || !(over || connection.closed_.load())) {
    connection.Broken();
  }
}

bool OutsideAgent::TakeData(OutsideConnection& connection, const abi::OffloadHeader& header,
                            Bytes payload) {
  std::uint64_t skip = 0, take = 0;
  if (connection.receiver_.OnData(header.position, payload.size(), &skip, &take) != Status::kOk) {
    return Abort(connection);
  }
  if (take == 0) {
    return true;
  }
  const auto written = connection.in_->Write(
      BufferIn::Kernel(payload.data() + skip, static_cast<std::size_t>(take)));
  // Nobody reads any more: thrown away. No room would be beyond its credit.
  if (written.status() == Status::kBrokenPipe || (written.ok() && written.value() == take)) {
    return true;
  }
  return Abort(connection);
}

// -- the connections ------------------------------------------------------------------------------

void OutsideAgent::TakeWanted() {
  machine::SpinGuard guard(lock_);
  connections_.Append(wanted_);
}

void OutsideAgent::Serve() {
  TakeWanted();
  OutsideConnection* next = nullptr;
  for (OutsideConnection* one = connections_.Front(); one != nullptr; one = next) {
    next = connections_.Next(one);
    if (one->due_.exchange(false) && !Advance(*one)) {
      Forget(*one);
    }
  }
}

void OutsideAgent::Ask(OutsideConnection& connection) {
  const abi::OffloadAddress target{connection.target_.internet, connection.target_.port, 0};
  abi::OffloadHeader header{};
  header.kind = OffloadKind::kConnect;
  header.connection = connection.number_;
  header.limit = connection.receiver_.limit();
  header.status = session_;
  (void)port_.Send(header, BytesOf(target));
}

bool OutsideAgent::Advance(OutsideConnection& connection) {
  if (connection.life_ == 0) {
    connection.life_ = life_.load();
    if (connection.life_ == 0) {
      connection.Failed(Status::kUnreachable);
      return false;
    }
    connection.number_ = ++last_number_;
    (void)connection.receiver_.Grant(kWindow);
    Ask(connection);
  }
  if (connection.state_.load() == OutsideConnection::State::kConnecting) {
    return !connection.closed_.load() || Abort(connection);
  }
  const bool closed = connection.closed_.load();
  if (!ReadOut(connection) || !SendOut(connection)) {
    return false;
  }
  if (closed && !connection.close_told_) {
    connection.close_told_ = true;
    if (Tell(OffloadKind::kClose, connection) != Status::kOk) {
      return Abort(connection);
    }
  }
  if (!closed && !GrantIn(connection, false)) {
    return false;
  }
  // A closed one is over when the process says so, by kReset.
  if (closed || !(connection.sender_.over() && connection.receiver_.ended())) {
    return true;
  }
  (void)Tell(OffloadKind::kReset, connection);
  return false;
}

// What the program has written, into what is kept. False: it broke off.
bool OutsideAgent::ReadOut(OutsideConnection& connection) {
  abi::OffloadSender& sender = connection.sender_;
  while (const std::uint64_t room = sender.Room()) {
    const std::uint64_t at = sender.written() % kWindow;
    const std::uint64_t most = std::min(room, kWindow - at);
    const auto count = connection.out_->Read(
        BufferOut::Kernel(connection.kept_ + at, static_cast<std::size_t>(most)));
    if (count.status() == Status::kWouldBlock) {
      break;
    }
    if (!count.ok()) {
      return Abort(connection);
    }
    if (count.value() == 0) {
      sender.OnSourceEnded();
    } else {
      sender.OnWritten(count.value());
    }
  }
  return true;
}

bool OutsideAgent::SendOut(OutsideConnection& connection) {
  abi::OffloadSender& sender = connection.sender_;
  while (const std::uint64_t size = sender.Sendable()) {
    const std::uint64_t at = sender.sent() % kWindow;
    const std::uint64_t part = std::min(size, kWindow - at);
    abi::OffloadHeader header{};
    header.kind = OffloadKind::kData;
    header.connection = connection.number_;
    header.position = sender.sent();
    if (port_.Send(header, Bytes(connection.kept_ + at, static_cast<std::size_t>(part))) !=
        Status::kOk) {
      return Abort(connection);
    }
    sender.OnSent(part);
  }
  if (sender.EndDue()) {
    if (Tell(OffloadKind::kEnd, connection, sender.written()) != Status::kOk) {
      return Abort(connection);
    }
    sender.OnEndSent();
  }
  return true;
}

bool OutsideAgent::GrantIn(OutsideConnection& connection, bool always) {
  abi::OffloadReceiver& in = connection.receiver_;
  // Said before the look: a read after it either is seen or wakes. While the process may send much,
  // its next message brings us here anyway.
  connection.wants_room_.store(in.limit() - in.received() < kWindow / 2);
  const bool tell = in.Grant(in.received() + RoomOf(*connection.in_));
  if (!tell && !always) {
    return true;
  }
  return Tell(OffloadKind::kCredit, connection, in.received(), in.limit(),
              in.ended() ? abi::kOffloadEnded : std::uint16_t{0}) == Status::kOk ||
         Abort(connection);
}

// Breaks it off, at both ends. Always false: it is over.
bool OutsideAgent::Abort(OutsideConnection& connection) {
  (void)Tell(OffloadKind::kReset, connection);
  connection.state_.load() == OutsideConnection::State::kConnecting
      ? connection.Failed(Status::kConnectionReset)
      : connection.Broken();
  return false;
}

void OutsideAgent::Forget(OutsideConnection& connection) {
  IntrusiveList<OutsideConnection>::Remove(&connection);
  count_.fetch_sub(1);
  connection.DropReference();
}

Status OutsideAgent::Tell(OffloadKind kind, const OutsideConnection& connection,
                          std::uint64_t position, std::uint64_t limit, std::uint16_t flags,
                          std::int32_t session) {
  abi::OffloadHeader header{};
  header.kind = kind;
  header.flags = flags;
  header.status = session;
  header.connection = connection.number_;
  header.position = position;
  header.limit = limit;
  return port_.Send(header, {});
}

}  // namespace k42::io
