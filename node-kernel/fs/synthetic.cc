#include "fs/synthetic.h"

#include <algorithm>
#include <cstring>

#include "fs/clock.h"
#include "fs/directory_writer.h"

namespace k42::fs {

namespace {

constexpr machine::HoldReason kNames{4000, "the names of a small directory are compared"};

}  // namespace

void TextWriter::Text(std::string_view text) {
  if (size_ < space_.size()) {
    std::memcpy(space_.data() + size_, text.data(), std::min(text.size(), space_.size() - size_));
  }
  size_ += text.size();
}

void TextWriter::Hex(std::uint64_t value, std::uint32_t digits, std::string_view signs) {
  char text[16];
  std::size_t at = sizeof(text);
  while (value != 0 || digits != 0) {
    text[--at] = signs[value & 15];
    value >>= 4;
    digits -= digits != 0 ? 1 : 0;
  }
  Text({text + at, sizeof(text) - at});
}

void TextWriter::Hundredths(std::uint64_t value) {
  const char digits[] = {static_cast<char>('0' + value / 10 % 10),
                         static_cast<char>('0' + value % 10)};
  Print("{}.", value / 100);
  Text({digits, 2});
}

// -- file system ----------------------------------------------------------------------------------

SyntheticFileSystem::SyntheticFileSystem(std::string_view type, FileSystemKind kind,
                                         std::uint64_t device, Caching caching)
    : FileSystem(caching, false, device), type_(type), info_kind_(kind), birth_ns_(RealtimeNs()) {}

Result<SyntheticFileSystem*> SyntheticFileSystem::Make(std::string_view type, FileSystemKind kind,
                                                       std::uint64_t device, Caching caching) {
  auto* made = TRY(mem::New<SyntheticFileSystem>(type, kind, device, caching));
  made->SetRoot(*TRY(mem::New<PlainDirectory>(*made)));
  return made;
}

void SyntheticFileSystem::SetRoot(Node& root) {
  root_ = RefPtr<Node>::Adopt(&root);
}

Node& SyntheticFileSystem::Root() {
  return *root_;
}

Status SyntheticFileSystem::GetInfo(FileSystemInfo* info) {
  *info = {};
  info->kind = info_kind_;
  info->block_size = 4096;
  info->name_max = kNameMax;
  info->device = device();
  return Status::kOk;
}

// -- nodes ----------------------------------------------------------------------------------------

Status SyntheticNode::GetAttributes(FileAttributes* attributes) {
  const Ownership owned = ownership();
  attributes->mode = owned.mode;
  attributes->user = owned.user;
  attributes->group = owned.group;
  attributes->links = kind() == FileKind::kDirectory ? 2 : 1;
  attributes->block_size = 4096;
  attributes->access_ns = attributes->modify_ns = attributes->change_ns = attributes->birth_ns =
      synthetic().birth_ns();
  return Status::kOk;
}

SyntheticDirectory::~SyntheticDirectory() {
  while (Child* child = children_.PopFront()) {
    mem::Delete(child);
  }
}

Status SyntheticDirectory::Add(std::string_view name, RefPtr<Node> node) {
  Child* child = TRY(mem::New<Child>());
  child->name = name;
  child->node = std::move(node);
  machine::SpinGuard guard(lock_);
  child->cookie = next_cookie_++;
  children_.PushBack(child);
  return Status::kOk;
}

Result<SyntheticDirectory*> SyntheticDirectory::AddDirectory(std::string_view name) {
  RefPtr<SyntheticDirectory> directory = RefPtr<SyntheticDirectory>(
      RefPtr<PlainDirectory>::Adopt(TRY(mem::New<PlainDirectory>(synthetic()))));
  SyntheticDirectory* made = directory.get();
  TRY(Add(name, std::move(directory)));
  return made;
}

Status SyntheticDirectory::AddFile(std::string_view name, Generate generate, std::uint64_t argument,
                                   std::uint32_t mode, Accept accept) {
  return Add(name, RefPtr<SyntheticFile>::Adopt(TRY(
                       mem::New<SyntheticFile>(synthetic(), generate, argument, mode, accept))));
}

Status SyntheticDirectory::AddSymlink(std::string_view name, std::string_view target) {
  return Add(name, RefPtr<SyntheticLink>::Adopt(TRY(mem::New<SyntheticLink>(synthetic(), target))));
}

Result<Node*> SyntheticDirectory::Lookup(std::string_view name) {
  machine::SpinGuard guard(lock_, kNames);
  for (Child& child : children_) {
    if (child.name == name) {
      child.node->AddReference();
      return child.node.get();
    }
  }
  return Status::kNotFound;
}

SyntheticDirectory::Child* SyntheticDirectory::After(const Child* child) {
  const machine::SpinGuard guard(lock_);
  return child == nullptr ? children_.Front() : children_.Next(child);
}

Status SyntheticDirectory::ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer) {
  for (Child* child = nullptr; (child = After(child)) != nullptr;) {
    if (child->cookie > cookie &&
        !writer.Add(child->name, child->node->kind(), child->node->number(), child->cookie)) {
      break;
    }
  }
  return Status::kOk;
}

