#include "cluster-services/noded/deaf_qemu.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "cluster-services/dump/qemu_monitor.h"

namespace k42::noded {
namespace {

constexpr std::chrono::milliseconds kMonitorLimit{2000};
constexpr const char* kRunsAndIsDeaf =
    "though it runs: a daemon died in the first words of the handshake, and QEMU before 8.1 never "
    "takes another";

// What somebody has stopped, or QEMU itself for a while, and may go on (QAPI's RunState). From the
// others, an internal error or a failed disk say, no guest comes back by itself.
bool MayGoOn(const std::string& state) {
  constexpr std::string_view kStates[] = {
      "paused",         "debug",      "prelaunch", "inmigrate", "postmigrate",
      "finish-migrate", "restore-vm", "save-vm",   "suspended", "colo"};
  return std::find(std::begin(kStates), std::end(kStates), state) != std::end(kStates);
}

}  // namespace

// Only our own running time counts: while this process stood still it heard nobody.
void DeafQemu::Look(std::uint64_t now_ns) {
  constexpr std::uint64_t kMostOfATick = 500'000'000;
  const std::uint64_t passed = looked_ns_ == 0 ? 0 : std::min(now_ns - looked_ns_, kMostOfATick);
  looked_ns_ = now_ns;
  if (!silent_()) {
    silent_ns_ = 0;
    said_.clear();
    return;
  }
  silent_ns_ += passed;
  if (silent_ns_ >= kSilentNs && !asking_)
    Ask();
}

void DeafQemu::Ask() {
  asking_ = true;
  if (!thread_)
    thread_.emplace();
  thread_->Post([this, path = monitor_path_, alive = alive_] {
    auto monitor = dump::QemuMonitor::Open(path, kMonitorLimit);
    std::string why = monitor.ok() ? "" : "nor does its monitor: " + monitor.Describe();
    bool over = false;
    if (monitor.ok()) {
      const auto status = monitor.value().Ask("query-status");
      if (!status.ok()) {
        why = "nor does its monitor: " + status.Describe();
      } else if (status->value("running", true)) {
        over = true;
        why = kRunsAndIsDeaf;
      } else {
        const std::string state = status->value("status", std::string("paused"));
        over = !MayGoOn(state);
        why = (over ? "and its guest will not go on: " : "its guest is stopped: ") + state;
      }
    }
    loop_.Post([this, over, why, alive] {
      if (*alive)
        OnAnswer(over, why);
    });
  });
}

void DeafQemu::OnAnswer(bool over, const std::string& why) {
  asking_ = false;
  silent_ns_ = 0;
  if (!silent_())
    return;
  if (!over) {
    if (std::exchange(said_, why) != why)
      spdlog::warn("QEMU does not speak on the link ({}); left alone", why);
    return;
  }
  spdlog::error(
      "QEMU has taken the connection to the link and does not speak on it, {}. "
      "This life of the node ends: QEMU is told to quit",
      why);
  thread_->Post([path = monitor_path_] {
    auto monitor = dump::QemuMonitor::Open(path, kMonitorLimit);
    const auto quit =
        monitor.ok() ? monitor.value().Ask("quit") : Outcome<dump::Json>::From(monitor);
    // That it closes its monitor is how it obeys.
    if (!quit.ok() && quit.status() != Status::kNotFound)
      spdlog::error("QEMU does not quit: {}; end it", quit.Describe());
  });
}

}  // namespace k42::noded
