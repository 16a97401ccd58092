#include "cluster-services/store/etcd_channel.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

namespace k42::store {
namespace {

constexpr int kPingMs = 2000;  // a silent connection with streams is asked for life this often
constexpr int kPingTimeoutMs = 1000;  // and dropped when it does not answer
constexpr int kFirstBackoffMs = 100;
constexpr int kLastBackoffMs = 1000;  // a member that came back is used within a second
// An attempt to connect while a host is away must not outlast its return by long (gRPC's own: 20
// s).
constexpr int kAttemptMs = 3000;

constexpr Milliseconds kBetweenAttempts{50};

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// "host:port" -> "a.b.c.d:port". gRPC takes several addresses for one channel only in numbers.
Outcome<std::string> Resolve(const std::string& endpoint) {
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos || colon == 0)
    return {Status::kInvalidArgument, "etcd endpoint '" + endpoint + "' is not host:port"};
  const std::string host = endpoint.substr(0, colon);
  const std::string port = endpoint.substr(colon + 1);
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
    return {Status::kNotFound, "etcd endpoint '" + endpoint + "': " + gai_strerror(error)};
  char text[INET_ADDRSTRLEN] = {};
  const auto* address = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
  inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
  freeaddrinfo(found);
  return std::string(text) + ":" + port;
}

Outcome<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const EtcdOptions& options) {
  if (options.ca_file.empty() && options.certificate_file.empty() && options.key_file.empty())
    return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  const std::pair<const std::string*, std::string*> files[] = {
      {&options.ca_file, &ssl.pem_root_certs},
      {&options.certificate_file, &ssl.pem_cert_chain},
      {&options.key_file, &ssl.pem_private_key}};
  for (const auto& [path, content] : files) {
    auto bytes = ReadFile(*path);
    if (!bytes)
      return {Status::kNotFound, "cannot read '" + *path + "' (TLS needs ca, certificate and key)"};
    *content = std::move(*bytes);
  }
  return grpc::SslCredentials(ssl);
}

bool Says(const grpc::Status& status, const char* words) {
  return status.error_message().find(words) != std::string::npos;
}

}  // namespace

Outcome<std::shared_ptr<grpc::Channel>> MakeChannel(const EtcdOptions& options) {
  if (options.endpoints.empty())
    return {Status::kInvalidArgument, "no etcd endpoint given"};
  std::string target = "ipv4:";
  for (const std::string& endpoint : options.endpoints) {
    Outcome<std::string> address = Resolve(endpoint);
    if (!address.ok())
      return Outcome<std::shared_ptr<grpc::Channel>>::From(address);
    target += (target.back() == ':' ? "" : ",") + address.value();
  }
  auto credentials = Credentials(options);
  if (!credentials.ok())
    return Outcome<std::shared_ptr<grpc::Channel>>::From(credentials);
  grpc::ChannelArguments arguments;
  arguments.SetLoadBalancingPolicyName("round_robin");
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);  // etcd would end the connection
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstBackoffMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kAttemptMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastBackoffMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Two stores in one process (tests) must not share connections and their backoff.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A listing of a large cluster is more than gRPC takes by default (4 MiB); its watch would break
  // for good.
  arguments.SetMaxReceiveMessageSize(-1);
  if (!options.ca_file.empty())
    arguments.SetSslTargetNameOverride(options.server_name);
  return grpc::CreateCustomChannel(target, credentials.value(), arguments);
}

void PrepareContext(grpc::ClientContext& context) {
  context.AddMetadata("hasleader", "true");
}

void AwaitMember(grpc::Channel& channel, Milliseconds time) {
  if (channel.GetState(true) == GRPC_CHANNEL_READY)
    std::this_thread::sleep_for(std::min(time, kBetweenAttempts));
  else
    channel.WaitForConnected(std::chrono::system_clock::now() + time);
}

bool CertainlyNotDone(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
         (Says(status, "failed to connect") || Says(status, "backends failing") ||
          Says(status, "connections to all") || Says(status, "etcdserver: no leader"));
}

Status StatusFromGrpc(const grpc::Status& status, CallKind kind) {
  const bool change = kind == CallKind::kChange;
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return Status::kOk;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return change ? Status::kUnknown : Status::kTimedOut;
    case grpc::StatusCode::NOT_FOUND:
      return Status::kNotFound;
    case grpc::StatusCode::OUT_OF_RANGE:
      return Status::kOutOfRange;
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return Status::kPermissionDenied;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return Says(status, "space exceeded") ? Status::kNoSpace : Status::kBusy;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
      return Status::kInvalidArgument;
    default:
      return change && !CertainlyNotDone(status) ? Status::kUnknown : Status::kUnavailable;
  }
}

std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (prefix.empty())
    return std::string(1, '\0');  // etcd: to the end of all keys
  ++prefix.back();
  return prefix;
}

}  // namespace k42::store
