// Opening, and mounts.
#include "fs/name_tree.h"
#include "fs/open_file.h"
#include "fs/path.h"

namespace k42::fs {
namespace {

std::uint32_t WantedAccess(std::uint32_t flags) {
  return ((flags & kOpenRead) != 0 ? kAccessRead : 0) |
         ((flags & (kOpenWrite | kOpenTruncate)) != 0 ? kAccessWrite : 0) |
         ((flags & kOpenExecute) != 0 ? kAccessExecute : 0);
}

}  // namespace

Result<cobj::Granted<IOpenFile>> NameTree::Open(const cobj::CallContext& caller, Entry* place,
                                                std::string_view path, std::uint32_t flags,
                                                std::uint32_t mode, const Identity& who) {
  if ((flags & ~kOpenKnown) != 0) {
    return Status::kInvalidArgument;
  }
  const bool path_only = (flags & kOpenPathOnly) != 0;
  const bool create = (flags & kOpenCreate) != 0 && !path_only;
  const bool exclusive = create && (flags & kOpenExclusive) != 0;
  const bool follow = (flags & kOpenNoFollow) == 0 && !exclusive;
  std::uint32_t walk = follow ? 0 : kWalkNoFollow;
  if ((flags & kOpenEmptyPath) != 0) {
    walk |= kWalkEmptyPath;
  }
  while (true) {
    WalkEnd end;
    TRY(Walk(place, path, walk, who, &end));
    if (end.found()) {
      if (exclusive) {
        return Status::kAlreadyExists;
      }
      if (create && end.entry->node()->kind() == FileKind::kDirectory) {
        return Status::kIsDirectory;
      }
      return OpenEntry(caller, std::move(end.entry), flags, who);
    }
    if (!create) {
      return Status::kNotFound;
    }
    if (end.slash) {
      return Status::kIsDirectory;
    }
    if ((flags & kOpenDirectory) != 0) {
      return Status::kInvalidArgument;
    }
    const auto made = MakeAt(end, {FileKind::kRegular, mode & kModeAll, 0, 0, {}}, who);
    if (made.status() == Status::kAlreadyExists && !exclusive) {
      continue;  // somebody was faster: open theirs
    }
    // Its creator gets what he asked for, whatever the mode says.
    auto entry = RefPtr<Entry>::Adopt(TRY(made));
    Node& node = *entry->node();
    return node.Open({caller, who, std::move(entry), flags & ~kOpenTruncate});
  }
}

Result<cobj::Granted<IOpenFile>> NameTree::OpenEntry(const cobj::CallContext& caller,
                                                     RefPtr<Entry> entry, std::uint32_t flags,
                                                     const Identity& who) {
  Node& node = *entry->node();
  TRY(CheckOpen(*entry, flags, who));
  if ((flags & kOpenPathOnly) != 0) {
    return OpenFile::Make({caller, who, std::move(entry), flags}, node);
  }
  return node.Open({caller, who, std::move(entry), flags});
}

Status NameTree::CheckOpen(const Entry& entry, std::uint32_t flags, const Identity& who) {
  const Node& node = *entry.node();
  if ((flags & kOpenDirectory) != 0 && node.kind() != FileKind::kDirectory) {
    return Status::kNotDirectory;
  }
  if ((flags & kOpenPathOnly) != 0) {
    return Status::kOk;
  }
  switch (node.kind()) {
    case FileKind::kSymbolicLink:
      return Status::kLoop;
    case FileKind::kDirectory:
      if ((flags & (kOpenWrite | kOpenTruncate)) != 0) {
        return Status::kIsDirectory;
      }
      break;
    case FileKind::kRegular:
      if ((flags & (kOpenWrite | kOpenTruncate)) != 0 && entry.file_system().read_only()) {
        return Status::kReadOnly;
      }
      break;
    default:
      break;
  }
  if (!Permits(who, node.ownership(), node.kind(), WantedAccess(flags))) {
    return Status::kPermissionDenied;
  }
  if ((flags & kOpenNoAccessTime) != 0 && !who.privileged() && who.user != node.ownership().user) {
    return Status::kNotOwner;
  }
  return Status::kOk;
}

Status NameTree::GetAttributes(Entry& entry, FileAttributes* attributes) {
  *attributes = {};
  TRY(entry.node()->GetAttributes(attributes));
  attributes->device = entry.file_system().device();
  attributes->node = entry.node()->number();
  attributes->kind = entry.node()->kind();
  attributes->mount = entry.mount_number();
  return Status::kOk;
}

// For a file's mount in a directory that has no such name and may not get one: the name is in the
// table alone, where the mount keeps it.
Result<Entry*> NameTree::NameNothing(const WalkEnd& end, FileSystem& file_system) {
  Node& root = file_system.Root();
  if (!end.parent || end.slash || root.kind() == FileKind::kDirectory ||
      end.parent->file_system().caching() == FileSystem::Caching::kNever)
    return Status::kNotFound;
  entries_.Forget(*end.parent, end.last_name());
  return entries_.Add(*end.parent, end.last_name(), RefPtr<Node>(&root), true);
}

Status NameTree::MountAt(std::string_view path, FileSystem& file_system) {
  const std::size_t index = mount_count();
  if (index == kMaxMounts) {
    return Status::kLimitExceeded;
  }
  RefPtr<Entry> covered;
  if (index != 0) {
    WalkEnd end;
    TRY(Walk(nullptr, path, 0, Identity::Kernel(), &end));
    covered = end.found() ? end.entry : RefPtr<Entry>::Adopt(TRY(NameNothing(end, file_system)));
    const bool directory = file_system.Root().kind() == FileKind::kDirectory;
    if (directory != (covered->node()->kind() == FileKind::kDirectory)) {
      return directory ? Status::kNotDirectory : Status::kIsDirectory;
    }
  } else if (path != "/") {
    return Status::kInvalidArgument;
  }
  const auto number = static_cast<std::uint32_t>(index + 1);
  auto root = RefPtr<Entry>::Adopt(TRY(entries_.MakeRoot(file_system, number)));
  if (covered) {
    root->covers_.store(covered.Release(), std::memory_order_release);  // for good
    root->covers_.load()->mounted_.store(root.get(), std::memory_order_release);
  }
  mounts_[index] = {&file_system, std::move(root), number};
  mount_count_.store(index + 1, std::memory_order_release);
  return Status::kOk;
}

Result<std::size_t> NameTree::MountPath(std::size_t index, std::span<char> text) {
  return entries_.Path(*mounts_[index].root, text);
}

}  // namespace k42::fs
