#include "cluster-services/offload/targets.h"

#include <arpa/inet.h>

#include <charconv>

namespace k42::offload {
namespace {

constexpr std::uint32_t kLoopback = 0x7f00'0001;

struct Prefix {
  std::uint32_t address;
  std::uint32_t bits;
};
constexpr Prefix kNowhere[] = {
    {0, 8},                         // this network
    {127u << 24, 8},                // loopback: by k42-host only
    {169u << 24 | 254u << 16, 16},  // link-local: where clouds keep their secrets
    {10u << 24 | 42u << 16, 16},    // nodes: the fabric's
    {224u << 24, 4},                // multicast
    {240u << 24, 4},                // reserved, broadcast
};

Result<Target> Unless(const std::set<Denied>& denied, const Target& target) {
  if (denied.contains({target.internet, target.port}))
    return Status::kConnectionRefused;
  return target;
}

}  // namespace

Result<Denied> ParseDenied(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  Denied denied{kLoopback, 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), denied.port);
  if (error != std::errc() || end != port.data() + port.size() || denied.port == 0)
    return Status::kInvalidArgument;
  in_addr address{};
  if (colon != std::string::npos) {
    if (inet_pton(AF_INET, text.substr(0, colon).c_str(), &address) != 1)
      return Status::kInvalidArgument;
    denied.internet = ntohl(address.s_addr);
  }
  return denied;
}

Result<Target> TargetOf(const abi::OffloadAddress& address, const std::set<Denied>& denied) {
  if (address.port == 0)
    return Status::kConnectionRefused;
  if (address.internet == abi::kOffloadHost) {
    if (address.port == abi::kOffloadControlPort)
      return Target{true, 0, 0};
    return Unless(denied, {false, kLoopback, address.port});
  }
  for (const Prefix& prefix : kNowhere) {
    if ((address.internet ^ prefix.address) >> (32 - prefix.bits) == 0)
      return Status::kUnreachable;
  }
  return Unless(denied, {false, address.internet, address.port});
}

}  // namespace k42::offload
