// The gRPC channel to all members, and how its errors read in our terms. Private to the store.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "cluster-services/store/etcd_store.h"

namespace k42::store {

Outcome<std::shared_ptr<grpc::Channel>> MakeChannel(const EtcdOptions& options);

// Every request says that a member without a leader shall refuse rather than hold it: a watch on a
// partitioned member would be silent for ever.
void PrepareContext(grpc::ClientContext& context);

// Waits, at most `time`, while the channel has no member. Not a plain sleep: gRPC moves its sockets
// forward only while some thread waits in it, so threads that sleep between attempts would never
// see a connection made.
void AwaitMember(grpc::Channel& channel, Milliseconds time);

enum class CallKind { kRead, kChange };

// True when the request did not reach any member, so that it can be repeated whatever it was.
bool CertainlyNotDone(const grpc::Status& status);
Status StatusFromGrpc(const grpc::Status& status, CallKind kind);

// The first key after every key with this prefix, as etcd wants it.
std::string PrefixEnd(std::string prefix);

}  // namespace k42::store
