// /proc/mounts and /proc/self/mountinfo: the mount table as text, the same for all tasks.
#include "fs/process_fs.h"

namespace k42::fs {
namespace {

// Calls print(index, file system, path) for each mount.
template <typename Print>
void ForEachMount(Print print) {
  constexpr std::size_t kRoom = 1024;
  auto* path = static_cast<char*>(mem::Allocate(kRoom));
  if (path == nullptr) {
    return;
  }
  for (std::size_t i = 0; i < Sources().tree->mount_count(); ++i) {
    const auto size = Sources().tree->MountPath(i, {path, kRoom});
    if (size.ok()) {
      print(i, *Sources().tree->mount(i).file_system, std::string_view(path, size.value()));
    }
  }
  mem::Free(path, kRoom);
}

std::string_view Mode(const FileSystem& file_system) {
  return file_system.read_only() ? "ro" : "rw";
}

}  // namespace

void GenerateMounts(TextWriter& text, std::uint64_t) {
  ForEachMount([&](std::size_t, const FileSystem& file_system, std::string_view path) {
    text.Print("{} {} {} {} 0 0\n", file_system.TypeName(), path, file_system.TypeName(),
               Mode(file_system));
  });
}

// Number, that of the mount above (all hang below the root), device, root and place, options.
void GenerateMountInfo(TextWriter& text, std::uint64_t) {
  ForEachMount([&](std::size_t i, const FileSystem& file_system, std::string_view path) {
    text.Print("{} {} {}:{} / {} ", i + 1, i == 0 ? 0u : 1u, file_system.device() >> 8,
               file_system.device() & 0xff, path);
    text.Print("{} - {} {} {}\n", Mode(file_system), file_system.TypeName(), file_system.TypeName(),
               Mode(file_system));
  });
}

}  // namespace k42::fs
