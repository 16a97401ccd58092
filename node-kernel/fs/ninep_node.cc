#include "fs/ninep_node.h"

#include <algorithm>
#include <cstring>

#include "cobj/may_block.h"
#include "fs/directory_writer.h"
#include "fs/entry.h"
#include "fs/ninep_fs.h"
#include "fs/ninep_pages.h"
#include "mem/fcm_file.h"
#include "mem/heap.h"

namespace k42::fs {

using ninep::Request;
using ninep::ScopedRequest;
using ninep::Type;
using ninep::Writer;

namespace {
constexpr std::size_t kSmall = 64;
constexpr std::uint32_t kOpenReadOnly = 0;  // the protocol's flags of Tlopen
constexpr std::uint32_t kOpenReadWrite = 2;
// Valid bits of Tsetattr.
constexpr std::uint32_t kValidMode = 1, kValidUser = 2, kValidGroup = 4, kValidSize = 8,
                        kValidAccess = 0x10, kValidModify = 0x20, kValidAccessSet = 0x80,
                        kValidModifySet = 0x100;
constexpr std::uint32_t kRemoveDirectoryFlag = 0x200;

std::size_t SizeFor(std::string_view a, std::string_view b = {}) {
  return kSmall + a.size() + b.size();
}
}  // namespace

NinePNode::NinePNode(NinePFileSystem& file_system, std::uint32_t fid,
                     const ninep::Attributes& attributes)
    : Node(file_system, attributes.kind, attributes.qid.path,
           {attributes.values.mode, attributes.values.user, attributes.values.group}),
      fid_(fid),
      attributes_(attributes.values) {}

NinePNode::~NinePNode() {
  remote().client().Clunk(fid());
  if (mem::FcmFile* cache = cache_.load(std::memory_order_relaxed)) {
    cache->DropReference();  // takes pages_ along when the last mapping goes
  } else if (NinePPages* pages = pages_.load(std::memory_order_relaxed)) {
    pages->CacheGone();
  }
}

void NinePNode::Dispose() {
  remote().Forget(*this);
  mem::Delete(this);
}

NinePFileSystem& NinePNode::remote() const {
  return static_cast<NinePFileSystem&>(file_system());
}

// -- attributes -----------------------------------------------------------------------------------

bool NinePNode::Keep(const FileAttributes& values) {
  SetOwnership({values.mode, values.user, values.group});
  machine::SpinGuard guard(state_lock_);
  const bool changed = values.size != attributes_.size || values.modify_ns != attributes_.modify_ns;
  attributes_ = values;
  return changed;
}

void NinePNode::KeepOwnership(const FileAttributes& values) {
  SetOwnership({values.mode, values.user, values.group});
}

// Bytes up to `end` are with the server, though it could not be asked what the file is now: whoever
// wrote them finds them.
void NinePNode::KeepWritten(std::uint64_t end) {
  const machine::MutexGuard alone(refresh_lock_);
  {
    machine::SpinGuard guard(state_lock_);
    attributes_.size = std::max(attributes_.size, end);
  }
  (void)cache_.load(std::memory_order_acquire)->GrowTo(end, mem::Waiting::kYes);
}

std::uint64_t NinePNode::KnownSize() {
  machine::SpinGuard guard(state_lock_);
  return attributes_.size;
}

// The page cache is as large as the server says. Alone: an answer from before somebody else's write
// would cut off what that one has written since.
Status NinePNode::Refresh() {
  TRY(cobj::MayBlock());
  const machine::MutexGuard alone(refresh_lock_);
  ScopedRequest request(TRY(Request::Make(remote().client(), kSmall, ninep::kAttributesReply)));
  Writer& message = request->Begin(Type::kGetAttributes);
  message.U32(fid());
  message.U64(ninep::kBasicAttributes);
  TRY(remote().client().Call(*request));
  ninep::Attributes attributes;
  TRY(ninep::ParseAttributes(request->reply(), &attributes));
  const bool changed = Keep(attributes.values);
  mem::FcmFile* cache = cache_.load(std::memory_order_acquire);
  if (cache == nullptr) {
    return Status::kOk;
  }
  if (changed) {
    cache->DropClean();
  }
  const std::uint64_t size = attributes.values.size;
  return size != cache->size() ? cache->Resize(size, mem::Waiting::kYes) : Status::kOk;
}

Status NinePNode::GetAttributes(FileAttributes* attributes) {
  if (!remote().cached()) {
    TRY(Refresh());
  }
  machine::SpinGuard guard(state_lock_);
  *attributes = attributes_;
  return Status::kOk;
}

Status NinePNode::SetAttributes(const AttributeChange& change) {
  TRY(cobj::MayBlock());
  if ((change.mask & kSetSize) == 0) {
    return SendAttributes(change);
  }
  const mem::SizePass pass(contents_gate_, mem::SizeGate::Kind::kAlone);
  return SendAttributes(change);
}

Status NinePNode::SendAttributes(const AttributeChange& change) {
  std::uint32_t valid = 0;
  const auto map = [&](std::uint32_t ours, std::uint32_t theirs) {
    valid |= (change.mask & ours) != 0 ? theirs : 0;
  };
  map(kSetMode, kValidMode);
  map(kSetUser, kValidUser);
  map(kSetGroup, kValidGroup);
  map(kSetSize, kValidSize);
  map(kSetAccessTime, kValidAccess | kValidAccessSet);
  map(kSetModifyTime, kValidModify | kValidModifySet);
  map(kSetAccessTimeNow, kValidAccess);
  map(kSetModifyTimeNow, kValidModify);
  ScopedRequest request(TRY(Request::Make(remote().client(), 128, kSmall)));
  Writer& message = request->Begin(Type::kSetAttributes);
  message.U32(fid());
  message.U32(valid);
  message.U32(change.mode);
  message.U32(change.user);
  message.U32(change.group);
  message.U64(change.size);
  for (const std::int64_t time : {change.access_ns, change.modify_ns}) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const std::int64_t nanoseconds = (time % kSecond + kSecond) % kSecond;
    message.U64(static_cast<std::uint64_t>((time - nanoseconds) / kSecond));
    message.U64(static_cast<std::uint64_t>(nanoseconds));
  }
  TRY(remote().client().Call(*request));
  return Refresh();
}

