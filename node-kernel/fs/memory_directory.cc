#include "fs/memory_directory.h"

#include "fs/directory_writer.h"
#include "fs/memory_fs.h"
#include "mem/heap.h"

namespace k42::fs {
namespace {
constexpr std::uint32_t kMaxLinks = 65000;

bool IsDirectory(const Node& node) {
  return node.kind() == FileKind::kDirectory;
}
}  // namespace

void MemoryDirectory::Dispose() {
  mem::Delete(this);
}

void MemoryDirectory::FillSize(FileAttributes* attributes) const {
  machine::MutexGuard guard(lock_);
  attributes->size = 40 + 20 * names_.size();
}

Result<Node*> MemoryDirectory::Lookup(std::string_view name) {
  machine::MutexGuard guard(lock_);
  const NameMap::Name* found = names_.Find(name);
  if (found == nullptr) {
    return Status::kNotFound;
  }
  found->node->AddReference();
  return static_cast<Node*>(found->node.get());
}

Status MemoryDirectory::Insert(std::string_view name, MemoryNode& node) {
  machine::MutexGuard guard(lock_);
  if (closed_) {
    return Status::kNotFound;
  }
  if (names_.Find(name) != nullptr) {
    return Status::kAlreadyExists;
  }
  return names_.Insert(name, RefPtr<MemoryNode>(&node));
}

Result<MemoryNode*> MemoryDirectory::Take(std::string_view name) {
  machine::MutexGuard guard(lock_);
  NameMap::Name* found = names_.Find(name);
  if (found == nullptr) {
    return Status::kNotFound;
  }
  RefPtr<MemoryNode> node = found->node;
  names_.Remove(found);
  return node.Release();
}

Status MemoryDirectory::Close() {
  machine::MutexGuard guard(lock_);
  if (names_.size() != 0) {
    return Status::kNotEmpty;
  }
  closed_ = true;
  return Status::kOk;
}

Result<Node*> MemoryDirectory::MakeNode(std::string_view name, const NewNode& what) {
  auto node = RefPtr<MemoryNode>::Adopt(TRY(memory_file_system().MakeNode(what)));
  TRY(Insert(name, *node));
  node->CountLink(IsDirectory(*node) ? 2 : 1);
  if (IsDirectory(*node)) {
    CountLink(1);  // its ".."
  }
  TouchModified();
  return static_cast<Node*>(node.Release());
}

Status MemoryDirectory::AddLink(std::string_view name, Node& existing) {
  auto& node = static_cast<MemoryNode&>(existing);
  const std::uint32_t links = node.links();
  if (links == 0) {
    return Status::kNotFound;  // a file whose last name is gone stays without
  }
  if (links >= kMaxLinks) {
    return Status::kTooManyLinks;
  }
  TRY(Insert(name, node));
  node.CountLink(1);
  TouchModified();
  return Status::kOk;
}

Status MemoryDirectory::RemoveName(std::string_view name, Node& victim) {
  auto& node = static_cast<MemoryNode&>(victim);
  {
    machine::MutexGuard guard(lock_);
    const NameMap::Name* found = names_.Find(name);
    if (found == nullptr || found->node.get() != &node) {
      return Status::kNotFound;
    }
  }
  if (IsDirectory(node)) {
    TRY(static_cast<MemoryDirectory&>(node).Close());
  }
  RefPtr<MemoryNode>::Adopt(TRY(Take(name)));
  node.CountLink(IsDirectory(node) ? -2 : -1);
  if (IsDirectory(node)) {
    CountLink(-1);
  }
  TouchModified();
  return Status::kOk;
}

Status MemoryDirectory::Exchange(std::string_view name, MemoryNode& other,
                                 RefPtr<MemoryNode>* before) {
  machine::MutexGuard guard(lock_);
  NameMap::Name* found = names_.Find(name);
  if (found == nullptr) {
    return Status::kNotFound;
  }
  *before = std::move(found->node);
  found->node = RefPtr<MemoryNode>(&other);
  return Status::kOk;
}

Status MemoryDirectory::RenameTo(std::string_view old_name, Node& what, Node& new_directory,
                                 std::string_view new_name, Node* replaced, bool exchange) {
  auto& target = static_cast<MemoryDirectory&>(new_directory);
  auto& moved = static_cast<MemoryNode&>(what);
  auto* other = static_cast<MemoryNode*>(replaced);
  RefPtr<MemoryNode> before;  // dropped after all locks
  if (exchange) {
    TRY(Exchange(old_name, *other, &before));
    before = nullptr;
    TRY(target.Exchange(new_name, moved, &before));
  } else if (other != nullptr) {
    if (IsDirectory(*other)) {
      TRY(static_cast<MemoryDirectory*>(other)->Close());
    }
    TRY(target.Exchange(new_name, moved, &before));
    RefPtr<MemoryNode>::Adopt(TRY(Take(old_name)));
    other->CountLink(IsDirectory(*other) ? -2 : -1);
    if (IsDirectory(*other)) {
      target.CountLink(-1);
    }
  } else {
    TRY(target.Insert(new_name, moved));
    RefPtr<MemoryNode>::Adopt(TRY(Take(old_name)));
  }
  if (&target != this) {  // whose ".." points where
    const int leaves = IsDirectory(moved) ? 1 : 0;
    const int comes = exchange && IsDirectory(*other) ? 1 : 0;
    CountLink(comes - leaves);
    target.CountLink(leaves - comes);
  }
  moved.TouchChanged();
  TouchModified();
  target.TouchModified();
  return Status::kOk;
}

Status MemoryDirectory::ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer) {
  TouchAccessed();
  machine::MutexGuard guard(lock_);
  for (const NameMap::Name* name = names_.After(cookie); name != nullptr;
       name = names_.Next(name)) {
    if (!writer.Add(name->view(), name->node->kind(), name->node->number(), name->cookie)) {
      break;
    }
  }
  return Status::kOk;
}

}  // namespace k42::fs
