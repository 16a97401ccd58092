// Contents of remote files: NinePNode::Read, Write, Memory.
#include <algorithm>

#include "cobj/may_block.h"
#include "fs/ninep_fs.h"
#include "fs/ninep_node.h"
#include "mem/fcm_file.h"
#include "mem/heap.h"
#include "mem/memory_object.h"

namespace k42::fs {

using ninep::Request;
using ninep::ScopedRequest;
using ninep::Type;
using ninep::Writer;

// Through the page cache; waits only where a page must be fetched.
Result<std::uint64_t> NinePNode::Read(std::uint64_t offset, BufferOut data) {
  TRY(OpenFid(false));
  mem::FcmFile* cache = cache_.load(std::memory_order_acquire);
  const auto at_once = cache->Read(offset, data, mem::Waiting::kNo);
  if (at_once.status() != Status::kWouldBlock) {
    return at_once;
  }
  TRY(cobj::MayBlock());
  return cache->Read(offset, data, mem::Waiting::kYes);
}

Result<std::uint64_t> NinePNode::WriteSome(std::uint64_t offset, BufferIn data) {
  ninep::Client& client = remote().client();
  const std::uint32_t fid = TRY(OpenFid(true));
  const auto size = static_cast<std::uint32_t>(
      std::min<std::uint64_t>({data.size(), client.max_data(), std::uint64_t{64} << 10}));
  auto* copy = static_cast<std::byte*>(mem::Allocate(size));
  if (copy == nullptr) {
    return Status::kNoMemory;
  }
  const auto send = [&]() -> Result<std::uint64_t> {
    TRY(data.CopyTo(copy, 0, size));
    ScopedRequest request(TRY(Request::Make(client, 64, 64)));
    Writer& message = request->Begin(Type::kWrite);
    message.U32(fid);
    message.U64(offset);
    message.U32(size);
    request->AddOut({machine::VirtToPhys(copy), size});
    TRY(client.Call(*request));
    ninep::Reader reply(request->reply());
    const std::uint32_t count = reply.U32();
    return reply.failed() || count > size ? Result<std::uint64_t>(Status::kCorrupt)
                                          : Result<std::uint64_t>(std::uint64_t{count});
  };
  const auto sent = send();
  mem::Free(copy, size);
  return sent;
}

Result<std::uint64_t> NinePNode::Write(std::uint64_t offset, BufferIn data, bool append,
                                       std::uint64_t* end) {
  TRY(cobj::MayBlock());
  using Kind = mem::SizeGate::Kind;
  const mem::SizePass pass(contents_gate_, append ? Kind::kAlone : Kind::kShared);
  if (append) {
    TRY(Refresh());
    offset = KnownSize();
  }
  std::uint64_t done = 0;
  while (done < data.size()) {
    const auto count = WriteSome(offset + done, data.Part(done, data.size() - done));
    if (!count.ok() && done == 0) {
      return count.status();
    }
    if (!count.ok() || count.value() == 0) {
      break;
    }
    done += count.value();
  }
  *end = offset + done;
  mem::FcmFile* cache = cache_.load(std::memory_order_acquire);
  cache->DropClean();
  // What is still there differs from the server by what programs have changed in their mappings,
  // and shows this write, too. The bytes may be read once more for it: whoever changes them, or
  // takes them away, while they are being written gets some of each.
  (void)cache->Overlay(offset, data.Part(0, done));
  if (!IsOk(Refresh())) {
    KeepWritten(*end);  // an error would say that nothing was written
  }
  return done;
}

Result<cobj::Granted<mem::IMemoryObject>> NinePNode::Memory(std::uint32_t rights) {
  TRY(OpenFid((rights & kRightWrite) != 0));
  mem::FcmFile* cache = cache_.load(std::memory_order_acquire);
  return cobj::Granted<mem::IMemoryObject>(TRY(mem::MakeMemoryObject(cache)), rights);
}

}  // namespace k42::fs