// -- directories ----------------------------------------------------------------------------------

Result<Node*> NinePNode::Lookup(std::string_view name) {
  TRY(cobj::MayBlock());
  ninep::Client& client = remote().client();
  const std::uint32_t own = fid();  // before the new one: so no server knows this and not that
  const std::uint32_t found = client.NewFid();
  ScopedRequest request(TRY(Request::Make(client, SizeFor(name), kSmall)));
  Writer& message = request->Begin(Type::kWalk);
  message.U32(own);
  message.U32(found);
  message.U16(1);
  message.Text(name);
  TRY(client.Call(*request));
  return TRY(remote().NodeOf(found));
}

Result<Node*> NinePNode::MakeNode(std::string_view name, const NewNode& what) {
  TRY(cobj::MayBlock());
  ninep::Client& client = remote().client();
  ScopedRequest request(TRY(Request::Make(client, SizeFor(name, what.link_text), kSmall)));
  switch (what.kind) {
    case FileKind::kDirectory: {
      Writer& message = request->Begin(Type::kMakeDirectory);
      message.U32(fid());
      message.Text(name);
      message.U32(what.mode);
      message.U32(what.group);
      break;
    }
    case FileKind::kSymbolicLink: {
      Writer& message = request->Begin(Type::kSymlink);
      message.U32(fid());
      message.Text(name);
      message.Text(what.link_text);
      message.U32(what.group);
      break;
    }
    case FileKind::kFifo:
      if (!remote().served()) {
        return Status::kNotSupported;  // it would connect nobody across nodes
      }
      [[fallthrough]];
    case FileKind::kRegular: {
      Writer& message = request->Begin(Type::kMakeNode);
      message.U32(fid());
      message.Text(name);
      message.U32(what.mode | ninep::ModeOfKind(what.kind));
      message.U32(0);
      message.U32(0);
      message.U32(what.group);
      break;
    }
    default:
      return Status::kNotSupported;
  }
  TRY(client.Call(*request));
  Node* made = TRY(Lookup(name));
  if (!remote().served() || made->ownership().user == what.user) {
    return made;
  }
  AttributeChange owner{};
  owner.mask = kSetUser | kSetGroup;
  owner.user = what.user;
  owner.group = what.group;
  const Status status = static_cast<NinePNode*>(made)->SendAttributes(owner);
  if (!IsOk(status)) {
    made->DropReference();
    return status;
  }
  return made;
}

