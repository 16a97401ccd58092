#include "fs/name_space.h"

#include <algorithm>

#include "fs/caller.h"
#include "fs/file_slots.h"
#include "fs/file_watcher.h"
#include "fs/open_file.h"
#include "mem/heap.h"

namespace k42::fs {
namespace {

// A path argument, copied once. Two paths have a zero byte between them.
class PathCopy {
 public:
  PathCopy() = default;
  ~PathCopy() {
    if (text_ != nullptr && text_ != short_) {
      mem::Free(text_, size_ + 1);
    }
  }
  PathCopy(const PathCopy&) = delete;

  Status Take(BufferIn buffer) {
    text_ = buffer.size() < sizeof(short_) ? short_
                                           : static_cast<char*>(mem::Allocate(buffer.size() + 1));
    if (text_ == nullptr) {
      return Status::kNoMemory;
    }
    size_ = buffer.size();
    return buffer.CopyTo(text_, 0, size_);
  }
  Status One(BufferIn buffer, std::string_view* path) {
    TRY(Take(buffer));
    *path = {text_, size_};
    return path->find('\0') == std::string_view::npos ? Status::kOk : Status::kInvalidArgument;
  }
  Status Two(BufferIn buffer, std::string_view* first, std::string_view* second) {
    TRY(Take(buffer));
    const std::string_view all(text_, size_);
    const std::size_t middle = all.find('\0');
    if (middle == std::string_view::npos) {
      return Status::kInvalidArgument;
    }
    *first = all.substr(0, middle);
    *second = all.substr(middle + 1);
    return second->find('\0') == std::string_view::npos ? Status::kOk : Status::kInvalidArgument;
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  char short_[256];  // most paths
};

// Everything about a call that most methods need: who, from where, which path.
struct Question {
  Identity who;
  RefPtr<Entry> place;
  PathCopy copy;
  std::string_view path;

