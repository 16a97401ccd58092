#include "user/linux/descriptor_folder.h"

#include <cstring>

#include "user/linux/abi_files.h"
#include "user/linux/epoll.h"
#include "user/linux/errno.h"
#include "user/linux/heap.h"

namespace k42::personality {
namespace {

constexpr std::uint64_t kNames = 2;  // "." and ".." come first
constexpr std::uint64_t kFirstNode = 1 << 16;
constexpr std::uint32_t kPairMajor = 136;  // /dev/pts/N
constexpr std::uint64_t kLinkSize = 64;    // what Linux says of all of them

class Text {
 public:
  Text(char* bytes, std::size_t size) : bytes_(bytes), room_(size) {}
  Text& Put(const char* text) {
    for (; *text; ++text) {
      Add(*text);
    }
    return *this;
  }
  Text& Put(std::uint64_t number) {
    char digits[20];
    int count = 0;
    do {
      digits[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    while (count > 0) {
      Add(digits[--count]);
    }
    return *this;
  }
  std::int64_t size() const { return static_cast<std::int64_t>(size_); }

 private:
  void Add(char c) {
    if (size_ < room_) {
      bytes_[size_++] = c;
    }
  }
  char* bytes_;
  std::size_t room_;
  std::size_t size_ = 0;
};

// What has no name in any folder.
std::int64_t NamelessText(const fs::FileAttributes& attributes, Text& text) {
  switch (attributes.kind) {
    case fs::FileKind::kFifo:
      return text.Put("pipe:[").Put(attributes.node).Put("]").size();
    case fs::FileKind::kSocket:
      return text.Put("socket:[").Put(attributes.node).Put("]").size();
    case fs::FileKind::kEventCounter:
      return text.Put("anon_inode:[eventfd]").size();
    case fs::FileKind::kFileWatcher:
      return text.Put("anon_inode:inotify").size();
    case fs::FileKind::kTask:
      return text.Put("anon_inode:[pidfd]").size();
    case fs::FileKind::kCharacterDevice:
      if (attributes.device_major == kPairMajor) {
        return text.Put("/dev/pts/").Put(attributes.device_minor).size();
      }
      return text.Put("/dev/console").size();
    default:
      return text.Put("/tmp/#").Put(attributes.node).Put(" (deleted)").size();
  }
}

}  // namespace

DescriptorFolder* DescriptorFolder::Create(std::int32_t pid, std::uint32_t linux_flags) {
  void* memory = Allocate(sizeof(DescriptorFolder));
  return memory ? new (memory) DescriptorFolder(pid, linux_flags) : nullptr;
}

void DescriptorFolder::Destroy() {
  Epoll::DescriptionGone(this);
  Delete(this);
}

std::int64_t DescriptorFolder::Read(std::uint64_t, std::uint64_t) {
  return -kEISDIR;
}
std::uint64_t DescriptorFolder::Poll() {
  return Word(abi::kReadable | abi::kWritable);
}

DescriptorFolder* AsDescriptorFolder(Description* description) {
  return description && description->kind() == Description::Kind::kFolder
             ? static_cast<DescriptorFolder*>(description)
             : nullptr;
}

bool NextFolderName(const FdTable& files, std::uint64_t position, FolderName* name) {
  name->directory = position < kNames;
  if (name->directory) {
    name->size = position + 1;
    std::memset(name->text, '.', name->size);
    name->cookie = position + 1;
    name->node = kFirstNode - 1;
    return true;
  }
  for (std::uint64_t fd = position - kNames; fd < files.size(); ++fd) {
    if (files.Peek(static_cast<std::uint32_t>(fd))) {
      name->size = static_cast<std::size_t>(Text(name->text, sizeof(name->text)).Put(fd).size());
      name->cookie = fd + kNames + 1;
      name->node = kFirstNode + fd;
      return true;
    }
  }
  return false;
}

std::int64_t LinkTextOf(Description* description, char* bytes, std::size_t size) {
  Text text(bytes, size);
  switch (description->kind()) {
    case Description::Kind::kEpoll:
      return text.Put("anon_inode:[eventpoll]").size();
    case Description::Kind::kTimer:
      return text.Put("anon_inode:[timerfd]").size();
    case Description::Kind::kSignal:
      return text.Put("anon_inode:[signalfd]").size();
    case Description::Kind::kNetlink:
      return text.Put("socket:[1]").size();
    case Description::Kind::kFolder:
      return text.Put("/proc/")
          .Put(static_cast<std::uint64_t>(AsDescriptorFolder(description)->pid()))
          .Put("/fd")
          .size();
    case Description::Kind::kFile:
      break;
  }
  const kernel::Handle handle = static_cast<KernelFile*>(description)->handle();
  const Result<std::uint64_t> path = kernel::GetPath(handle, bytes, size);
  if (path.ok()) {
    return static_cast<std::int64_t>(path.value() < size ? path.value() : size);
  }
  fs::FileAttributes attributes{};
  const Status status = kernel::GetFileAttributes(handle, &attributes);
  return status == Status::kOk ? NamelessText(attributes, text) : ErrnoOf(status);
}

void LinkAttributesOf(const Description& description, std::uint32_t fd,
                      fs::FileAttributes* attributes) {
  const std::uint32_t access = description.linux_flags() & kO_ACCMODE;
  *attributes = {};
  attributes->kind = fs::FileKind::kSymbolicLink;
  attributes->mode = access == kO_RDONLY ? 0500 : access == kO_WRONLY ? 0300 : 0700;
  attributes->links = 1;
  attributes->size = kLinkSize;
  attributes->block_size = 1024;
  attributes->node = kFirstNode + fd;
}

void FolderAttributes(fs::FileAttributes* attributes) {
  *attributes = {};
  attributes->kind = fs::FileKind::kDirectory;
  attributes->mode = 0500;
  attributes->links = 2;
  attributes->block_size = 1024;
  attributes->node = kFirstNode - 1;
}

}  // namespace k42::personality
