#include "fs/node.h"

#include "fs/file_locks.h"
#include "fs/file_watch.h"
#include "fs/open_file.h"
#include "mem/heap.h"

namespace k42::fs {

Node::~Node() {
  if (FileLocks* locks = locks_.load(std::memory_order_relaxed)) {
    locks->FileGone();
    locks->DropReference();
  }
  if (NodeWatches* watches = watches_.load(std::memory_order_relaxed)) {
    EndWatchesOf(*this, *watches);
    mem::Delete(watches);
  }
}

namespace {

void Discard(FileLocks* made) {
  made->DropReference();
}
void Discard(NodeWatches* made) {
  mem::Delete(made);
}

// What `place` points to, made by whoever is the first to need it.
template <typename T>
Result<T*> MadeAtFirstUse(std::atomic<T*>& place) {
  T* found = place.load(std::memory_order_acquire);
  if (found != nullptr) {
    return found;
  }
  T* made = TRY(mem::New<T>());
  if (!place.compare_exchange_strong(found, made, std::memory_order_acq_rel)) {
    Discard(made);
    return found;
  }
  return made;
}

}  // namespace

Result<FileLocks*> Node::Locks() {
  return MadeAtFirstUse(locks_);
}

Result<NodeWatches*> Node::Watches() {
  return MadeAtFirstUse(watches_);
}

Status Node::SetAttributes(const AttributeChange&) {
  return Status::kNotOwner;
}
Result<Node*> Node::Lookup(std::string_view) {
  return Status::kNotDirectory;
}
Result<Node*> Node::MakeNode(std::string_view, const NewNode&) {
  return Status::kPermissionDenied;
}
Status Node::AddLink(std::string_view, Node&) {
  return Status::kNotOwner;
}
Status Node::RemoveName(std::string_view, Node&) {
  return Status::kNotOwner;
}
Status Node::RenameTo(std::string_view, Node&, Node&, std::string_view, Node*, bool) {
  return Status::kNotOwner;
}
Status Node::ReadDirectory(std::uint64_t, DirectoryWriter&) {
  return Status::kNotDirectory;
}
Result<std::size_t> Node::ReadLink(const Identity&, std::span<char>) {
  return Status::kInvalidArgument;
}
Result<Entry*> Node::FollowLink(const Identity&) {
  return static_cast<Entry*>(nullptr);
}
Result<std::uint64_t> Node::Read(std::uint64_t, BufferOut) {
  return Status::kInvalidArgument;
}
Result<std::uint64_t> Node::Write(std::uint64_t, BufferIn, bool, std::uint64_t*) {
  return Status::kInvalidArgument;
}
Status Node::Allocate(AllocateMode, std::uint64_t, std::uint64_t) {
  return Status::kNotSupported;
}
Result<std::uint64_t> Node::Size() {
  return std::uint64_t{0};
}
Status Node::Sync(bool) {
  return Status::kOk;
}
Result<cobj::Granted<mem::IMemoryObject>> Node::Memory(std::uint32_t) {
  return Status::kNotSupported;
}
Status Node::Opened(std::uint32_t) {
  return Status::kOk;
}
Status Node::GrantLease(FileLease&, const LeaseRequest&) {
  return Status::kNotSupported;
}
std::uint64_t Node::TakeLeasePosition(FileLease&, std::uint64_t otherwise) {
  return otherwise;
}
io::SocketName* Node::Name() {
  return nullptr;
}

Result<cobj::Granted<IOpenFile>> Node::Open(const OpenRequest& request) {
  switch (kind()) {
    case FileKind::kRegular:
    case FileKind::kDirectory:
      return OpenFile::Make(request, *this);
    default:
      return Status::kAddressUnavailable;  // nobody is there
  }
}

}  // namespace k42::fs
