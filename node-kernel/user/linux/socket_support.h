// Shared by the socket calls.
#pragma once

#include <cstdint>

#include "user/linux/description.h"
#include "user/linux/thread.h"

namespace k42::personality {

// The socket behind a descriptor; null with *error = -EBADF or -ENOTSOCK.
KernelFile* AsSocket(const DescriptionRef& description, std::int64_t* error);

// A descriptor for a socket's handle, which is taken over. `type_flags`: SOCK_NONBLOCK,
// SOCK_CLOEXEC.
std::int64_t NewSocketFile(Thread& thread, kernel::Handle handle, std::uint32_t type_flags);

}  // namespace k42::personality
