// One gRPC stream, driven by one thread that can wait for the answer *and* for a time.
//
// Used by one thread, but for Break(), which any thread may call to end every wait at once. A read
// that was quiet until its time stays posted; the next Receive goes on waiting for it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "cluster-services/store/etcd_channel.h"

namespace k42::store {

template <typename Request, typename Response>
class BidiStream {
 public:
  enum class Step { kDone, kQuiet, kBroken };
  using Call = grpc::ClientAsyncReaderWriter<Request, Response>;

  // `prepare(context, queue)` is the stub's PrepareAsync method for the stream.
  template <typename Prepare>
  explicit BidiStream(Prepare prepare) {
    PrepareContext(context_);
    call_ = prepare(&context_, &queue_);
  }

  ~BidiStream() {
    context_.TryCancel();
    if (started_ || starting_) {
      call_->Finish(&finish_, Tag(kFinish));
      while (!finished_ && NextEvent(SteadyTime::max()) != Step::kQuiet) {
      }
    }
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  BidiStream(const BidiStream&) = delete;
  BidiStream& operator=(const BidiStream&) = delete;

  Step Open(SteadyTime until) {
    starting_ = true;
    call_->StartCall(Tag(kStart));
    const Step step = WaitFor(started_, until);
    if (step == Step::kDone)
      PostRead();
    return step;
  }

  Step Send(const Request& request, SteadyTime until) {
    sent_ = false;
    call_->Write(request, Tag(kWrite));
    return WaitFor(sent_, until);
  }

  Step Receive(Response* response, SteadyTime until) {
    const Step step = WaitFor(received_, until);
    if (step == Step::kDone) {
      response->Swap(&incoming_);
      PostRead();
    }
    return step;
  }

  void Break() { context_.TryCancel(); }

 private:
  enum Operation : std::intptr_t { kStart = 1, kWrite, kRead, kFinish };
  static void* Tag(Operation operation) { return reinterpret_cast<void*>(operation); }

  void PostRead() {
    received_ = false;
    incoming_.Clear();
    call_->Read(&incoming_, Tag(kRead));
  }

  Step WaitFor(const bool& flag, SteadyTime until) {
    while (!flag && !broken_) {
      if (NextEvent(until) == Step::kQuiet)
        return Step::kQuiet;
    }
    return flag ? Step::kDone : Step::kBroken;
  }

  Step NextEvent(SteadyTime until) {
    void* tag = nullptr;
    bool ok = false;
    auto deadline = std::chrono::system_clock::time_point::max();
    if (until != SteadyTime::max()) {
      deadline = std::chrono::system_clock::now() +
                 std::chrono::duration_cast<std::chrono::system_clock::duration>(
                     until - std::chrono::steady_clock::now());
    }
    if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT)
      return Step::kQuiet;
    switch (reinterpret_cast<std::intptr_t>(tag)) {
      case kStart:
        started_ = ok;
        break;
      case kWrite:
        sent_ = ok;
        break;
      case kRead:
        received_ = ok;
        break;
      case kFinish:
        finished_ = true;
        break;
    }
    if (!ok)
      broken_ = true;
    return Step::kDone;
  }

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<Call> call_;
  Response incoming_;
  grpc::Status finish_;
  bool starting_ = false;
  bool started_ = false;
  bool sent_ = false;
  bool received_ = false;
  bool finished_ = false;
  bool broken_ = false;
};

}  // namespace k42::store
