#include "fs/ninep_fs.h"

#include "cobj/may_block.h"
#include "fs/ninep_node.h"
#include "fs/path.h"
#include "mem/heap.h"

namespace k42::fs {

using ninep::Request;
using ninep::ScopedRequest;
using ninep::Type;

NinePFileSystem::NinePFileSystem(ninep::Transport& transport, mem::MemoryServices& memory,
                                 bool read_only, Sharing sharing, std::uint64_t device)
    : FileSystem(sharing == Sharing::kCached ? Caching::kAlways : Caching::kNever, read_only,
                 device),
      client_(transport),
      memory_(memory),
      sharing_(sharing) {}

NinePFileSystem::~NinePFileSystem() = default;

Result<NinePFileSystem*> NinePFileSystem::Make(ninep::Transport& transport,
                                               mem::MemoryServices& memory, std::string_view path,
                                               bool read_only, Sharing sharing,
                                               std::uint64_t device) {
  auto* made = TRY(mem::New<NinePFileSystem>(transport, memory, read_only, sharing, device));
  Status status = made->client_.Start();
  if (IsOk(status)) {
    status = made->Attach(path);
  }
  if (!IsOk(status)) {
    mem::Delete(made);
    return status;
  }
  return made;
}

Result<NinePFileSystem*> NinePFileSystem::MakeServed(ninep::Transport& transport,
                                                     mem::MemoryServices& memory,
                                                     std::uint64_t device) {
  constexpr std::uint32_t kNoServersFid = 0;
  ninep::Attributes root = {};
  root.kind = root.values.kind = FileKind::kDirectory;
  root.values.mode = 0755;
  root.values.links = 2;
  root.qid.path = 1;
  auto* made = TRY(mem::New<NinePFileSystem>(transport, memory, false, Sharing::kShared, device));
  const auto node = mem::New<NinePNode>(*made, kNoServersFid, root);
  if (!node.ok()) {
    mem::Delete(made);
    return node.status();
  }
  made->served_ = true;
  made->root_ = RefPtr<NinePNode>::Adopt(node.value());
  return made;
}

Status NinePFileSystem::AttachServer() {
  TRY(client_.Start());
  root_->Renew(TRY(AttachRoot()));
  return root_->Refresh();
}

Result<std::uint32_t> NinePFileSystem::AttachRoot() {
  const std::uint32_t fid = client_.NewFid();
  ScopedRequest request(TRY(Request::Make(client_, 64, 64)));
  ninep::Writer& message = request->Begin(Type::kAttach);
  message.U32(fid);
  message.U32(ninep::kNoFid);  // no authentication: the export is confined to one folder
  message.Text("k42");
  message.Text("");
  message.U32(0);
  TRY(client_.Call(*request));
  return fid;
}

Status NinePFileSystem::Attach(std::string_view path) {
  std::uint32_t fid = TRY(AttachRoot());
  for (std::string_view name = TakeComponent(path); !name.empty(); name = TakeComponent(path)) {
    const std::uint32_t next = client_.NewFid();
    ScopedRequest request(TRY(Request::Make(client_, 32 + name.size(), 64)));
    ninep::Writer& message = request->Begin(Type::kWalk);
    message.U32(fid);
    message.U32(next);
    message.U16(1);
    message.Text(name);
    TRY(client_.Call(*request));
    client_.Clunk(fid);
    fid = next;
  }
  root_ = RefPtr<NinePNode>::Adopt(TRY(NodeOf(fid)));
  return root_->kind() == FileKind::kDirectory ? Status::kOk : Status::kNotDirectory;
}

Node& NinePFileSystem::Root() {
  return *root_;
}

Result<NinePNode*> NinePFileSystem::NodeOf(std::uint32_t fid) {
  ninep::Attributes attributes;
  {
    ScopedRequest request(TRY(Request::Make(client_, 32, ninep::kAttributesReply)));
    ninep::Writer& message = request->Begin(Type::kGetAttributes);
    message.U32(fid);
    message.U64(ninep::kBasicAttributes);
    Status status = client_.Call(*request);
    if (IsOk(status)) {
      status = ninep::ParseAttributes(request->reply(), &attributes);
    }
    if (!IsOk(status)) {
      client_.Clunk(fid);
      return status;
    }
  }
  Bucket& bucket = BucketOf(attributes.qid.path);
  NinePNode* made = nullptr;
  NinePNode* found = nullptr;
  while (true) {
    {
      machine::SpinGuard guard(bucket.lock);
      for (NinePNode& node : bucket.chain) {
        if (node.path() == attributes.qid.path && node.kind() == attributes.kind &&
            client_.IsKnown(node.fid()) && node.TryAddReference()) {
          found = &node;
          break;
        }
      }
      if (found == nullptr && made != nullptr) {
        bucket.chain.PushFront(made);
        return made;
      }
    }
    if (found != nullptr) {
      break;
    }
    const auto node = mem::New<NinePNode>(*this, fid, attributes);
    if (!node.ok()) {
      client_.Clunk(fid);
      return node.status();
    }
    made = node.value();
  }
  found->KeepOwnership(attributes.values);
  if (made != nullptr) {
    made->DropReference();  // takes its fid along
  } else {
    client_.Clunk(fid);
  }
  return found;
}

void NinePFileSystem::Forget(NinePNode& node) {
  Bucket& bucket = BucketOf(node.path());
  machine::SpinGuard guard(bucket.lock);
  if (node.linked()) {
    IntrusiveList<NinePNode>::Remove(&node);
  }
}

Status NinePFileSystem::GetInfo(FileSystemInfo* info) {
  TRY(cobj::MayBlock());
  ScopedRequest request(TRY(Request::Make(client_, 32, 128)));
  request->Begin(Type::kGetInfo).U32(root_->fid());
  TRY(client_.Call(*request));
  TRY(ninep::ParseInfo(request->reply(), info));
  info->read_only = read_only() ? 1 : 0;
  info->device = device();
  return Status::kOk;
}

}  // namespace k42::fs
