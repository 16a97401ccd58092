// A QEMU that has taken our connection to the link, and never speaks on it.
//
// QEMU 7.2 (mended in 8.1) stops listening to a vhost-user device for good if the other end went
// between the connection and its first answer: whoever connects afterwards, a daemon's successor,
// waits for ever, and the node has no link until its QEMU is started anew. So this looks for one
// that is silent though its monitor answers, and ends it through the monitor. Who supervises QEMU
// starts it again, and the node joins as a new incarnation.
//
// States:  (hearing) -> silent for kSilentNs of our own running time -> its monitor is asked
//          -> it says that the guest runs, and the link is silent still: told to quit
//          -> it says that the guest is stopped (by an operator, GDB, a core): QEMU speaks to a
//             daemon only when it goes on; asked again later
//          -> it says that the guest has stopped for good (QEMU's own error, say): told to quit
//          -> it does not answer (stopped, or its monitor is somebody else's): asked again later
// QEMU's main loop serves both sockets, the link's first. So an answer of the monitor after seconds
// of silence is proof; a QEMU that is merely stopped, or slow, gives none.
//
// The monitor is asked by a thread of its own; everything else is on the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cluster-services/agent/task_thread.h"
#include "cluster-services/noded/event_loop.h"

namespace k42::noded {

class DeafQemu {
 public:
  static constexpr std::uint64_t kSilentNs = 3'000'000'000;

  // `silent` looks at the link as it is now, what has come included.
  DeafQemu(std::string monitor_path, EventLoop& loop, std::function<bool()> silent)
      : monitor_path_(std::move(monitor_path)), loop_(loop), silent_(std::move(silent)) {}
  ~DeafQemu() { *alive_ = false; }
  DeafQemu(const DeafQemu&) = delete;

  // Each tick of the daemon.
  void Look(std::uint64_t now_ns);

 private:
  void Ask();
  // `over`: nobody will ever be spoken to. `why`, or why it cannot be told yet.
  void OnAnswer(bool over, const std::string& why);

  const std::string monitor_path_;
  EventLoop& loop_;
  const std::function<bool()> silent_;
  std::uint64_t looked_ns_ = 0;
  std::uint64_t silent_ns_ = 0;
  bool asking_ = false;
  std::string said_;                                            // why it is left alone
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // read on the loop's thread only
  std::optional<agent::TaskThread> thread_;                     // made when there is need
};

}  // namespace k42::noded