  Status Ask(const cobj::CallContext& caller, cobj::Ref<IOpenFile> directory) {
    TRY(IdentityOf(caller, &who));
    return PlaceOf(directory, &place);
  }
  Status Ask(const cobj::CallContext& caller, cobj::Ref<IOpenFile> directory, BufferIn text) {
    TRY(copy.One(text, &path));
    return Ask(caller, directory);
  }
  static Status PlaceOf(cobj::Ref<IOpenFile> directory, RefPtr<Entry>* place) {
    if (!directory) {
      return Status::kOk;
    }
    *place = RefPtr<Entry>::Adopt(TRY(directory->TakeEntry()));
    return *place ? Status::kOk : Status::kNotDirectory;
  }
};

}  // namespace

Result<cobj::Granted<IOpenFile>> NameSpace::Open(Caller caller, Directory directory, BufferIn path,
                                                 std::uint32_t flags, std::uint32_t mode) {
  Question ask;
  TRY(ask.Ask(caller, directory, path));
  return tree_.Open(caller, ask.place.get(), ask.path, flags, mode, ask.who);
}

Status NameSpace::GetAttributes(Caller caller, Directory directory, BufferIn path,
                                std::uint32_t walk, FileAttributes& attributes) {
  if ((walk & kWalkEmptyPath) != 0 && path.empty() && directory) {
    return directory->GetAttributes(attributes);  // also of what has no name
  }
  Question ask;
  TRY(ask.Ask(caller, directory, path));
  const auto entry =
      RefPtr<Entry>::Adopt(TRY(tree_.Find(ask.place.get(), ask.path, walk, ask.who)));
  return tree_.GetAttributes(*entry, &attributes);
}

Status NameSpace::SetAttributes(Caller caller, Directory directory, BufferIn path,
                                std::uint32_t walk, const AttributeChange& change) {
  Question ask;
  TRY(ask.Ask(caller, directory, path));
  const auto entry =
      RefPtr<Entry>::Adopt(TRY(tree_.Find(ask.place.get(), ask.path, walk, ask.who)));
  return tree_.SetAttributes(*entry, change, ask.who);
}

Status NameSpace::CheckAccess(Caller caller, Directory directory, BufferIn path, std::uint32_t walk,
                              std::uint32_t access) {
  if ((access & ~7u) != 0) {
    return Status::kInvalidArgument;
  }
  Question ask;
  TRY(ask.Ask(caller, directory, path));
  if ((walk & kWalkEffective) == 0) {
    TRY(IdentityOf(caller, &ask.who, /*real=*/true));
  }
  const auto entry =
      RefPtr<Entry>::Adopt(TRY(tree_.Find(ask.place.get(), ask.path, walk, ask.who)));
  const Node& node = *entry->node();
  const bool writable_kind =
      node.kind() == FileKind::kRegular || node.kind() == FileKind::kDirectory;
  if ((access & kAccessWrite) != 0 && writable_kind && entry->file_system().read_only()) {
    return Status::kReadOnly;
  }
  return Permits(ask.who, node.ownership(), node.kind(), access) ? Status::kOk
                                                                 : Status::kPermissionDenied;
}

Status NameSpace::MakeDirectory(Caller caller, Directory directory, BufferIn path,
                                std::uint32_t mode) {
  Question ask;
  TRY(ask.Ask(caller, directory, path));
  RefPtr<Entry>::Adopt(
      TRY(tree_.Make(ask.place.get(), ask.path, FileKind::kDirectory, mode, {}, ask.who)));
  return Status::kOk;
}

Status NameSpace::MakeNode(Caller caller, Directory directory, BufferIn path, FileKind kind,
                           std::uint32_t mode) {
  if (kind != FileKind::kRegular && kind != FileKind::kFifo && kind != FileKind::kSocket) {
    return Status::kNotSupported;
  }
  Question ask;
  TRY(ask.Ask(caller, directory, path));
  RefPtr<Entry>::Adopt(TRY(tree_.Make(ask.place.get(), ask.path, kind, mode, {}, ask.who)));
  return Status::kOk;
}

Status NameSpace::Remove(Caller caller, Directory directory, BufferIn path, std::uint32_t flags) {
  if ((flags & ~kRemoveDirectory) != 0) {
    return Status::kInvalidArgument;
  }
  Question ask;
  TRY(ask.Ask(caller, directory, path));
  return tree_.Remove(ask.place.get(), ask.path, (flags & kRemoveDirectory) != 0, ask.who);
}

Status NameSpace::Rename(Caller caller, Directory old_directory, Directory new_directory,
                         BufferIn paths, std::uint32_t flags) {
  Question ask;
  RefPtr<Entry> new_place;
  std::string_view new_path;
  TRY(ask.copy.Two(paths, &ask.path, &new_path));
  TRY(ask.Ask(caller, old_directory));
  TRY(Question::PlaceOf(new_directory, &new_place));
  return tree_.Rename(ask.place.get(), ask.path, new_place.get(), new_path, flags, ask.who);
}

Status NameSpace::Link(Caller caller, Directory old_directory, Directory new_directory,
                       BufferIn paths, std::uint32_t walk) {
  Question ask;
  RefPtr<Entry> new_place;
  std::string_view new_path;
  TRY(ask.copy.Two(paths, &ask.path, &new_path));
  TRY(ask.Ask(caller, old_directory));
  TRY(Question::PlaceOf(new_directory, &new_place));
  return tree_.Link(ask.place.get(), ask.path, walk, new_place.get(), new_path, ask.who);
}

Status NameSpace::MakeSymbolicLink(Caller caller, Directory directory, BufferIn paths) {
  Question ask;
  std::string_view text;
  TRY(ask.copy.Two(paths, &text, &ask.path));
  if (text.empty()) {
    return Status::kNotFound;
  }
  if (text.size() >= kPathMax) {
    return Status::kNameTooLong;
  }
  TRY(ask.Ask(caller, directory));
  RefPtr<Entry>::Adopt(
      TRY(tree_.Make(ask.place.get(), ask.path, FileKind::kSymbolicLink, 0777, text, ask.who)));
  return Status::kOk;
}

Result<std::uint64_t> NameSpace::ReadLink(Caller caller, Directory directory, BufferIn path,
                                          BufferOut text) {
  Question ask;
  TRY(ask.Ask(caller, directory, path));
  const auto entry = RefPtr<Entry>::Adopt(
      TRY(tree_.Find(ask.place.get(), ask.path, kWalkNoFollow | kWalkEmptyPath, ask.who)));
  if (path.empty() && entry->node()->kind() != FileKind::kSymbolicLink) {
    return Status::kNotFound;
  }
  const std::size_t room = std::min<std::size_t>(text.size(), kPathMax);
  auto* space = static_cast<char*>(mem::Allocate(kPathMax));
  if (space == nullptr) {
    return Status::kNoMemory;
  }
  const auto size = entry->node()->ReadLink(ask.who, {space, room});
  Status status = size.status();
  if (size.ok()) {
    status = text.CopyFrom(space, 0, std::min(size.value(), room));
  }
  mem::Free(space, kPathMax);
  TRY(status);
  return std::uint64_t{size.value()};
}

Status NameSpace::GetFileSystem(Caller caller, Directory directory, BufferIn path,
                                FileSystemInfo& info) {
  Question ask;
  TRY(ask.Ask(caller, directory, path));
  const auto entry =
      RefPtr<Entry>::Adopt(TRY(tree_.Find(ask.place.get(), ask.path, kWalkEmptyPath, ask.who)));
  return entry->file_system().GetInfo(&info);
}

Status NameSpace::CheckAgain(Caller caller, Directory directory, BufferIn path,
                             cobj::Ref<IOpenFile> file, std::uint32_t flags) {
  Question ask;
  TRY(ask.Ask(caller, directory, path));
  const auto was = RefPtr<Entry>::Adopt(TRY(file->TakeEntry()));
  if (!was || TRY(file->GetFlags()) != flags || !TRY(file->HasOneHandle()) ||
      (flags & (kOpenTruncate | kOpenExclusive | kOpenEmptyPath | kOpenPathOnly)) != 0) {
    return Status::kInvalidArgument;
  }
  const std::uint32_t walk = (flags & kOpenNoFollow) != 0 ? kWalkNoFollow : 0;
  const auto is = RefPtr<Entry>::Adopt(TRY(tree_.Find(ask.place.get(), ask.path, walk, ask.who)));
  return is.get() == was.get() ? tree_.CheckOpen(*is, flags, ask.who) : Status::kNotFound;
}

Result<std::uint64_t> NameSpace::GetPath(cobj::Ref<IOpenFile> file, BufferOut path) {
  const auto entry = RefPtr<Entry>::Adopt(TRY(file->TakeEntry()));
  if (!entry) {
    return Status::kNotFound;
  }
  auto* space = static_cast<char*>(mem::Allocate(kPathMax));
  if (space == nullptr) {
    return Status::kNoMemory;
  }
  const auto size =
      tree_.entries().Path(*entry, {space, std::min<std::size_t>(path.size(), kPathMax)});
  Status status = size.status();
  if (size.ok()) {
    status = path.CopyFrom(space, 0, size.value());
  }
  mem::Free(space, kPathMax);
  TRY(status);
  return std::uint64_t{size.value()};
}

Result<cobj::Granted<IOpenFile>> NameSpace::MakeUnnamed(Caller caller, std::uint32_t flags) {
  Identity who;
  TRY(IdentityOf(caller, &who));
  const NewNode what{FileKind::kRegular, 0777, who.user, who.group, {}};
  const auto node = RefPtr<Node>::Adopt(TRY(unnamed_.MakeNode(what)));
  return OpenFile::Make({caller, who, nullptr, (flags & kOpenChangeable) | kOpenRead | kOpenWrite},
                        *node);
}

Result<cobj::Granted<IFileWatcher>> NameSpace::MakeFileWatcher(Caller caller, std::uint32_t flags) {
  Identity who;
  TRY(IdentityOf(caller, &who));
  const auto ref =
      TRY(cobj::MakeShared<FileWatcher>(tree_, io::NewStreamIdentity(FileKind::kFileWatcher, who),
                                        (flags & kOpenNonBlocking) | kOpenRead));
  return cobj::Granted<IFileWatcher>(ref, RightsFor(kOpenRead));
}

Result<cobj::Granted<IFileSlots>> NameSpace::MakeFileSlots(Caller) {
  if (slots_ == nullptr) {
    return Status::kNotSupported;
  }
  auto memory = RefPtr<SlotMemory>::Adopt(TRY(SlotMemory::Make(*slots_, kinds_)));
  return cobj::Granted<IFileSlots>(TRY(cobj::MakeShared<FileSlots>(self_, std::move(memory))));
}

}  // namespace k42::fs
