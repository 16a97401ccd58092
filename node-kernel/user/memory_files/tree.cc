#include "user/memory_files/tree.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace k42::memory_files {

namespace {

constexpr std::uint32_t kLinksMost = 65000;

std::size_t RoomOf(std::size_t name_size) {
  return sizeof(Name) + name_size;
}

}  // namespace

// -- memory ---------------------------------------------------------------------------------------

void* Tree::Allocate(std::size_t size) {
  if (size > limit_ - used_)
    return nullptr;
  void* block = allocator_.Allocate(size, alignof(std::max_align_t));
  if (block != nullptr)
    used_ += size;
  return block;
}

void Tree::Free(void* block, std::size_t size) {
  allocator_.Free(block, size);
  used_ -= size;
}

// -- files ----------------------------------------------------------------------------------------

Tree::Tree(Allocator& allocator, std::uint64_t limit, std::uint64_t (*clock)())
    : allocator_(allocator), limit_(limit), clock_(clock) {
  root_ = NewFile(kDirectory | 0755, 0);
  if (root_ == nullptr)
    return;
  root_->links = 2;
  root_->parent = root_;
  Hold(*root_);
}

// For tests: a server ends with its process. Precondition: nobody holds anything.
Tree::~Tree() {
  // Depth first, always at the first name; what is empty goes.
  for (File* at = root_; at != nullptr;) {
    Cookie* first = at->listing.First();
    if (first == nullptr) {
      if (at == root_)
        break;
      File* parent = at->parent;
      for (Cookie* each = parent->listing.First(); each != nullptr;
           each = parent->listing.Next(each)) {
        if (each->name->file == at) {
          RemoveName(*parent, each->name);
          break;
        }
      }
      at->parent = nullptr;
      at->links = 0;
      FreeIfUnused(at);
      at = parent;
    } else if (first->name->file->Is(kDirectory)) {
      at = first->name->file;
    } else {
      File* file = first->name->file;
      RemoveName(*at, first->name);
      LoseName(*file);
    }
  }
  if (root_ != nullptr)
    FreeFile(root_);
}

File* Tree::NewFile(std::uint32_t mode, std::uint32_t group) {
  File* file = New<File>();
  if (file == nullptr)
    return nullptr;
  file->number = next_number_++;
  file->mode = mode;
  file->group = group;
  file->access_ns = file->modify_ns = file->change_ns = file->birth_ns = now();
  ++files_;
  return file;
}

void Tree::FreeFile(File* file) {
  FreeBlocks(*file, 0);
  if (file->link_text != nullptr)
    Free(file->link_text, file->size);
  --files_;
  Delete(file);
}

void Tree::FreeIfUnused(File* file) {
  if (file->links == 0 && file->references == 0)
    FreeFile(file);
}

void Tree::Drop(File& file) {
  --file.references;
  FreeIfUnused(&file);
}

void Tree::Touch(File& file) {
  file.modify_ns = file.change_ns = now();
}

// -- names ----------------------------------------------------------------------------------------

std::uint64_t Tree::HashOf(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

Name* Tree::Find(const File& directory, std::string_view name) {
  const std::uint64_t hash = HashOf(name);
  Name* at = directory.names.Floor(hash);
  if (at == nullptr || at->hash != hash)
    return nullptr;
  while (at != nullptr && at->view() != name) at = at->same_hash;
  return at;
}

Error Tree::CheckName(const File& directory, std::string_view name) const {
  if (!directory.Is(kDirectory))
    return Error::kNotDirectory;
  if (directory.parent == nullptr)
    return Error::kNotFound;  // it was removed
  if (name.size() > kNameMost)
    return Error::kNameTooLong;
  if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
      name.find('\0') != name.npos)
    return Error::kInvalid;
  return Error::kNone;
}

Error Tree::Lookup(File& directory, std::string_view name, File** found) {
  if (!directory.Is(kDirectory))
    return Error::kNotDirectory;
  const Name* there = Find(directory, name);
  if (there == nullptr)
    return Error::kNotFound;
  *found = there->file;
  return Error::kNone;
}

Error Tree::AddName(File& directory, std::string_view name, File& file) {
  auto* made = static_cast<Name*>(Allocate(RoomOf(name.size())));
  Cookie* cookie = made == nullptr ? nullptr : New<Cookie>();
  if (cookie == nullptr) {
    if (made != nullptr)
      Free(made, RoomOf(name.size()));
    return Error::kNoSpace;
  }
  ::new (made) Name();
  made->hash = HashOf(name);
  made->cookie = cookie->number = directory.next_cookie++;
  made->file = &file;
  made->size = name.size();
  std::memcpy(made->text(), name.data(), name.size());
  made->same_hash = nullptr;
  cookie->name = made;
  Name* equal = directory.names.Floor(made->hash);
  if (equal != nullptr && equal->hash == made->hash) {
    made->same_hash = equal->same_hash;
    equal->same_hash = made;
  } else {
    directory.names.Insert(made);
  }
  directory.listing.Insert(cookie);
  ++directory.size;
  Touch(directory);
  return Error::kNone;
}

