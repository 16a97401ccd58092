// Files that programs of this node serve.
//   serve=PROGRAM:/path   the native program PROGRAM serves what is at /path (fs/file_server.idl);
//                         any number of times
#pragma once

namespace k42::boot {

// In StartFiles: the mounts.
void MountServedFiles();

// After StartFirstProcess, which has the first number: the programs. Waits until each has attached,
// or has failed to; who fails is started again, as is who ends.
void StartServedFiles();

}  // namespace k42::boot