Status NinePNode::AddLink(std::string_view name, Node& existing) {
  TRY(cobj::MayBlock());
  ScopedRequest request(TRY(Request::Make(remote().client(), SizeFor(name), kSmall)));
  Writer& message = request->Begin(Type::kLink);
  message.U32(fid());
  message.U32(static_cast<NinePNode&>(existing).fid());
  message.Text(name);
  return remote().client().Call(*request);
}

Status NinePNode::RemoveName(std::string_view name, Node& victim) {
  TRY(cobj::MayBlock());
  ScopedRequest request(TRY(Request::Make(remote().client(), SizeFor(name), kSmall)));
  Writer& message = request->Begin(Type::kUnlink);
  message.U32(fid());
  message.Text(name);
  message.U32(victim.kind() == FileKind::kDirectory ? kRemoveDirectoryFlag : 0);
  return remote().client().Call(*request);
}

Status NinePNode::RenameTo(std::string_view old_name, Node&, Node& new_directory,
                           std::string_view new_name, Node*, bool exchange) {
  if (exchange) {
    return Status::kNotSupported;  // the protocol cannot say it
  }
  TRY(cobj::MayBlock());
  ScopedRequest request(TRY(Request::Make(remote().client(), SizeFor(old_name, new_name), kSmall)));
  Writer& message = request->Begin(Type::kRename);
  message.U32(fid());
  message.Text(old_name);
  message.U32(static_cast<NinePNode&>(new_directory).fid());
  message.Text(new_name);
  return remote().client().Call(*request);
}

Status NinePNode::ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer) {
  // The server's cookies start where they like; ours reserve 0 to 2 for the start, "." and "..".
  constexpr std::uint64_t kShift = 3;
  TRY(cobj::MayBlock());
  const std::uint32_t fid = TRY(OpenFid(false));
  ninep::Client& client = remote().client();
  const std::uint32_t room = std::min<std::uint32_t>(client.max_data(), 32 << 10);
  ScopedRequest request(TRY(Request::Make(client, kSmall, ninep::kReadReplyHeader + room)));
  std::uint64_t position = cookie < kShift ? 0 : cookie - kShift;
  while (true) {
    Writer& message = request->Begin(Type::kReadDirectory);
    message.U32(fid);
    message.U64(position);
    message.U32(room);
    TRY(client.Call(*request));
    ninep::Reader reply(request->reply());
    const std::uint32_t count = reply.U32();
    if (reply.failed() || count > request->reply().size() - 4) {
      return Status::kCorrupt;
    }
    if (count == 0) {
      return Status::kOk;
    }
    ninep::Reader data(request->reply().subspan(4, count));
    bool added = false;
    while (!data.at_end()) {
      ninep::DirectoryItem item;
      TRY(ninep::ParseDirectoryItem(data, &item));
      position = item.cookie;
      if (item.name == "." || item.name == "..") {
        continue;
      }
      if (!writer.Add(item.name, item.kind, item.qid.path, item.cookie + kShift)) {
        return Status::kOk;
      }
      added = true;
    }
    if (added) {
      return Status::kOk;
    }
  }
}

Result<std::size_t> NinePNode::ReadLink(const Identity&, std::span<char> text) {
  TRY(cobj::MayBlock());
  ScopedRequest request(TRY(Request::Make(remote().client(), kSmall, kSmall + kPathMax)));
  request->Begin(Type::kReadLink).U32(fid());
  TRY(remote().client().Call(*request));
  ninep::Reader reply(request->reply());
  const std::string_view target = reply.Text();
  TRY(reply.Check());
  std::memcpy(text.data(), target.data(), std::min(target.size(), text.size()));
  return target.size();
}

// -- contents -------------------------------------------------------------------------------------

