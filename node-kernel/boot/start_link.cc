#include "boot/start_link.h"

#include "drivers/link_device.h"
#include "machine/log.h"

namespace k42::boot {
namespace {

constinit global::LinkPort port;
constinit drivers::LinkDevice device(port);
constinit global::LinkEcho echo(port);

}  // namespace

global::LinkPort& TheLink() {
  return port;
}
global::LinkEcho& TheEcho() {
  return echo;
}

void StartLink() {
  port.SetReceiver(abi::Channel::kEcho, echo);
  const Status status = device.Start();
  if (status != Status::kOk)
    machine::Log("link: none ({})", StatusName(status));
}

}  // namespace k42::boot
