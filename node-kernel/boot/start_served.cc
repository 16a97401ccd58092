#include "boot/start_served.h"

#include <string_view>

#include "boot/served_mount.h"
#include "boot/start_processes.h"
#include "machine/boot_info.h"
#include "machine/log.h"
#include "mem/heap.h"
#include "platform/x86_64/shared/command_line.h"

namespace k42::boot {
namespace {

constexpr std::uint64_t kFirstServedDevice = 0x80;
constexpr std::size_t kMost = 8;
constinit ServedMount* mounts[kMost] = {};
constinit std::size_t count = 0;

Status MountServed(std::string_view program, std::string_view path) {
  if (count == kMost) {
    return Status::kLimitExceeded;
  }
  auto* mount = TRY(mem::New<ServedMount>(program, path));
  const Status status = mount->Mount(kFirstServedDevice + count);
  if (IsOk(status)) {
    mounts[count++] = mount;
  } else {
    mem::Delete(mount);
  }
  return status;
}

}  // namespace

void MountServedFiles() {
  machine::CommandLine::Option option;
  auto words = machine::CommandLine(machine::GetBootInfo().command_line).words();
  while (words.Next(option) && option.key != "--") {
    if (option.key != "serve") {
      continue;
    }
    const std::size_t colon = option.value.find(":/");
    const Status status =
        MountServed(option.value.substr(0, colon), option.value.substr(colon + 1));
    if (!IsOk(status)) {
      machine::Log("files: serve={}: {}", option.value, status);
    }
  }
}

void StartServedFiles() {
  if (count != 0 && Processes().tasks.count() == 0) {
    Processes().tasks.PassFirstNumber();
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Status status = mounts[i]->Start();
    if (!IsOk(status)) {
      machine::Log("files: nobody starts the servers: {}", status);
    }
  }
}

}  // namespace k42::boot
