#include "cluster-services/noded/deaf_qemu.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "cluster-services/dump/qemu_monitor.h"

namespace k42::noded {
namespace {

constexpr std::chrono::milliseconds kMonitorLimit{2000};

}  // namespace

// Only our own running time counts: while this process stood still it heard nobody.
void DeafQemu::Look(std::uint64_t now_ns) {
  constexpr std::uint64_t kMostOfATick = 500'000'000;
  const std::uint64_t passed = looked_ns_ == 0 ? 0 : std::min(now_ns - looked_ns_, kMostOfATick);
  looked_ns_ = now_ns;
  if (!silent_()) {
    silent_ns_ = 0;
    said_ = false;
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
    bool runs = false;
    if (monitor.ok()) {
      const auto status = monitor.value().Ask("query-status");
      runs = status.ok() && status->value("running", true);
      if (!status.ok())
        why = "nor does its monitor: " + status.Describe();
      else if (!runs)
        why = "its guest is stopped: " + status->value("status", std::string("paused"));
    }
    loop_.Post([this, runs, why, alive] {
      if (*alive)
        OnAnswer(runs, why);
    });
  });
}

void DeafQemu::OnAnswer(bool runs, const std::string& why) {
  asking_ = false;
  silent_ns_ = 0;
  if (!silent_())
    return;
  if (!runs) {
    if (!std::exchange(said_, true))
      spdlog::warn("QEMU does not speak on the link ({}); left alone", why);
    return;
  }
  spdlog::error(
      "QEMU has taken the connection to the link and does not speak on it, though it runs: a "
      "daemon died in the first words of the handshake, and QEMU before 8.1 never takes another. "
      "This life of the node ends: QEMU is told to quit");
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
