// LeaseKeeper: a keepalive each period, on one stream.
//
// Answers carry no number, but come in the order of the questions, so the send times wait in a
// queue. A stream whose oldest question is unanswered for kAnswerLimit is left, and the next goes
// to another member (round robin).
#include <deque>

#include "cluster-services/store/etcd_streams.h"
#include "cluster-services/store/stream_thread.h"
#include "etcd/rpc.grpc.pb.h"

namespace k42::store {
namespace {

using std::chrono::steady_clock;
constexpr Milliseconds kAnswerLimit{1500};
constexpr Milliseconds kRetry{100};

class EtcdLeaseKeeper final
    : public LeaseKeeper,
      StreamThread<etcdserverpb::LeaseKeepAliveRequest, etcdserverpb::LeaseKeepAliveResponse> {
 public:
  EtcdLeaseKeeper(std::shared_ptr<grpc::Channel> channel, LeaseId lease, Milliseconds period,
                  LeaseHandler& handler)
      : StreamThread(channel),
        stub_(etcdserverpb::Lease::NewStub(channel)),
        lease_(lease),
        period_(period),
        handler_(handler) {
    Start([this] { Run(); });
  }
  ~EtcdLeaseKeeper() override { StopAndJoin(); }

 private:
  void Run() {
    while (!stopping() && Converse()) {
      if (!stopping())
        Pause(kRetry);
    }
  }

  // One stream's life. False: the lease is gone.
  bool Converse() {
    Stream stream([this](grpc::ClientContext* context, grpc::CompletionQueue* queue) {
      return stub_->PrepareAsyncLeaseKeepAlive(context, queue);
    });
    Current current(*this, stream);
    if (stream.Open(steady_clock::now() + kAnswerLimit) != Step::kDone)
      return true;
    etcdserverpb::LeaseKeepAliveRequest request;
    request.set_id(lease_);
    std::deque<SteadyTime> asked;
    SteadyTime next_question = steady_clock::now();
    while (true) {
      const SteadyTime now = steady_clock::now();
      if (now >= next_question) {
        asked.push_back(now);
        next_question = now + period_;
        if (stream.Send(request, now + kAnswerLimit) != Step::kDone)
          return true;
      }
      SteadyTime until = next_question;
      if (!asked.empty())
        until = std::min(until, asked.front() + kAnswerLimit);
      etcdserverpb::LeaseKeepAliveResponse response;
      switch (stream.Receive(&response, until)) {
        case Step::kBroken:
          return true;
        case Step::kQuiet:
          if (!asked.empty() && steady_clock::now() >= asked.front() + kAnswerLimit)
            return true;
          break;
        case Step::kDone:
          if (response.ttl() <= 0) {
            handler_.OnLost();
            return false;
          }
          if (asked.empty())
            return true;  // an answer to no question: do not guess
          handler_.OnKept(asked.front(), std::chrono::seconds(response.ttl()));
          asked.pop_front();
          break;
      }
    }
  }

  std::unique_ptr<etcdserverpb::Lease::Stub> stub_;
  const LeaseId lease_;
  const Milliseconds period_;
  LeaseHandler& handler_;
};

}  // namespace

std::unique_ptr<LeaseKeeper> StartEtcdLeaseKeeper(std::shared_ptr<grpc::Channel> channel,
                                                  LeaseId lease, Milliseconds period,
                                                  LeaseHandler& handler) {
  return std::make_unique<EtcdLeaseKeeper>(std::move(channel), lease, period, handler);
}

}  // namespace k42::store
