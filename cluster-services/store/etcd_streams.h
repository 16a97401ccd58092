// The two long-lived conversations with etcd, each on a thread of its own. Private to the store.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "cluster-services/store/store.h"

namespace k42::store {

// from_revision 0: list first. Otherwise go on after an earlier watch: everything from that
// revision on is delivered, or a listing, if its history is compacted.
std::unique_ptr<Watch> StartEtcdWatch(std::shared_ptr<grpc::Channel> channel, Store& store,
                                      const std::string& prefix, WatchHandler& handler,
                                      Revision from_revision);

std::unique_ptr<LeaseKeeper> StartEtcdLeaseKeeper(std::shared_ptr<grpc::Channel> channel,
                                                  LeaseId lease, Milliseconds period,
                                                  LeaseHandler& handler);

}  // namespace k42::store
