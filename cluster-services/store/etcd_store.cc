#include "cluster-services/store/etcd_store.h"

#include <algorithm>

#include "cluster-services/store/etcd_channel.h"
#include "cluster-services/store/etcd_streams.h"
#include "etcd/rpc.grpc.pb.h"

namespace k42::store {
namespace {

using std::chrono::steady_clock;
// A member gets this long before a read is asked of the next one.
constexpr Milliseconds kAttempt{700};
constexpr Milliseconds kBetweenAttempts{50};

KeyValue FromProto(const mvccpb::KeyValue& pair) {
  return {pair.key(), pair.value(), pair.create_revision(), pair.mod_revision(), pair.lease()};
}

void Fill(etcdserverpb::Compare* compare, const Transaction::Condition& condition) {
  compare->set_key(condition.key);
  compare->set_result(etcdserverpb::Compare::EQUAL);
  switch (condition.kind) {
    case Transaction::Condition::Kind::kAbsent:
      compare->set_target(etcdserverpb::Compare::CREATE);
      compare->set_create_revision(0);
      break;
    case Transaction::Condition::Kind::kCreated:
      compare->set_target(etcdserverpb::Compare::CREATE);
      compare->set_create_revision(condition.revision);
      break;
    case Transaction::Condition::Kind::kModified:
      compare->set_target(etcdserverpb::Compare::MOD);
      compare->set_mod_revision(condition.revision);
      break;
  }
}

void Fill(etcdserverpb::RequestOp* operation, const Transaction::Change& change) {
  if (change.kind == Transaction::Change::Kind::kDelete) {
    operation->mutable_request_delete_range()->set_key(change.key);
    return;
  }
  auto* put = operation->mutable_request_put();
  put->set_key(change.key);
  put->set_value(change.value);
  put->set_lease(change.lease);
}

class EtcdStore final : public Store {
 public:
  explicit EtcdStore(std::shared_ptr<grpc::Channel> channel)
      : channel_(std::move(channel)),
        kv_(etcdserverpb::KV::NewStub(channel_)),
        lease_(etcdserverpb::Lease::NewStub(channel_)) {}

  Outcome<std::optional<KeyValue>> Get(const std::string& key, Milliseconds deadline) override {
    Outcome<Listing> listing = Range(key, {}, deadline);
    if (!listing.ok())
      return Outcome<std::optional<KeyValue>>::From(listing);
    if (listing->pairs.empty())
      return std::optional<KeyValue>();
    return std::optional<KeyValue>(std::move(listing.value().pairs.front()));
  }

  Outcome<Listing> List(const std::string& prefix, Milliseconds deadline) override {
    return Range(prefix, PrefixEnd(prefix), deadline);
  }

  Outcome<Revision> Put(const std::string& key, const std::string& value, LeaseId lease,
                        Milliseconds deadline) override {
    etcdserverpb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    request.set_lease(lease);
    etcdserverpb::PutResponse response;
    const grpc::Status status = Ask(CallKind::kChange, deadline, [&](grpc::ClientContext* context) {
      return kv_->Put(context, request, &response);
    });
    if (!status.ok())
      return Failed<Revision>(status, CallKind::kChange);
    return Revision{response.header().revision()};
  }

  Outcome<Revision> Delete(const std::string& key, Milliseconds deadline) override {
    etcdserverpb::DeleteRangeRequest request;
    request.set_key(key);
    etcdserverpb::DeleteRangeResponse response;
    const grpc::Status status = Ask(CallKind::kChange, deadline, [&](grpc::ClientContext* context) {
      return kv_->DeleteRange(context, request, &response);
    });
    if (!status.ok())
      return Failed<Revision>(status, CallKind::kChange);
    return Revision{response.header().revision()};
  }

  Outcome<Committed> Commit(const Transaction& transaction, Milliseconds deadline) override {
    etcdserverpb::TxnRequest request;
    for (const Transaction::Condition& condition : transaction.conditions)
      Fill(request.add_compare(), condition);
    for (const Transaction::Change& change : transaction.changes)
      Fill(request.add_success(), change);
    etcdserverpb::TxnResponse response;
    const grpc::Status status = Ask(CallKind::kChange, deadline, [&](grpc::ClientContext* context) {
      return kv_->Txn(context, request, &response);
    });
    if (!status.ok())
      return Failed<Committed>(status, CallKind::kChange);
    return Committed{response.succeeded(), response.header().revision()};
  }

