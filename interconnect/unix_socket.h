// Unix sockets with descriptors in the luggage, as the carrier and the mapped transport use them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "interconnect/unique_fd.h"

namespace k42::interconnect {

// `type` is SOCK_STREAM or SOCK_SEQPACKET; both are close-on-exec, connections non-blocking. Empty:
// errno says why.
UniqueFd ListenUnix(const std::string& path, int type);
UniqueFd ConnectUnix(const std::string& path, int type);
UniqueFd AcceptUnix(int listener);

enum class Transfer { kDone, kAgain, kClosed };  // kClosed: end of file or any error

// Sends both pieces as one, all or nothing on a packet socket.
Transfer SendUnix(int fd, std::span<const std::byte> first, std::span<const std::byte> second,
                  int passed_fd = -1);

// Receives at most buffer.size() bytes into it; `*size` is how many came, `fds` what came with
// them.
Transfer ReceiveUnix(int fd, std::span<std::byte> buffer, std::size_t* size,
                     std::vector<UniqueFd>* fds);

// Has the other end closed, whatever there is still to read? Not so, if it has only gone deaf or
// speaks nonsense. (An end that stops sending and listens on, as after shutdown, has closed if this
// one has stopped sending, too.)
bool HasClosed(int fd);

}  // namespace k42::interconnect
