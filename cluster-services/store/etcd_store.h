// The Store over etcd's v3 gRPC interface.
//
// One channel holds all members: calls go round robin over those that answer, keepalive pings drop
// a member that hangs (about three seconds), and a read that a member leaves unanswered is asked of
// the next within its deadline. Expect up to three seconds of kUnavailable around a leader's death.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster-services/store/store.h"

namespace k42::store {

struct EtcdOptions {
  std::vector<std::string> endpoints = {};  // "host:port", each member
  // All three or none: mutual TLS. `server_name` is the name every member's certificate carries.
  std::string ca_file = {};
  std::string certificate_file = {};
  std::string key_file = {};
  std::string server_name = "etcd";
};

// Resolves names and reads certificates; does not wait for a member to answer.
Outcome<std::unique_ptr<Store>> OpenEtcd(const EtcdOptions& options);

}  // namespace k42::store