  // A grant that got lost ends by itself, so it may be asked again like a read.
  Outcome<Lease> GrantLease(std::chrono::seconds ttl, Milliseconds deadline) override {
    etcdserverpb::LeaseGrantRequest request;
    request.set_ttl(ttl.count());
    etcdserverpb::LeaseGrantResponse response;
    SteadyTime sent;
    const grpc::Status status = Ask(CallKind::kRead, deadline, [&](grpc::ClientContext* context) {
      sent = steady_clock::now();
      return lease_->LeaseGrant(context, request, &response);
    });
    if (!status.ok())
      return Failed<Lease>(status, CallKind::kRead);
    return Lease{response.id(), std::chrono::seconds(response.ttl()), sent};
  }

  Outcome<Done> RevokeLease(LeaseId lease, Milliseconds deadline) override {
    etcdserverpb::LeaseRevokeRequest request;
    request.set_id(lease);
    etcdserverpb::LeaseRevokeResponse response;
    // Revoking twice is revoking once: repeat it freely.
    const grpc::Status status = Ask(CallKind::kRead, deadline, [&](grpc::ClientContext* context) {
      return lease_->LeaseRevoke(context, request, &response);
    });
    if (!status.ok() && status.error_code() != grpc::StatusCode::NOT_FOUND)
      return Failed<Done>(status, CallKind::kChange);
    return Done{};
  }

  std::unique_ptr<LeaseKeeper> KeepLease(LeaseId lease, Milliseconds period,
                                         LeaseHandler& handler) override {
    return StartEtcdLeaseKeeper(channel_, lease, period, handler);
  }

  std::unique_ptr<Watch> WatchPrefix(const std::string& prefix, WatchHandler& handler) override {
    return StartEtcdWatch(channel_, *this, prefix, handler, 0);
  }

 private:
  // Asks members until one answers or the deadline is over. A change is sent only over a connection
  // that stands, so that without one it is certainly not made; it is repeated only when it
  // certainly reached nobody, and gets the whole remaining time, since leaving it decides nothing.
  template <typename Call>
  grpc::Status Ask(CallKind kind, Milliseconds deadline, Call call) {
    const SteadyTime until = steady_clock::now() + deadline;
    grpc::Status status(grpc::StatusCode::UNAVAILABLE, "failed to connect to any member");
    while (true) {
      auto left = std::chrono::duration_cast<Milliseconds>(until - steady_clock::now());
      if (left <= Milliseconds(0) ||
          (channel_->GetState(true) != GRPC_CHANNEL_READY &&
           !channel_->WaitForConnected(std::chrono::system_clock::now() + left)))
        return status;
      grpc::ClientContext context;
      PrepareContext(context);
      left = std::chrono::duration_cast<Milliseconds>(until - steady_clock::now());
      const Milliseconds limit = kind == CallKind::kRead ? std::min(left, kAttempt) : left;
      context.set_deadline(std::chrono::system_clock::now() + limit);
      status = call(&context);
      const bool again =
          CertainlyNotDone(status) ||
          (kind == CallKind::kRead && (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                                       status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED));
      if (!again)
        return status;
      AwaitMember(*channel_, kBetweenAttempts);
    }
  }

  template <typename T>
  static Outcome<T> Failed(const grpc::Status& status, CallKind kind) {
    return {StatusFromGrpc(status, kind), "etcd: " + status.error_message()};
  }

  Outcome<Listing> Range(const std::string& key, const std::string& end, Milliseconds deadline) {
    etcdserverpb::RangeRequest request;
    request.set_key(key);
    request.set_range_end(end);
    etcdserverpb::RangeResponse response;
    const grpc::Status status = Ask(CallKind::kRead, deadline, [&](grpc::ClientContext* context) {
      return kv_->Range(context, request, &response);
    });
    if (!status.ok())
      return Failed<Listing>(status, CallKind::kRead);
    Listing listing{response.header().revision(), {}};
    for (const mvccpb::KeyValue& pair : response.kvs()) listing.pairs.push_back(FromProto(pair));
    return listing;
  }

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<etcdserverpb::KV::Stub> kv_;
  std::unique_ptr<etcdserverpb::Lease::Stub> lease_;
};

}  // namespace

Outcome<std::unique_ptr<Store>> OpenEtcd(const EtcdOptions& options) {
  auto channel = MakeChannel(options);
  if (!channel.ok())
    return {channel.status(), channel.detail()};
  return std::unique_ptr<Store>(std::make_unique<EtcdStore>(channel.value()));
}

}  // namespace k42::store
