// How another process opens /proc/PID/fd/N: it asks process PID, which passes the handle.
//
// Descriptors are the personality's, so the kernel cannot resolve such names. A process that shares
// memory through a file (the only use that cannot do without: UCX's shared-memory transport)
// listens on a local datagram socket with an abstract name; a request is a descriptor's number, the
// answer carries the handle. Only the same user, or user 0, as the kernel stamps the request, is
// answered.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "user/linux/kernel.h"

namespace k42::personality {

// Starts listening, once per process. Failing is no harm: then nobody can ask.
void StartDescriptorService();
// In a forked child: the socket is the parent's.
void ForgetDescriptorService();
// Asks. kNotFound: no such process, descriptor, or listener.
Result<kernel::Handle> AskForDescriptor(std::int32_t pid, std::uint32_t fd);

}  // namespace k42::personality
