#include "fs/served_files.h"

#include <algorithm>
#include <cstring>

#include "cobj/handle_count.h"
#include "cobj/make.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/phys.h"
#include "mem/heap.h"

namespace k42::fs {

using machine::SpinGuard;
using ninep::Request;

namespace {

constexpr machine::HoldReason kAllPlaces{2500, "all 65 places for requests are looked at"};
constexpr machine::HoldReason kOnePlace{500,
                                        "one request, of up to 17 pieces, is measured or queued"};

// Memory for one message, while it is copied.
class Copy {
 public:
  explicit Copy(std::size_t size)
      : size_(size), bytes_(static_cast<std::byte*>(mem::Allocate(size))) {}
  ~Copy() {
    if (bytes_ != nullptr) {
      mem::Free(bytes_, size_);
    }
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  std::byte* bytes() const { return bytes_; }
  std::size_t size() const { return size_; }

 private:
  const std::size_t size_;
  std::byte* const bytes_;
};

void CopyOut(const Request& request, std::byte* to) {
  const auto front = request.message();
  std::memcpy(to, front.data(), front.size());
  to += front.size();
  for (const ninep::Segment& segment : request.out_data()) {
    std::memcpy(to, machine::PhysToVirt<const std::byte>(segment.address), segment.size);
    to += segment.size;
  }
}

// What a read brings goes to the data segments, all else into the front.
void CopyIn(Request& request, std::span<const std::byte> from) {
  const std::size_t front = std::min(request.front().size(), from.size());
  std::memcpy(request.front().data(), from.data(), front);
  from = from.subspan(front);
  for (const ninep::Segment& segment : request.in_data()) {
    const std::size_t part = std::min<std::size_t>(segment.size, from.size());
    std::memcpy(machine::PhysToVirt<std::byte>(segment.address), from.data(), part);
    from = from.subspan(part);
  }
}

}  // namespace

class ServedFiles::Session final : public IFileServer {
 public:
  using Interface = IFileServer;
  Session(ServedFiles& owner, std::uint64_t number) : owner_(owner), number_(number) {}

  void SetSelf(cobj::Ref<IFileServer> self) { self_ = self; }
  Status HandleAdded() override { return handles_.Add(); }
  Status HandleDropped() override {
    if (!handles_.Drop()) {
      return Status::kOk;
    }
    owner_.EndSession(number_);
    return cobj::Destroy(self_);
  }
  Result<std::uint64_t> Take(BufferOut message, cobj::Ticket ready) override {
    return owner_.Take(number_, message, ready);
  }
  Status Answer(BufferIn reply) override { return owner_.Answer(number_, reply); }

