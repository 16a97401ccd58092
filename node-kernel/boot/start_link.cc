#include "boot/start_link.h"

#include "boot/load_reporter.h"
#include "boot/run_agent.h"
#include "boot/start_global.h"
#include "boot/start_memory.h"
#include "boot/start_outside.h"
#include "boot/start_processes.h"
#include "boot/start_streams.h"
#include "boot/trace_agent.h"
#include "boot/unserved_agent.h"
#include "boot/upgrade_agent.h"
#include "drivers/link_device.h"
#include "machine/log.h"
#include "machine/power.h"

namespace k42::boot {
namespace {

constinit global::LinkPort port;
constinit drivers::LinkDevice device(port);
constinit global::ClusterView view;
constinit global::LinkEcho echo(port, view);
constinit global::LinkControl control(port);

// Views and exclusion, from the daemon.
class ViewHandler final : public global::ControlHandler {
 public:
  void OnControl(abi::ControlKind kind, std::uint64_t, Bytes payload) override {
    if (kind == abi::ControlKind::kExcluded) {
      machine::Log("cluster: this node's life is over: it was excluded");
      machine::PowerOff(machine::ExitCode::kFailure);
    }
    if (view.Install(payload) != Status::kOk)
      return machine::Log("cluster: the daemon's view makes no sense");
    port.InstallEpoch(view.epoch());
  }
};
constinit ViewHandler view_handler;
constinit RunAgent runs;
constinit LoadReporter load(port);
constinit TraceAgent traces;
constinit UnservedAgent unserved;

}  // namespace

global::LinkPort& TheLink() {
  return port;
}
global::LinkEcho& TheEcho() {
  return echo;
}

global::LinkControl& TheLinkControl() {
  return control;
}
global::ClusterView& TheView() {
  return view;
}

void StartLink() {
  port.SetReceiver(abi::Channel::kControl, control);
  control.SetHandler(abi::ControlKind::kView, view_handler);
  control.SetHandler(abi::ControlKind::kExcluded, view_handler);
  port.SetReceiver(abi::Channel::kEcho, echo);
  port.SetReceiver(abi::Channel::kStream, StartStreams(port, view));
  StartOutside(control);
  const Result<global::LinkReceiver*> calls = StartGlobal({port, control, echo, view});
  if (calls.ok())
    port.SetReceiver(abi::Channel::kCall, *calls.value());
  else
    machine::Log("link: no calls between nodes ({})", StatusName(calls.status()));
  Status status = runs.Start(Processes(), control);
  if (status != Status::kOk)
    machine::Log("link: no programs for operators ({})", StatusName(status));
  StartUpgrades(control);
  traces.Start(control);
  unserved.Start(Processes(), control);
  Processes().process_ended = [](std::uint32_t process, proc::ExitKind kind, std::uint32_t code) {
    runs.ProcessEnded(process, kind, code);
  };
  status = device.Start();
  if (status != Status::kOk)
    return machine::Log("link: none ({})", StatusName(status));
  load.Start(Frames());
}

}  // namespace k42::boot
