// What changes directories and attributes: NameTree::Make, Remove, Rename, Link, SetAttributes.
//
// Each change holds the file system's change lock from the last look at the names concerned to the
// update of the entry table. NoteChange before and after lets lookups that ran meanwhile notice.
#include "fs/attributes.h"
#include "fs/file_watch.h"
#include "fs/name_tree.h"
#include "fs/path.h"

namespace k42::fs {
namespace {

// Between construction and destruction nobody else changes names in `file_system`.
class K42_SCOPED_CAPABILITY Change {
 public:
  explicit Change(FileSystem& file_system) K42_ACQUIRE(file_system.change_lock())
      : file_system_(file_system) {
    file_system_.change_lock().Lock();
    file_system_.NoteChange();
  }
  ~Change() K42_RELEASE() {
    file_system_.NoteChange();
    file_system_.change_lock().Unlock();
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  FileSystem& file_system_;
};

Status MayChange(const Entry& directory, const Identity& who) {
  if (directory.file_system().read_only()) {
    return Status::kReadOnly;
  }
  return Permits(who, directory.node()->ownership(), FileKind::kDirectory,
                 kAccessWrite | kAccessExecute)
             ? Status::kOk
             : Status::kPermissionDenied;
}

// In a sticky directory a name belongs to the owner of the file or of the directory.
Status MayRemove(const Entry& directory, const Node& victim, const Identity& who) {
  TRY(MayChange(directory, who));
  const Ownership owned = directory.node()->ownership();
  if ((owned.mode & kModeSticky) != 0 && !who.privileged() && who.user != owned.user &&
      who.user != victim.ownership().user) {
    return Status::kNotOwner;
  }
  return Status::kOk;
}

// A mount point, or a name that is not one ("/", "..").
bool IsFixed(const WalkEnd& end) {
  return !end.parent || (end.entry && (end.entry->covers() || end.entry->mounted()));
}

// `what` has the name now where `to` ended; `replaced`, which had it before, has one name less.
void TellOfMove(const WalkEnd& from, const WalkEnd& to, Node& what, Node* replaced) {
  if (!AnyWatches()) {
    return;
  }
  const std::uint32_t pair = NewEventPair();
  TellOfName(*from.parent->node(), from.last_name(), what, abi::kNameMovedAway, pair);
  TellOfName(*to.parent->node(), to.last_name(), what, abi::kNameMovedHere, pair);
  if (replaced != nullptr) {
    TellOfNode(*replaced, abi::kFileAttributes);
  }
  TellOfNode(what, abi::kFileMoved);
}

}  // namespace

Status NameTree::ReadyToMake(const WalkEnd& end, const Identity& who) {
  if (end.found()) {
    return Status::kAlreadyExists;
  }
  if (!end.parent) {
    return Status::kAlreadyExists;
  }
  return MayChange(*end.parent, who);
}

Result<Entry*> NameTree::MakeAt(const WalkEnd& end, const NewNode& what, const Identity& who) {
  TRY(ReadyToMake(end, who));
  Entry& parent = *end.parent;
  NewNode made = what;
  const Ownership owner = parent.node()->ownership();
  made.user = who.user;
  made.group = who.group;
  if ((owner.mode & kModeSetGroup) != 0) {
    made.group = owner.group;
    if (made.kind == FileKind::kDirectory) {
      made.mode |= kModeSetGroup;
    }
  }
  RefPtr<Node> node;
  Result<Entry*> entry = Status::kNoMemory;
  {
    Change change(parent.file_system());
    node = RefPtr<Node>::Adopt(TRY(parent.node()->MakeNode(end.last_name(), made)));
    entries_.Forget(parent, end.last_name());
    entry = entries_.Add(parent, end.last_name(), node,
                         parent.file_system().caching() != FileSystem::Caching::kNever);
  }
  TellOfName(*parent.node(), end.last_name(), *node, abi::kNameMade);
  return entry;
}

Result<Entry*> NameTree::Make(Entry* place, std::string_view path, FileKind kind,
                              std::uint32_t mode, std::string_view link_text, const Identity& who) {
  WalkEnd end;
  TRY(Walk(place, path, kWalkLastName, who, &end));
  if (end.slash && kind != FileKind::kDirectory && !end.found()) {
    return Status::kNotFound;
  }
  return MakeAt(end, {kind, mode & kModeAll, 0, 0, link_text}, who);
}

Status NameTree::ReadyToRemove(const WalkEnd& end, const Identity& who) {
  if (IsFixed(end)) {
    return Status::kBusy;
  }
  return MayRemove(*end.parent, *end.entry->node(), who);
}

Status NameTree::Remove(Entry* place, std::string_view path, bool directory, const Identity& who) {
  WalkEnd end;
  TRY(Walk(place, path, kWalkLastName, who, &end));
  if (!end.found()) {
    return Status::kNotFound;
  }
  if (!end.parent && directory && path.ends_with('.') && !path.ends_with("..")) {
    return Status::kInvalidArgument;  // "x/." cannot be removed by that name
  }
  Node& victim = *end.entry->node();
  const bool is_directory = victim.kind() == FileKind::kDirectory;
  if (end.parent) {
    TRY(MayRemove(*end.parent, victim, who));
  }
  if (directory != is_directory || (end.slash && !is_directory)) {
    return is_directory ? Status::kIsDirectory : Status::kNotDirectory;
  }
  if (!end.parent && path.ends_with("..")) {
    return Status::kNotEmpty;
  }
  TRY(ReadyToRemove(end, who));
  {
    Change change(end.parent->file_system());
    TRY(end.parent->node()->RemoveName(end.last_name(), victim));
    entries_.Forget(*end.entry);
    entries_.Forget(*end.parent, end.last_name());
  }
  if (!is_directory) {
    TellOfNode(victim, abi::kFileAttributes);  // its count of names
  }
  TellOfName(*end.parent->node(), end.last_name(), victim, abi::kNameRemoved);
  TellOfRemovedName(victim);
  return Status::kOk;
}

Status NameTree::Link(Entry* old_place, std::string_view old_path, std::uint32_t walk,
                      Entry* new_place, std::string_view new_path, const Identity& who) {
  auto existing = RefPtr<Entry>::Adopt(TRY(Find(old_place, old_path, walk, who)));
  WalkEnd end;
  TRY(Walk(new_place, new_path, kWalkLastName, who, &end));
  if (!end.found() && end.slash) {
    return Status::kNotFound;
  }
  TRY(ReadyToMake(end, who));
  Node& node = *existing->node();
  if (node.kind() == FileKind::kDirectory) {
    return Status::kNotOwner;
  }
  if (&existing->file_system() != &end.parent->file_system()) {
    return Status::kCrossDevice;
  }
  {
    Change change(end.parent->file_system());
    TRY(end.parent->node()->AddLink(end.last_name(), node));
    entries_.Forget(*end.parent, end.last_name());
  }
  TellOfNode(node, abi::kFileAttributes);  // its count of names
  TellOfName(*end.parent->node(), end.last_name(), node, abi::kNameMade);
  return Status::kOk;
}

Status NameTree::Rename(Entry* old_place, std::string_view old_path, Entry* new_place,
                        std::string_view new_path, std::uint32_t flags, const Identity& who) {
  const bool exchange = (flags & kRenameExchange) != 0;
  if ((flags & ~(kRenameNoReplace | kRenameExchange)) != 0 ||
      flags == (kRenameNoReplace | kRenameExchange)) {
    return Status::kInvalidArgument;
  }
  WalkEnd from, to;
  {
    machine::MutexGuard guard(rename_lock_);
    TRY(Walk(old_place, old_path, kWalkLastName, who, &from));
    TRY(Walk(new_place, new_path, kWalkLastName, who, &to));
    if (!TRY(RenameLocked(from, to, flags, who))) {
      return Status::kOk;
    }
  }
  Node* const other = to.found() ? to.entry->node() : nullptr;
  TellOfMove(from, to, *from.entry->node(), exchange ? nullptr : other);
  if (exchange) {
    TellOfMove(to, from, *other, nullptr);
  } else if (other != nullptr) {
    TellOfRemovedName(*other);
  }
  return Status::kOk;
}

Result<bool> NameTree::RenameLocked(const WalkEnd& from, const WalkEnd& to, std::uint32_t flags,
                                    const Identity& who) {
  const bool exchange = (flags & kRenameExchange) != 0;
  if (!from.parent || !to.parent) {
    return Status::kBusy;
  }
  if (!from.found() || (exchange && !to.found())) {
    return Status::kNotFound;
  }
  if (to.found() && (flags & kRenameNoReplace) != 0) {
    return Status::kAlreadyExists;
  }
  if (&from.parent->file_system() != &to.parent->file_system()) {
    return Status::kCrossDevice;
  }
  Node& what = *from.entry->node();
  const bool is_directory = what.kind() == FileKind::kDirectory;
  // A slash behind a name asks that what bears it afterwards is a directory, and with an exchange
  // that what bears it now is one.
  const bool second_is_directory =
      exchange ? to.entry->node()->kind() == FileKind::kDirectory : is_directory;
  if ((from.slash && !is_directory) || (to.slash && !second_is_directory)) {
    return Status::kNotDirectory;
  }
  TRY(ReadyToRemove(from, who));
  if (is_directory && entries_.IsBelow(*to.parent, *from.entry)) {
    return Status::kInvalidArgument;
  }
  if (!to.found()) {
    TRY(ReadyToMake(to, who));
  } else {
    TRY(ReadyToRemove(to, who));
    Node& target = *to.entry->node();
    if (entries_.IsBelow(*from.parent, *to.entry)) {
      return exchange ? Status::kInvalidArgument : Status::kNotEmpty;
    }
    if (&target == &what) {
      return false;  // two names of one file: nothing happens, by tradition
    }
    if (!exchange && is_directory != (target.kind() == FileKind::kDirectory)) {
      return is_directory ? Status::kNotDirectory : Status::kIsDirectory;
    }
  }
  Change change(from.parent->file_system());
  TRY(from.parent->node()->RenameTo(from.last_name(), what, *to.parent->node(), to.last_name(),
                                    to.found() ? to.entry->node() : nullptr, exchange));
  if (exchange) {
    entries_.Exchange(*from.entry, *to.entry);
    return true;
  }
  if (to.entry) {
    entries_.Forget(*to.entry);
  }
  entries_.Forget(*to.parent, to.last_name());
  entries_.Move(*from.entry, *to.parent, to.last_name());
  return true;
}

Status NameTree::SetAttributes(Entry& entry, const AttributeChange& change, const Identity& who) {
  if (entry.file_system().read_only()) {
    return Status::kReadOnly;
  }
  Node& node = *entry.node();
  TRY(ChangeAttributes(node, change, who, /*may_resize=*/false));
  TellOfChange(&entry, node, change);
  return Status::kOk;
}

}  // namespace k42::fs
