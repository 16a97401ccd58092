// The node's tree of names, its devices, pipes and sockets; what processes get as handles 2 and 4.
#pragma once

#include <string_view>

#include "fs/name_tree.h"
#include "fs/synthetic.h"
#include "io/socket_services.h"

namespace k42::boot {

// After StartProcesses and with interrupts on: waits for the host's file servers.
//   mount=TAG:/path[:ro]   the host's export TAG (a virtio-9p device), at /path. `ro`: nobody
//                          changes it, so it is cached without asking again. Any number of times.
//   node=N, name=NAME      this node's address is 10.42.0.N, its name NAME (nN)
void StartFiles();

fs::NameTree& Names();
// All folders above and including `path`, unless they are there.
void MakeFolders(std::string_view path);
// /dev, for those who add devices.
fs::SyntheticDirectory& Devices();
// /sys, likewise.
fs::SyntheticDirectory& SystemFiles();
io::SocketServices& Sockets();

}  // namespace k42::boot
