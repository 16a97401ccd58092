// QemuMonitor: the monitor of a node's QEMU (QMP, over a Unix socket), asked without the node's or
// its daemon's help.
//
// QEMU serves one client at a time; a second one waits in the queue, without a greeting. So
// connect, ask, and leave. Every wait ends by `limit`.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "cluster-services/support/outcome.h"
#include "interconnect/unique_fd.h"

namespace k42::dump {

using Json = nlohmann::json;
using Milliseconds = std::chrono::milliseconds;

class QemuMonitor {
 public:
  // kNotFound: no QEMU is there (any more). kUnavailable: one is, and says nothing.
  static Outcome<QemuMonitor> Open(const std::string& path, Milliseconds limit);

  // The process behind the socket, as the kernel of this host knows it.
  pid_t process() const { return process_; }

  // One command's "return"; what it refuses is kIoError, in its words.
  Outcome<Json> Ask(const std::string& command, const Json& arguments = Json::object());
  // A line of the monitor that people use; its text.
  Outcome<std::string> Human(const std::string& line);

 private:
  QemuMonitor(interconnect::UniqueFd socket, Milliseconds limit)
      : socket_(std::move(socket)), limit_(limit) {}
  Outcome<std::string> NextLine();

  interconnect::UniqueFd socket_;
  Milliseconds limit_;
  pid_t process_ = 0;
  std::string received_;
};

}  // namespace k42::dump