Result<std::uint32_t> NinePNode::OpenFid(bool write) {
  std::uint32_t fid = ninep::kNoFid;
  if (NinePPages* pages = pages_.load(std::memory_order_acquire)) {
    fid = (write ? pages->write_fid : pages->read_fid).load(std::memory_order_acquire);
    if (fid != ninep::kNoFid) {
      return fid;
    }
  }
  TRY(cobj::MayBlock());
  machine::MutexGuard guard(open_lock_);
  NinePPages* pages = TRY(PagesLocked());
  std::atomic<std::uint32_t>& slot = write ? pages->write_fid : pages->read_fid;
  fid = slot.load(std::memory_order_acquire);
  if (fid != ninep::kNoFid) {
    return fid;
  }
  ninep::Client& client = remote().client();
  const std::uint32_t own = this->fid();  // before the new one, as in Lookup
  fid = client.NewFid();
  {
    ScopedRequest walk(TRY(Request::Make(client, kSmall, kSmall)));
    Writer& message = walk->Begin(Type::kWalk);
    message.U32(own);
    message.U32(fid);
    message.U16(0);
    TRY(client.Call(*walk));
  }
  ScopedRequest open(TRY(Request::Make(client, kSmall, kSmall)));
  Writer& message = open->Begin(Type::kOpen);
  message.U32(fid);
  message.U32(write ? kOpenReadWrite : kOpenReadOnly);
  const Status status = client.Call(*open);
  if (!IsOk(status)) {
    client.Clunk(fid);
    return status;
  }
  slot.store(fid, std::memory_order_release);
  return fid;
}

void NinePNode::Renew(std::uint32_t fid) {
  const machine::MutexGuard guard(open_lock_);
  if (NinePPages* pages = pages_.load(std::memory_order_relaxed)) {
    pages->read_fid.store(ninep::kNoFid, std::memory_order_release);
    pages->write_fid.store(ninep::kNoFid, std::memory_order_release);
  }
  fid_.store(fid, std::memory_order_release);
}

Result<NinePPages*> NinePNode::PagesLocked() {
  NinePPages* pages = pages_.load(std::memory_order_relaxed);
  if (pages == nullptr) {
    pages = TRY(mem::New<NinePPages>(remote().client()));
    pages_.store(pages, std::memory_order_release);
  }
  if (kind() == FileKind::kRegular && cache_.load(std::memory_order_relaxed) == nullptr) {
    mem::FcmFile* cache = TRY(
        mem::FcmFile::Create(remote().memory(), pages, KnownSize(), remote().device(), number()));
    cache_.store(cache, std::memory_order_release);
  }
  return pages;
}

// Whoever has the fifo open holds this node, and so all meet here.
Result<cobj::Granted<IOpenFile>> NinePNode::Open(const OpenRequest& request) {
  if (kind() != FileKind::kFifo || !remote().served()) {
    return Node::Open(request);
  }
  TRY(cobj::MayBlock());
  RefPtr<io::Fifo> fifo;
  {
    const machine::MutexGuard guard(open_lock_);
    if (!fifo_) {
      fifo_ = RefPtr<io::Fifo>::Adopt(TRY(io::Fifo::Make()));
    }
    fifo = fifo_;
  }
  return io::Fifo::Open(std::move(fifo), RefPtr<Node>(this), request.entry, request.flags);
}

Status NinePNode::Opened(std::uint32_t flags) {
  if (!remote().cached()) {
    TRY(Refresh());
  }
  if (kind() == FileKind::kRegular && (flags & kOpenPathOnly) == 0) {
    TRY(OpenFid((flags & kOpenWrite) != 0));
  }
  return Status::kOk;
}

Result<std::uint64_t> NinePNode::Size() {
  if (!remote().cached()) {
    TRY(Refresh());
  }
  return KnownSize();
}

Status NinePNode::Sync(bool data_only) {
  if (remote().read_only()) {
    return Status::kOk;
  }
  const std::uint32_t fid = TRY(OpenFid(kind() == FileKind::kRegular));
  TRY(cobj::MayBlock());
  if (mem::FcmFile* cache = cache_.load(std::memory_order_acquire)) {
    TRY(cache->Sync());  // what was written to mappings; all else is there already
  }
  ScopedRequest request(TRY(Request::Make(remote().client(), kSmall, kSmall)));
  Writer& message = request->Begin(Type::kSync);
  message.U32(fid);
  message.U32(data_only ? 1 : 0);
  return remote().client().Call(*request);
}

Status NinePNode::Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) {
  if (mode != AllocateMode::kReserve) {
    return Status::kNotSupported;
  }
  TRY(cobj::MayBlock());
  const mem::SizePass pass(contents_gate_,
                           mem::SizeGate::Kind::kAlone);  // nobody grows it meanwhile
  if (offset + length <= TRY(Size())) {
    return Status::kOk;
  }
  AttributeChange change{};
  change.mask = kSetSize;
  change.size = offset + length;
  return SendAttributes(change);
}

}  // namespace k42::fs
