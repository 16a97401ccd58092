// What the two stream threads share: a stop that ends any wait at once, and pauses between
// attempts.
//
// Locking: mutex_ guards stopping_ and current_; the stream itself belongs to the thread.
#pragma once

#include <memory>
#include <mutex>
#include <thread>

#include "cluster-services/store/bidi_stream.h"

namespace k42::store {

template <typename Request, typename Response>
class StreamThread {
 public:
  using Stream = BidiStream<Request, Response>;
  using Step = typename Stream::Step;

  explicit StreamThread(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}
  virtual ~StreamThread() = default;

 protected:
  template <typename Body>
  void Start(Body body) {
    thread_ = std::thread(body);
  }

  // The most derived destructor calls it before its members go.
  void StopAndJoin() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      if (current_ != nullptr)
        current_->Break();
    }
    if (thread_.joinable())
      thread_.join();
  }

  bool stopping() {
    std::lock_guard lock(mutex_);
    return stopping_;
  }

  // Until `time` is over or, if there was no member, one is there; a stop is seen soon.
  void Pause(Milliseconds time) {
    const SteadyTime until = std::chrono::steady_clock::now() + time;
    while (!stopping() && std::chrono::steady_clock::now() < until)
      AwaitMember(*channel_, kStopLatency);
  }

  // Makes `stream` the one that StopAndJoin breaks, for the life of this object.
  class Current {
   public:
    Current(StreamThread& owner, Stream& stream) : owner_(owner) {
      std::lock_guard lock(owner_.mutex_);
      owner_.current_ = &stream;
      if (owner_.stopping_)
        stream.Break();
    }
    ~Current() {
      std::lock_guard lock(owner_.mutex_);
      owner_.current_ = nullptr;
    }
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

   private:
    StreamThread& owner_;
  };

 private:
  static constexpr Milliseconds kStopLatency{50};

  const std::shared_ptr<grpc::Channel> channel_;
  std::mutex mutex_;
  bool stopping_ = false;
  Stream* current_ = nullptr;
  std::thread thread_;
};

}  // namespace k42::store
