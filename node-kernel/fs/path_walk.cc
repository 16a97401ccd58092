// Walking paths: NameTree::Walk and what it needs.
#include <cstring>

#include "fs/name_tree.h"
#include "fs/path.h"
#include "mem/heap.h"

namespace k42::fs {
namespace {

// The text of a symbolic link with what was left of the path behind it.
class PathText {
 public:
  PathText() = default;
  PathText(const PathText&) = delete;
  ~PathText() { Clear(); }

  Status Join(Node& link, const Identity& who, std::string_view rest) {
    char* space = static_cast<char*>(mem::Allocate(kPathMax));
    if (space == nullptr) {
      return Status::kNoMemory;
    }
    const auto size = link.ReadLink(who, {space, kPathMax});
    Status status = size.status();
    if (size.ok() && (size.value() == 0 || size.value() + rest.size() > kPathMax)) {
      status = size.value() == 0 ? Status::kNotFound : Status::kNameTooLong;
    }
    if (!IsOk(status)) {
      mem::Free(space, kPathMax);
      return status;
    }
    std::memcpy(space + size.value(), rest.data(), rest.size());  // `rest` starts with its slash
    Clear();
    space_ = space;
    size_ = size.value() + rest.size();
    return Status::kOk;
  }
  std::string_view view() const { return {space_, size_}; }

 private:
  void Clear() {
    if (space_ != nullptr) {
      mem::Free(space_, kPathMax);
    }
  }
  char* space_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

// One walk: where it is and what is left.
class Walker {
 public:
  Walker(NameTree& tree, const Identity& who, std::uint32_t walk, WalkEnd* end)
      : tree_(tree),
        who_(who),
        last_name_((walk & NameTree::kWalkLastName) != 0),
        follow_last_((walk & kWalkNoFollow) == 0 && !last_name_),
        end_(*end) {}

  Status Run(Entry* place, std::string_view path) {
    here_ = tree_.Top(RefPtr<Entry>(IsAbsolute(path) || place == nullptr ? &tree_.root() : place));
    rest_ = path;
    while (true) {
      const std::string_view name = TakeComponent(rest_);
      if (name.empty()) {
        end_.entry = here_;
        end_.parent = nullptr;
        end_.name_size = 0;
        end_.slash = true;
        return Status::kOk;
      }
      const bool last = OnlySlashes(rest_);
      TRY(CheckSearch());
      if (name == "." || name == "..") {
        if (name == "..") {
          here_ = tree_.Top(tree_.entries().Parent(*here_));
        }
        continue;
      }
      bool done = false;
      TRY(Step(name, last, &done));
      if (done) {
        return Status::kOk;
      }
    }
  }

 private:
  Status CheckSearch() {
    const Node& node = *here_->node();
    if (node.kind() != FileKind::kDirectory) {
      return Status::kNotDirectory;
    }
    return Permits(who_, node.ownership(), FileKind::kDirectory, kAccessExecute)
               ? Status::kOk
               : Status::kPermissionDenied;
  }

  Status Step(std::string_view name, bool last, bool* done) {
    if (name.size() > kNameMax) {
      return Status::kNameTooLong;
    }
    RefPtr<Entry> child;
    TRY(tree_.Child(*here_, name, &child));
    const bool found = child && !child->negative();
    const bool slash = !rest_.empty();
    if (found && child->node()->kind() == FileKind::kSymbolicLink &&
        (!last || follow_last_ || (slash && !last_name_))) {
      return Follow(*child->node());
    }
    if (last) {
      std::memcpy(end_.name, name.data(), name.size());
      end_.name_size = name.size();
      end_.slash = slash;
      end_.parent = here_;
      end_.entry = std::move(child);
      *done = true;
      if (found && slash && !last_name_ && end_.entry->node()->kind() != FileKind::kDirectory) {
        return Status::kNotDirectory;
      }
      return Status::kOk;
    }
    if (!found) {
      return Status::kNotFound;
    }
    here_ = std::move(child);
    return Status::kOk;
  }

  Status Follow(Node& link) {
    if (++links_ > NameTree::kMaxLinksFollowed) {
      return Status::kLoop;
    }
    Entry* direct = TRY(link.FollowLink(who_));
    if (direct != nullptr) {
      here_ = RefPtr<Entry>::Adopt(direct);
      if (rest_.empty()) {
        end_.parent = nullptr;  // the loop in Run ends with `here_`
      }
      return Status::kOk;
    }
    TRY(text_.Join(link, who_, rest_));
    rest_ = text_.view();
    if (IsAbsolute(rest_)) {
      here_ = tree_.Top(RefPtr<Entry>(&tree_.root()));
    }
    return Status::kOk;
  }

  NameTree& tree_;
  const Identity& who_;
  const bool last_name_;
  const bool follow_last_;
  WalkEnd& end_;
  RefPtr<Entry> here_;
  std::string_view rest_;
  PathText text_;
  int links_ = 0;
};

RefPtr<Entry> NameTree::Top(RefPtr<Entry> entry) {
  while (Entry* mounted = entry->mounted()) {
    entry = RefPtr<Entry>(mounted);
  }
  return entry;
}

// What `name` in `parent` is: an entry, a negative entry, or null for nothing.
Status NameTree::Child(Entry& parent, std::string_view name, RefPtr<Entry>* child) {
  FileSystem& file_system = parent.file_system();
  const bool hashed = file_system.caching() != FileSystem::Caching::kNever;
  while (true) {
    if (hashed) {
      if (RefPtr<Entry> known = entries_.Find(parent, name)) {
        *child = Top(std::move(known));
        return Status::kOk;
      }
    }
    const std::uint64_t changes = file_system.changes();
    const auto node = parent.node()->Lookup(name);
    if (node.status() == Status::kNotFound) {
      if (file_system.caching() == FileSystem::Caching::kAlways) {
        *child = RefPtr<Entry>::Adopt(TRY(entries_.Add(parent, name, nullptr, true)));
      } else {
        *child = nullptr;
      }
      return Status::kOk;
    }
    TRY(node);
    auto entry = RefPtr<Entry>::Adopt(
        TRY(entries_.Add(parent, name, RefPtr<Node>::Adopt(node.value()), hashed)));
    if (hashed && file_system.changes() != changes) {
      entries_.Forget(*entry);  // a change passed us: what we found may be old. Ask again.
      continue;
    }
    *child = std::move(entry);
    return Status::kOk;
  }
}

Status NameTree::Walk(Entry* place, std::string_view path, std::uint32_t walk, const Identity& who,
                      WalkEnd* end) {
  if (path.empty()) {
    if ((walk & kWalkEmptyPath) == 0) {
      return Status::kNotFound;
    }
    end->entry = RefPtr<Entry>(place != nullptr ? place : &root());
    return Status::kOk;
  }
  if (path.size() > kPathMax) {
    return Status::kNameTooLong;
  }
  return Walker(*this, who, walk, end).Run(place, path);
}

Result<Entry*> NameTree::Find(Entry* place, std::string_view path, std::uint32_t walk,
                              const Identity& who) {
  WalkEnd end;
  TRY(Walk(place, path, walk, who, &end));
  if (!end.found()) {
    return Status::kNotFound;
  }
  return end.entry.Release();
}

}  // namespace k42::fs
