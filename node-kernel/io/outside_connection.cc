#include "io/outside_connection.h"

#include "io/outside_agent.h"
#include "mem/heap.h"

namespace k42::io {
namespace {

constexpr std::uint32_t kAllBits =
    abi::kReadable | abi::kWritable | abi::kReadHangup | abi::kError | kInputEnded | kOutputEnded;
constexpr std::uint32_t kFailedBits =
    abi::kReadable | abi::kWritable | abi::kReadHangup | kInputEnded | kOutputEnded;

}  // namespace

Result<OutsideConnection*> OutsideConnection::Make(OutsideAgent& agent, const SocketAddress& target,
                                                   ReadyList& list) {
  const Conduit::Shape in_shape{abi::kOffloadWindow, 0, false, true};
  const Conduit::Shape out_shape{abi::kOffloadWindow, 0, false, true};
  auto in = RefPtr<Conduit>::Adopt(TRY(Conduit::Make(in_shape)));
  auto out = RefPtr<Conduit>::Adopt(TRY(Conduit::Make(out_shape)));
  auto* kept = static_cast<std::byte*>(mem::Allocate(abi::kOffloadWindow));
  if (kept == nullptr) {
    return Status::kNoMemory;
  }
  const auto made =
      mem::New<OutsideConnection>(agent, target, list, std::move(in), std::move(out), kept);
  if (!made.ok()) {
    mem::Free(kept, abi::kOffloadWindow);
    return made;
  }
  machine::MutexGuard guard(made.value()->mutex_);
  made.value()->UpdateListLocked();
  return made;
}

OutsideConnection::OutsideConnection(OutsideAgent& agent, const SocketAddress& target,
                                     ReadyList& list, RefPtr<Conduit> in, RefPtr<Conduit> out,
                                     std::byte* kept)
    : agent_(agent),
      target_(target),
      in_(std::move(in)),
      out_(std::move(out)),
      list_(&list),
      kept_(kept) {
  for (const RefPtr<Conduit>& conduit : {in_, out_}) {
    conduit->OpenReader();
    conduit->OpenWriter();
  }
}

void OutsideConnection::Dispose() {
  mem::Free(kept_, abi::kOffloadWindow);
  mem::Delete(this);
}

void OutsideConnection::Wake() {
  if (!due_.exchange(true)) {
    agent_.Wake();
  }
}

// -- the endpoint ---------------------------------------------------------------------------------

Result<std::uint64_t> OutsideConnection::Write(BufferIn data) {
  switch (state_.load()) {
    case State::kConnecting:
      return Status::kWouldBlock;
    case State::kFailed: {
      const Status error = TakeError();
      return error != Status::kOk ? error : Status::kBrokenPipe;
    }
    default:
      break;
  }
  const auto written = out_->Write(data);
  if (written.status() == Status::kBrokenPipe) {
    const Status error = in_->TakeReset();
    return error != Status::kOk ? Result<std::uint64_t>(error) : written;
  }
  if (written.ok()) {
    Wake();
  }
  return written;
}

Result<std::uint64_t> OutsideConnection::Read(BufferOut data, bool peek) {
  switch (state_.load()) {
    case State::kConnecting:
      return Status::kWouldBlock;
    case State::kFailed: {
      const Status error = TakeError();
      return error != Status::kOk ? Result<std::uint64_t>(error) : std::uint64_t{0};
    }
    default:
      break;
  }
  const auto count = in_->Read(data, peek);
  if (count.ok() && !peek && wants_room_.exchange(false)) {
    Wake();
  }
  return count;
}

Status OutsideConnection::Shutdown(ShutdownSide side) {
  if (state_.load() != State::kOpen) {
    return Status::kNotConnected;
  }
  if (side != ShutdownSide::kWrite) {
    in_->Shut();
  }
  if (side != ShutdownSide::kRead) {
    out_->Shut();
    Wake();
  }
  return Status::kOk;
}

Status OutsideConnection::TakeError() {
  if (state_.load() != State::kFailed) {
    return in_->TakeReset();
  }
  const Status error = error_.exchange(Status::kOk);
  machine::MutexGuard guard(mutex_);
  UpdateListLocked();
  return error;
}

Status OutsideConnection::ConnectState() {
  switch (state_.load()) {
    case State::kConnecting:
      return Status::kInProgress;
    case State::kFailed: {
      const Status error = TakeError();
      return error != Status::kOk ? error : Status::kInvalidArgument;  // it may try anew
    }
    default:
      return Status::kAlreadyConnected;
  }
}

void OutsideConnection::Close(bool reset) {
  if (reset || in_->bytes() != 0 || state_.load() == State::kConnecting) {
    out_->Reset();
  }
  in_->CloseReader();
  out_->CloseWriter();
  closed_.store(true);
  Wake();
}

void OutsideConnection::Watch(ReadyList* list) {
  machine::MutexGuard guard(mutex_);
  list_ = list;
  UpdateListLocked();
}

// -- readiness ------------------------------------------------------------------------------------

void OutsideConnection::UpdateListLocked() {
  const State state = state_.load();
  const bool carried = state == State::kOpen || state == State::kBroken;
  in_->WatchReader(carried ? list_ : nullptr);
  out_->WatchWriter(carried ? list_ : nullptr);
  if (carried || list_ == nullptr) {
    return;
  }
  Wakeups wakeups;
  const std::uint32_t error = error_.load() != Status::kOk ? abi::kError : 0;
  list_->Update(kAllBits, state == State::kFailed ? kFailedBits | error : 0, 0, wakeups);
}

void OutsideConnection::Opened() {
  machine::MutexGuard guard(mutex_);
  state_.store(State::kOpen);
  UpdateListLocked();
}

void OutsideConnection::Failed(Status why) {
  machine::MutexGuard guard(mutex_);
  error_.store(why);
  state_.store(State::kFailed);
  UpdateListLocked();
}

// What had come stays readable; the error is told behind it.
void OutsideConnection::Broken() {
  machine::MutexGuard guard(mutex_);
  state_.store(State::kBroken);
  in_->Break();
  out_->CloseReader();
}

}  // namespace k42::io
