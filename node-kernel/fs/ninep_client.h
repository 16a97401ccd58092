// A 9P2000.L session over some transport: tags, fids, requests waiting for their replies.
//
// A Request is one heap block: the message to send, room for the reply's front, and optionally
// pages that the data of a read or write goes to or comes from directly. Its life:
//   made -> Submit -> with the transport (or queued: no tag is free) -> Complete -> `completed`
// `completed` runs in thread context on any CPU, exactly once, and owns the request again.
//
// A transport may have a server after the other (served_files.h). Fids are never given out twice;
// those of a server that has gone are refused here (kDeleted), which no later server sees.
//
// Locking: lock_ guards tags and the queue. The transport is called without it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/intrusive_queue.h"
#include "base/result.h"
#include "fs/ninep_message.h"
#include "machine/phys.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"

namespace k42::fs::ninep {

class Client;

// Physical memory that data is carried to or from.
struct Segment {
  machine::PhysAddr address;
  std::uint32_t size;
};

class Request final : public QueueLink<> {
 public:
  using Completed = void (*)(Request*);
  static constexpr std::size_t kMaxSegments = 17;

  // Room for a message of `out_size` and a reply front of `in_size` bytes.
  static Result<Request*> Make(Client& client, std::size_t out_size, std::size_t in_size);
  void Free();

  Writer& Begin(Type type);
  // Data pages: of a write before End, of a read at any time before Submit.
  void AddOut(Segment segment) { out_data_[out_segments_++] = segment; }
  void AddIn(Segment segment) { in_data_[in_segments_++] = segment; }
  std::size_t OutDataSize() const;
  std::size_t InDataSize() const;

  // After completion. The reply's fields behind the header, as far as they are in the front.
  Status status() const { return status_; }
  std::span<const std::byte> reply() const {
    return {in() + kHeaderSize, front_size_ - kHeaderSize};
  }

  // -- for transports --
  std::span<const std::byte> message() const { return {out(), message_size_}; }
  std::span<std::byte> front() { return {in(), in_size_}; }
  std::span<const Segment> out_data() const { return {out_data_, out_segments_}; }
  std::span<const Segment> in_data() const { return {in_data_, in_segments_}; }
  // The reply has arrived, `received` bytes, or the transport failed.
  void Complete(Status transport, std::size_t received);

  void* user = nullptr;  // whoever sends it

 private:
  friend class Client;
  Request(Client& client, std::size_t out_size, std::size_t in_size)
      : client_(client), out_size_(out_size), in_size_(in_size), writer_({out(), out_size}) {}

  std::byte* out() { return reinterpret_cast<std::byte*>(this + 1); }
  const std::byte* out() const { return reinterpret_cast<const std::byte*>(this + 1); }
  std::byte* in() { return out() + out_size_; }
  const std::byte* in() const { return out() + out_size_; }

  Client& client_;
  const std::size_t out_size_;
  const std::size_t in_size_;
  // The fid that a message begins with; those without one are never refused.
  bool HasFid() const { return type_ != Type::kVersion && type_ != Type::kFlush; }
  std::uint32_t fid() const { return Reader({out() + kHeaderSize, 4}).U32(); }

  Writer writer_;
  Type type_ = Type::kVersion;
  std::uint16_t tag_ = kNoTag;
  std::size_t message_size_ = 0;
  std::size_t front_size_ = kHeaderSize;
  Segment out_data_[kMaxSegments];
  Segment in_data_[kMaxSegments];
  std::uint32_t out_segments_ = 0;
  std::uint32_t in_segments_ = 0;
  Status status_ = Status::kOk;
  Completed completed_ = nullptr;
  machine::Thread* waiter_ = nullptr;
  std::atomic<bool> done_{false};
};

// What carries messages: a virtio device, or a test.
class Transport {
 public:
  // Takes at least Client::kTags requests and one more at a time. On an error the request was not
  // taken.
  virtual Status Submit(Request* request) = 0;
  // Largest message either way.
  virtual std::size_t MaxMessage() const = 0;
  virtual void SetReceiver(Client* client) = 0;

 protected:
  ~Transport() = default;
};

class Client {
 public:
  explicit Client(Transport& transport) : transport_(transport) { transport.SetReceiver(this); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Version handshake. Waits.
  Status Start();
  // The server that knew the fids given out so far has gone.
  void ForgetFids() { first_fid_.store(NewFid() + 1, std::memory_order_release); }
  // A fid that the present server may know.
  bool IsKnown(std::uint32_t fid) const {
    return fid >= first_fid_.load(std::memory_order_acquire);
  }
  std::size_t max_message() const { return max_message_.load(std::memory_order_relaxed); }
  // Largest data of one read or write.
  std::uint32_t max_data() const {
    return static_cast<std::uint32_t>(max_message() - kWriteHeader);
  }

  std::uint32_t NewFid() { return next_fid_.fetch_add(1, std::memory_order_relaxed); }

  // Sends; `completed` runs later, on any CPU. On an error of this function it does not.
  Status Submit(Request* request, Request::Completed completed);
  // Sends and waits: the status of the reply.
  Status Call(Request& request);
  // Forgets a fid, without waiting.
  void Clunk(std::uint32_t fid);

  static constexpr std::uint32_t kTags = 64;

 private:
  friend class Request;
  // False: refused, with its status set.
  bool Launch(Request* request);
  // Not to be called from Launch: the next one's end would be within this one's, and so on.
  void Finished(Request* request);

  Transport& transport_;
  std::atomic<std::size_t> max_message_{0};  // 0: no handshake yet
  std::atomic<std::uint32_t> next_fid_{1};
  std::atomic<std::uint32_t> first_fid_{1};
  machine::SpinLock<LockRank::kWaitQueue> lock_;
  std::uint64_t tags_in_use_ K42_GUARDED_BY(lock_) = 0;
  IntrusiveQueue<Request> waiting_ K42_GUARDED_BY(lock_);
};

// A request that is freed at the end of the block.
class ScopedRequest {
 public:
  explicit ScopedRequest(Request* request) : request_(request) {}
  ~ScopedRequest() { request_->Free(); }
  ScopedRequest(const ScopedRequest&) = delete;
  ScopedRequest& operator=(const ScopedRequest&) = delete;
  Request& operator*() const { return *request_; }
  Request* operator->() const { return request_; }

 private:
  Request* const request_;
};

}  // namespace k42::fs::ninep