// Generated afresh at each read, so a reader in small pieces may see two moments; most readers take
// the whole text at once.
Result<std::uint64_t> SyntheticFile::Read(std::uint64_t offset, BufferOut data) {
  std::size_t room = 4096;
  while (true) {
    auto* space = static_cast<char*>(mem::Allocate(room));
    if (space == nullptr) {
      return Status::kNoMemory;
    }
    TextWriter text({space, room});
    generate_(text, argument_);
    Status status = Status::kOk;
    std::size_t part = 0;
    const bool fits = text.size() <= room;
    if (fits && offset < text.size()) {
      part = std::min<std::size_t>(text.size() - offset, data.size());
      status = data.CopyFrom(space + offset, 0, part);
    }
    mem::Free(space, room);
    if (offset == 0 && exists_ != nullptr && !exists_(argument_)) {
      return Status::kNoProcess;
    }
    if (fits) {
      TRY(status);
      return std::uint64_t{part};
    }
    constexpr std::size_t kMost = 1 << 20;
    room = text.size() + 4096;
    if (room > kMost) {
      return Status::kNoMemory;
    }
  }
}

Result<std::uint64_t> SyntheticFile::Write(std::uint64_t offset, BufferIn data, bool,
                                           std::uint64_t* end) {
  char text[128];
  if (accept_ == nullptr) {
    return Status::kPermissionDenied;
  }
  if (data.size() > sizeof(text)) {
    return Status::kInvalidArgument;
  }
  TRY(data.CopyTo(text, 0, data.size()));
  TRY(accept_({text, data.size()}, argument_));
  *end = offset + data.size();
  return std::uint64_t{data.size()};
}

Status SyntheticFile::SetAttributes(const AttributeChange& change) {
  // Opening for writing truncates, by habit; that means nothing here.
  return accept_ != nullptr && (change.mask & ~kSetSize) == 0 ? Status::kOk : Status::kNotOwner;
}

Result<std::size_t> SyntheticLink::ReadLink(const Identity&, std::span<char> text) {
  std::memcpy(text.data(), target_.data(), std::min(target_.size(), text.size()));
  return target_.size();
}

namespace {
void ConstantText(TextWriter& text, std::uint64_t file) {
  text.Text(reinterpret_cast<const ConstantFile*>(file)->text);
}
}  // namespace

Status AddConstants(SyntheticDirectory& directory, std::span<const ConstantFile> files) {
  for (const ConstantFile& file : files) {
    TRY(directory.AddFile(file.name, &ConstantText, reinterpret_cast<std::uint64_t>(&file)));
  }
  return Status::kOk;
}

}  // namespace k42::fs