void Tree::RemoveName(File& directory, Name* name) {
  Cookie* cookie = directory.listing.Floor(name->cookie);
  directory.listing.Remove(cookie);
  Delete(cookie);
  Name* first = directory.names.Floor(name->hash);
  if (first == name) {
    directory.names.Remove(name);
    if (name->same_hash != nullptr)
      directory.names.Insert(name->same_hash);
  } else {
    while (first->same_hash != name) first = first->same_hash;
    first->same_hash = name->same_hash;
  }
  --directory.size;
  Touch(directory);
  const std::size_t room = RoomOf(name->size);
  name->~Name();
  Free(name, room);
}

void Tree::LoseName(File& file) {
  --file.links;
  file.change_ns = now();
  FreeIfUnused(&file);
}

Error Tree::Make(File& directory, std::string_view name, std::uint32_t mode, std::uint32_t group,
                 std::string_view text, File** made) {
  if (const Error error = CheckName(directory, name); error != Error::kNone)
    return error;
  if (Find(directory, name) != nullptr)
    return Error::kExists;
  const std::uint32_t kind = mode & kKindMask;
  if (kind != kRegular && kind != kDirectory && kind != kSymlink && kind != kFifo)
    return Error::kNotSupported;
  if (kind == kSymlink && text.empty())
    return Error::kNotFound;
  File* file = NewFile(mode, group);
  if (file == nullptr)
    return Error::kNoSpace;
  if (kind == kSymlink) {
    file->link_text = static_cast<char*>(Allocate(text.size()));
    if (file->link_text == nullptr) {
      FreeFile(file);
      return Error::kNoSpace;
    }
    std::memcpy(file->link_text, text.data(), text.size());
    file->size = text.size();
  }
  const Error error = AddName(directory, name, *file);
  if (error != Error::kNone) {
    FreeFile(file);
    return error;
  }
  file->links = 1;
  if (kind == kDirectory) {
    file->links = 2;
    file->parent = &directory;
    ++directory.links;
  }
  *made = file;
  return Error::kNone;
}

Error Tree::Link(File& directory, std::string_view name, File& file) {
  if (const Error error = CheckName(directory, name); error != Error::kNone)
    return error;
  if (file.Is(kDirectory))
    return Error::kInvalid;
  if (file.links == 0)
    return Error::kNotFound;
  if (file.links >= kLinksMost)
    return Error::kTooManyLinks;
  if (Find(directory, name) != nullptr)
    return Error::kExists;
  if (const Error error = AddName(directory, name, file); error != Error::kNone)
    return error;
  ++file.links;
  Changed(file);
  return Error::kNone;
}

Error Tree::Unlink(File& directory, std::string_view name, bool is_directory) {
  if (!directory.Is(kDirectory))
    return Error::kNotDirectory;
  Name* there = Find(directory, name);
  if (there == nullptr)
    return Error::kNotFound;
  File& file = *there->file;
  if (file.Is(kDirectory) != is_directory)
    return is_directory ? Error::kNotDirectory : Error::kIsDirectory;
  if (is_directory && file.size != 0)
    return Error::kNotEmpty;
  RemoveName(directory, there);
  if (is_directory) {
    --directory.links;
    file.parent = nullptr;
    file.links = 1;  // "." went, too
  }
  LoseName(file);
  return Error::kNone;
}

Error Tree::Rename(File& from, std::string_view old_name, File& to, std::string_view new_name) {
  if (!from.Is(kDirectory))
    return Error::kNotDirectory;
  if (const Error error = CheckName(to, new_name); error != Error::kNone)
    return error;
  Name* there = Find(from, old_name);
  if (there == nullptr)
    return Error::kNotFound;
  File& file = *there->file;
  if (file.Is(kDirectory)) {
    for (const File* above = &to;; above = above->parent) {
      if (above == &file)
        return Error::kInvalid;  // below itself
      if (above->parent == above)
        break;
    }
  }
  if (Name* replaced = Find(to, new_name)) {
    File& victim = *replaced->file;
    if (&victim == &file)
      return Error::kNone;
    if (file.Is(kDirectory) != victim.Is(kDirectory))
      return victim.Is(kDirectory) ? Error::kIsDirectory : Error::kNotDirectory;
    if (victim.Is(kDirectory) && victim.size != 0)
      return Error::kNotEmpty;
    // In place: so a rename over something needs no memory, and there is always one of both.
    replaced->file = &file;
    Touch(to);
    if (victim.Is(kDirectory)) {
      --to.links;
      victim.parent = nullptr;
      victim.links = 1;
    }
    LoseName(victim);
  } else if (const Error error = AddName(to, new_name, file); error != Error::kNone) {
    return error;
  }
  RemoveName(from, there);
  if (file.Is(kDirectory)) {
    --from.links;
    ++to.links;
    file.parent = &to;
  }
  Changed(file);
  return Error::kNone;
}

const Name* Tree::Next(const File& directory, std::uint64_t cookie) const {
  const Cookie* next =
      cookie == ~std::uint64_t{0} ? nullptr : directory.listing.Ceiling(cookie + 1);
  return next == nullptr ? nullptr : next->name;
}

}  // namespace k42::memory_files