 private:
  ServedFiles& owner_;
  const std::uint64_t number_;
  cobj::Ref<IFileServer> self_;
  cobj::HandleCount handles_;
};

ServedFiles::ServedFiles() {
  wake_.owner = this;
  wake_.handler = &OnWake;
}

Result<cobj::Ref<IFileServer>> ServedFiles::Begin(void (*ended)(void*), void* argument) {
  std::uint64_t number = 0;
  {
    SpinGuard guard(lock_);
    number = session_ + 1;
  }
  const auto made = TRY(cobj::MakeShared<Session>(*this, number));
  SpinGuard guard(lock_);
  session_ = number;
  ended_ = ended;
  argument_ = argument;
  open_ = true;
  return made;
}

void ServedFiles::End() {
  std::uint64_t number = 0;
  {
    SpinGuard guard(lock_);
    number = session_;
  }
  EndSession(number);
}

bool ServedFiles::open() {
  SpinGuard guard(lock_);
  return open_;
}

void ServedFiles::EndSession(std::uint64_t session) {
  Request* lost[kPlaces];
  std::uint32_t count = 0;
  cobj::Ticket ready;
  void (*ended)(void*) = nullptr;
  void* argument = nullptr;
  {
    SpinGuard guard(lock_, kAllPlaces);
    if (IsOver(session)) {
      return;
    }
    open_ = false;
    for (Place& place : places_) {
      if (place.state == State::kQueued || place.state == State::kTaken) {
        lost[count++] = place.request;
        place = {};
      }
    }
    queue_size_ = 0;
    ready = ready_;
    ready_ = {};
    ended = ended_;
    argument = argument_;
  }
  for (Request* request : std::span(lost, count)) {
    request->Complete(Status::kIoError, 0);
  }
  (void)ready.Fire(Status::kOk, 0);
  if (ended != nullptr) {
    ended(argument);
  }
}

bool ServedFiles::Overdue(std::uint64_t now_ns) {
  SpinGuard guard(lock_, kAllPlaces);
  for (const Place& place : places_) {
    if ((place.state == State::kQueued || place.state == State::kTaken) &&
        now_ns > place.since_ns + kAnswerWithin) {
      return true;
    }
  }
  return false;
}

// -- the client's side ----------------------------------------------------------------------------

Status ServedFiles::Submit(Request* request) {
  const auto message = request->message();
  const auto low = std::to_integer<unsigned>(message[5]),
             high = std::to_integer<unsigned>(message[6]);
  const std::uint32_t number = PlaceOf(static_cast<std::uint16_t>(low | high << 8));
  const std::uint64_t now = machine::MonotonicNs();
  bool wake = false;
  {
    SpinGuard guard(lock_, kOnePlace);
    if (!open_) {
      return Status::kIoError;
    }
    if (number >= kPlaces || places_[number].state != State::kFree) {
      return Status::kBusy;
    }
    places_[number] = {request, State::kQueued, now};
    queue_[(queue_begin_ + queue_size_++) % kPlaces] = static_cast<std::uint8_t>(number);
    wake = static_cast<bool>(ready_);
  }
  if (wake && !wake_.sent.exchange(true, std::memory_order_acq_rel)) {
    machine::Send(machine::CurrentCpu(), &wake_);
  }
  return Status::kOk;
}

void ServedFiles::OnWake(machine::CpuMessage* message) {
  ServedFiles& owner = *static_cast<Wake*>(message)->owner;
  owner.wake_.sent.store(false, std::memory_order_release);  // before the look
  std::atomic_thread_fence(std::memory_order_seq_cst);
  owner.FireReady();
}

void ServedFiles::FireReady() {
  cobj::Ticket ready;
  {
    SpinGuard guard(lock_);
    if (queue_size_ == 0) {
      return;
    }
    ready = ready_;
    ready_ = {};
  }
  (void)ready.Fire(Status::kOk, 0);
}

// -- the server's side ----------------------------------------------------------------------------

Result<std::uint64_t> ServedFiles::Take(std::uint64_t session, BufferOut message,
                                        const cobj::Ticket& ready) {
  Request* request = nullptr;
  std::uint32_t number = 0;
  std::size_t size = 0;
  cobj::Ticket former;
  {
    SpinGuard guard(lock_, kOnePlace);
    if (IsOver(session)) {
      return Status::kEndpointDown;
    }
    if (queue_size_ == 0) {
      former = ready_;
      if (ready) {
        ready_ = ready;
      }
    } else {
      number = queue_[queue_begin_];
      request = places_[number].request;
      size = request->message().size() + request->OutDataSize();
      if (size > message.size()) {
        return Status::kMessageTooLong;
      }
      queue_begin_ = (queue_begin_ + 1) % kPlaces;
      --queue_size_;
      places_[number].state = State::kCopied;
    }
  }
  if (request == nullptr) {
    if (!ready) {
      return Status::kWouldBlock;
    }
    (void)former.Fire(Status::kCancelled, 0);
    return Status::kPending;
  }
  const Copy copy(size);
  if (copy.bytes() != nullptr) {
    CopyOut(*request, copy.bytes());
  }
  const std::uint64_t now = machine::MonotonicNs();
  bool over = false;
  {
    SpinGuard guard(lock_);
    over = IsOver(session);
    places_[number] =
        over || copy.bytes() == nullptr ? Place{} : Place{request, State::kTaken, now};
  }
  if (over || copy.bytes() == nullptr) {
    request->Complete(over ? Status::kIoError : Status::kNoMemory, 0);
    return over ? Status::kEndpointDown : Status::kNoMemory;
  }
  const Status copied = message.CopyFrom(copy.bytes(), 0, size);
  if (!IsOk(copied)) {
    EndSession(session);  // that request will never be answered
    return copied;
  }
  return size;
}

Status ServedFiles::Answer(std::uint64_t session, BufferIn reply) {
  if (reply.size() < ninep::kHeaderSize || reply.size() > kServedMessageMax) {
    return Status::kInvalidArgument;
  }
  const Copy copy(reply.size());
  if (copy.bytes() == nullptr) {
    return Status::kNoMemory;
  }
  TRY(reply.CopyTo(copy.bytes(), 0, copy.size()));
  ninep::Reader header({copy.bytes(), ninep::kHeaderSize});
  const std::uint32_t said = header.U32();
  header.U8();
  const std::uint32_t number = PlaceOf(header.U16());
  if (said != copy.size()) {
    return Status::kInvalidArgument;
  }
  Request* request = nullptr;
  {
    SpinGuard guard(lock_);
    if (IsOver(session)) {
      return Status::kEndpointDown;
    }
    if (number >= kPlaces || places_[number].state != State::kTaken) {
      return Status::kNotFound;
    }
    request = places_[number].request;
    places_[number].state = State::kCopied;
  }
  const bool fits = copy.size() <= request->front().size() + request->InDataSize();
  if (fits) {
    CopyIn(*request, {copy.bytes(), copy.size()});
  }
  {
    SpinGuard guard(lock_);
    places_[number] = {};
  }
  request->Complete(fits ? Status::kOk : Status::kCorrupt, copy.size());
  return fits ? Status::kOk : Status::kMessageTooLong;
}

}  // namespace k42::fs
