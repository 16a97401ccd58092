// /proc/self/fd as an open directory: a list of the numbers of the task's descriptors, each a link
// to what it is open to. Names are generated as they are read; a position is the number to go on
// with.
#pragma once

#include "fs/file.types.h"
#include "user/linux/description.h"
#include "user/linux/task.h"

namespace k42::personality {

class DescriptorFolder final : public LocalDescription {
 public:
  // Null: no memory.
  static DescriptorFolder* Create(std::int32_t pid, std::uint32_t linux_flags);

  std::int32_t pid() const { return pid_; }
  // Cookies as getdents64 gives them: 0 at the start, 1 and 2 behind "." and "..", 3 + N behind N.
  std::uint64_t position = 0;

  std::int64_t Read(std::uint64_t address, std::uint64_t size) override;
  std::uint64_t Poll() override;

 private:
  DescriptorFolder(std::int32_t pid, std::uint32_t linux_flags)
      : LocalDescription(Kind::kFolder, linux_flags), pid_(pid) {}
  void Destroy() override;

  const std::int32_t pid_;
};

// Null if it is of another kind.
DescriptorFolder* AsDescriptorFolder(Description* description);

struct FolderName {
  char text[12];
  std::size_t size;
  bool directory;        // "." and ".."
  std::uint64_t node;    // an inode's number
  std::uint64_t cookie;  // where to go on behind it
};
// The next name at or behind `position`. False: the end.
bool NextFolderName(const FdTable& files, std::uint64_t position, FolderName* name);

// The text of the link /proc/self/fd/N for what is open there. Bytes, or an error number.
std::int64_t LinkTextOf(Description* description, char* text, std::size_t size);
// What lstat shows of that link, and stat of the folder.
void LinkAttributesOf(const Description& description, std::uint32_t fd,
                      fs::FileAttributes* attributes);
void FolderAttributes(fs::FileAttributes* attributes);

}  // namespace k42::personality
