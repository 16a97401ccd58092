// Gives up what the process does not need, for good: it speaks for programs of a node, which are
// not trusted, and to hosts outside, which are less.
//
//   - new namespaces: users (where the host allows it), mounts, IPC, names; not the network's
//   - `root` is all of the file system there is
//   - no capability, none to be had by exec; no core dump; few descriptors, little memory
//   - a closed list of system calls; any other kills the process
#pragma once

#include <string>

namespace k42::offload {

// False: *error says which step failed. The process must end then. Single-threaded callers only.
bool Confine(const std::string& root, std::string* error);

}  // namespace k42::offload
