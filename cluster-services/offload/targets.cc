#include "cluster-services/offload/targets.h"

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

}  // namespace

Result<Target> TargetOf(const abi::OffloadAddress& address, const std::set<std::uint16_t>& denied) {
  if (address.port == 0)
    return Status::kConnectionRefused;
  if (address.internet == abi::kOffloadHost) {
    if (address.port == abi::kOffloadControlPort)
      return Target{true, 0, 0};
    if (denied.contains(address.port))
      return Status::kConnectionRefused;
    return Target{false, kLoopback, address.port};
  }
  for (const Prefix& prefix : kNowhere) {
    if ((address.internet ^ prefix.address) >> (32 - prefix.bits) == 0)
      return Status::kUnreachable;
  }
  return Target{false, address.internet, address.port};
}

}  // namespace k42::offload
