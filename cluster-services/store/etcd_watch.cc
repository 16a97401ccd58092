// Watch: list, then follow from the revision after it.
//
// States of the thread: list needed -> following -> (broken or silent: following again from
// `next_`)
//                                    -> (history compacted, or time to reconcile: list needed)
// Invariant: the handler has seen the effect of every revision below next_ on the prefix.
//
// The revisions of progress answers are not used: etcd 3.4 may send one before events that are
// older than it. They only show that the member is alive.
#include <algorithm>

#include "cluster-services/store/etcd_streams.h"
#include "cluster-services/store/stream_thread.h"
#include "etcd/rpc.grpc.pb.h"

namespace k42::store {
namespace {

using std::chrono::steady_clock;
constexpr Milliseconds kQuiet{2000};        // then ask the member whether it is there
constexpr Milliseconds kAnswerLimit{2000};  // and leave it when it does not answer
constexpr Milliseconds kRetry{100};
constexpr Milliseconds kRetryLimit{1000};
// etcd has lost delete events around compactions (its issues 18089 and 19179): look again.
constexpr std::chrono::seconds kReconcile{60};

class EtcdWatch final : public Watch,
                        StreamThread<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse> {
 public:
  EtcdWatch(std::shared_ptr<grpc::Channel> channel, Store& store, const std::string& prefix,
            WatchHandler& handler, Revision from_revision)
      : StreamThread(channel),
        stub_(etcdserverpb::Watch::NewStub(channel)),
        store_(store),
        prefix_(prefix),
        handler_(handler),
        next_(from_revision) {
    Start([this] { Run(); });
  }
  ~EtcdWatch() override { StopAndJoin(); }

 private:
  void Run() {
    Milliseconds pause = kRetry;
    while (!stopping()) {
      if (next_ == 0 && !ListAll()) {
        Pause(pause);
        pause = std::min(pause * 2, kRetryLimit);
        continue;
      }
      const Revision before = next_;
      const std::string why = Follow();
      if (stopping())
        return;
      if (!why.empty())
        handler_.OnDisturbed(why);
      pause = next_ != before ? kRetry : std::min(pause * 2, kRetryLimit);
      if (next_ != 0)
        Pause(pause);
    }
  }

  bool ListAll() {
    Outcome<Listing> listing = store_.List(prefix_);
    if (!listing.ok()) {
      handler_.OnDisturbed("cannot list " + prefix_ + ": " + listing.Describe());
      return false;
    }
    handler_.OnListing(listing.value());
    next_ = listing->revision + 1;
    reconcile_at_ = steady_clock::now() + kReconcile;
    return true;
  }

  // Follows until the stream ends; says why (empty: on purpose).
  std::string Follow() {
    Stream stream([this](grpc::ClientContext* context, grpc::CompletionQueue* queue) {
      return stub_->PrepareAsyncWatch(context, queue);
    });
    Current current(*this, stream);
    if (stream.Open(steady_clock::now() + kAnswerLimit) != Step::kDone)
      return "no etcd member takes a watch";
    etcdserverpb::WatchRequest request;
    auto* create = request.mutable_create_request();
    create->set_key(prefix_);
    create->set_range_end(PrefixEnd(prefix_));
    create->set_start_revision(next_);
    if (stream.Send(request, steady_clock::now() + kAnswerLimit) != Step::kDone)
      return "watch stream broke";
    bool asked = false;
    while (true) {
      etcdserverpb::WatchResponse response;
      switch (stream.Receive(&response, steady_clock::now() + (asked ? kAnswerLimit : kQuiet))) {
        case Step::kBroken:
          return "watch stream broke";
        case Step::kQuiet:
          if (asked)
            return "etcd member is silent";
          if (!AskForLife(stream))
            return "watch stream broke";
          asked = true;
          break;
        case Step::kDone:
          asked = false;
          if (response.compact_revision() != 0) {
            next_ = 0;
            return "history was compacted, listing again";
          }
          if (response.canceled())
            return "etcd ended the watch: " + response.cancel_reason();
          Deliver(response);
          break;
      }
      if (reconcile_at_ != SteadyTime{} && steady_clock::now() >= reconcile_at_ && !ListAll())
        return "reconcile failed";
    }
  }

  static bool AskForLife(Stream& stream) {
    etcdserverpb::WatchRequest request;
    request.mutable_progress_request();
    return stream.Send(request, steady_clock::now() + kAnswerLimit) == Step::kDone;
  }

  // A response holds whole revisions (we do not ask for fragments).
  void Deliver(const etcdserverpb::WatchResponse& response) {
    std::vector<Event> events;
    Revision last = 0;
    for (const mvccpb::Event& event : response.events()) {
      if (event.kv().mod_revision() < next_)
        continue;  // a listing has shown it already
      last = std::max<Revision>(last, event.kv().mod_revision());
      events.push_back({event.type() == mvccpb::Event::DELETE,
                        {event.kv().key(), event.kv().value(), event.kv().create_revision(),
                         event.kv().mod_revision(), event.kv().lease()}});
    }
    if (events.empty())
      return;
    handler_.OnEvents(last, events);
    next_ = last + 1;
  }

  std::unique_ptr<etcdserverpb::Watch::Stub> stub_;
  Store& store_;
  const std::string prefix_;
  WatchHandler& handler_;
  Revision next_;  // 0: list first
  SteadyTime reconcile_at_{};
};

}  // namespace

std::unique_ptr<Watch> StartEtcdWatch(std::shared_ptr<grpc::Channel> channel, Store& store,
                                      const std::string& prefix, WatchHandler& handler,
                                      Revision from_revision) {
  return std::make_unique<EtcdWatch>(std::move(channel), store, prefix, handler, from_revision);
}

}  // namespace k42::store
