#include "fs/ninep_client.h"

#include <algorithm>
#include <bit>
#include <new>

#include "mem/heap.h"

namespace k42::fs::ninep {

// -- Request --------------------------------------------------------------------------------------

Result<Request*> Request::Make(Client& client, std::size_t out_size, std::size_t in_size) {
  in_size = std::max(in_size, kReadReplyHeader);  // what an error reply needs
  void* space = mem::Allocate(sizeof(Request) + out_size + in_size);
  if (space == nullptr) {
    return Status::kNoMemory;
  }
  return ::new (space) Request(client, out_size, in_size);
}

void Request::Free() {
  const std::size_t size = sizeof(Request) + out_size_ + in_size_;
  this->~Request();
  mem::Free(this, size);
}

Writer& Request::Begin(Type type) {
  type_ = type;
  writer_.Begin(type, kNoTag);
  return writer_;
}

std::size_t Request::OutDataSize() const {
  std::size_t size = 0;
  for (const Segment& segment : out_data()) {
    size += segment.size;
  }
  return size;
}

std::size_t Request::InDataSize() const {
  std::size_t size = 0;
  for (const Segment& segment : in_data()) {
    size += segment.size;
  }
  return size;
}

void Request::Complete(Status transport, std::size_t received) {
  front_size_ = kHeaderSize;
  status_ = transport;
  if (IsOk(transport)) {
    front_size_ = std::clamp(received, kHeaderSize, in_size_);
    status_ = received > in_size_ + InDataSize()
                  ? Status::kCorrupt
                  : CheckReply({in(), std::min(received, in_size_)}, received, type_, tag_);
  }
  client_.Finished(this);
}

// -- Client ---------------------------------------------------------------------------------------

Status Client::Submit(Request* request, Request::Completed completed) {
  const std::size_t data = request->OutDataSize();
  request->completed_ = completed;
  request->message_size_ = request->writer_.End(data);
  if (request->message_size_ == 0 ||
      (max_message() != 0 && request->message_size_ + data > max_message())) {
    return Status::kMessageTooLong;
  }
  if (!Launch(request)) {
    Finished(request);
  }
  return Status::kOk;
}

bool Client::Launch(Request* request) {
  std::uint32_t tag = kNoTag;
  if (request->type_ != Type::kVersion) {
    machine::SpinGuard guard(lock_);
    if (~tags_in_use_ == 0) {
      waiting_.PushBack(request);
      return true;
    }
    tag = static_cast<std::uint32_t>(std::countr_one(tags_in_use_));
    tags_in_use_ |= std::uint64_t{1} << tag;
  }
  request->tag_ = static_cast<std::uint16_t>(tag);
  request->out()[5] = static_cast<std::byte>(tag);
  request->out()[6] = static_cast<std::byte>(tag >> 8);
  const Status status =
      request->HasFid() && !IsKnown(request->fid()) ? Status::kDeleted : transport_.Submit(request);
  if (!IsOk(status)) {
    request->status_ = status;
    request->front_size_ = kHeaderSize;
  }
  return IsOk(status);
}

// The next one may be refused at once, and the one behind it.
void Client::Finished(Request* request) {
  while (request != nullptr) {
    Request* next = nullptr;
    {
      machine::SpinGuard guard(lock_);
      if (request->tag_ < kTags) {
        tags_in_use_ &= ~(std::uint64_t{1} << request->tag_);
      }
      next = waiting_.PopFront();
    }
    request->completed_(request);
    request = next != nullptr && !Launch(next) ? next : nullptr;
  }
}

Status Client::Call(Request& request) {
  request.waiter_ = machine::Thread::Current();
  request.done_.store(false, std::memory_order_relaxed);
  TRY(Submit(&request, [](Request* done) {
    machine::Thread* waiter = done->waiter_;  // `done` may be gone after the store
    done->done_.store(true, std::memory_order_release);
    waiter->Unblock();
  }));
  while (!request.done_.load(std::memory_order_acquire)) {
    machine::Thread::BlockExternal();
  }
  return request.status();
}

void Client::Clunk(std::uint32_t fid) {
  if (!IsKnown(fid)) {
    return;
  }
  const auto request = Request::Make(*this, kHeaderSize + 4, 0);
  if (!request.ok()) {
    return;  // the server keeps an unused fid: its loss, and it ends with the session
  }
  request.value()->Begin(Type::kClunk).U32(fid);
  if (!IsOk(Submit(request.value(), [](Request* done) { done->Free(); }))) {
    request.value()->Free();
  }
}

Status Client::Start() {
  constexpr std::string_view kVersionName = "9P2000.L";
  const std::size_t wanted = transport_.MaxMessage();
  ScopedRequest request(TRY(Request::Make(*this, 64, 64)));
  Writer& message = request->Begin(Type::kVersion);
  message.U32(static_cast<std::uint32_t>(wanted));
  message.Text(kVersionName);
  TRY(Call(*request));
  Reader reply(request->reply());
  const std::uint32_t size = reply.U32();
  const std::string_view version = reply.Text();
  TRY(reply.Check());
  constexpr std::uint32_t kLeast = 4096 + 64;
  if (version != kVersionName || size < kLeast || size > wanted) {
    return Status::kVersionMismatch;
  }
  max_message_.store(size, std::memory_order_relaxed);
  return Status::kOk;
}

}  // namespace k42::fs::ninep
