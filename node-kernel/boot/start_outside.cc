#include "boot/start_outside.h"

#include "boot/outside_port.h"
#include "boot/start_files.h"
#include "machine/log.h"

namespace k42::boot {
namespace {

constinit OutsidePort port;
constinit io::OutsideAgent agent(port);

}  // namespace

void StartOutside(global::LinkControl& control) {
  const Status status = port.Start(agent, control);
  if (status != Status::kOk)
    return machine::Log("outside: no sockets ({})", StatusName(status));
  Sockets().SetOutside(agent);
}

}  // namespace k42::boot
