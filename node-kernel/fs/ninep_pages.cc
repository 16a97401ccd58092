#include "fs/ninep_pages.h"

#include <algorithm>

#include "mem/heap.h"

namespace k42::fs {

using ninep::Request;
using ninep::Type;
using ninep::Writer;

namespace {

constexpr std::size_t kSmall = 64;

// What comes next in the file.
std::uint64_t NextOf(const mem::PageRequest& pages) {
  return pages.offset() + pages.done();
}

// The frames of a run from there on as segments, `size` bytes in all; neighbours in memory become
// one.
template <typename Add>
void AddFrames(const mem::PageRequest& pages, std::uint64_t size, Add add) {
  ninep::Segment segment{0, 0};
  std::uint64_t within = pages.done() % mem::kPageSize;
  for (auto i = static_cast<std::uint32_t>(pages.done() / mem::kPageSize); size != 0; ++i) {
    const auto part =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(size, mem::kPageSize - within));
    const machine::PhysAddr address = machine::VirtToPhys(pages.PageData(i).data() + within);
    if (segment.size != 0 && segment.address + segment.size == address) {
      segment.size += part;
    } else {
      if (segment.size != 0) {
        add(segment);
      }
      segment = {address, part};
    }
    size -= part;
    within = 0;
  }
  if (segment.size != 0) {
    add(segment);
  }
}

// Pages that go back as soon as it is known how large the file is.
struct WriteBack {
  WriteBack(NinePPages* owner_, mem::PageRequest* pages_) : owner(owner_), pages(pages_) {}

  NinePPages* owner;
  mem::PageRequest* pages;
};

// Read and write replies both begin with a count.
void Completed(Request* request) {
  auto* pages = static_cast<mem::PageRequest*>(request->user);
  Status status = request->status();
  std::uint64_t count = 0;
  if (IsOk(status)) {
    ninep::Reader reply(request->reply());
    count = reply.U32();
    const std::size_t most = std::max(request->InDataSize(), request->OutDataSize());
    status = reply.failed() || count > most ? Status::kCorrupt : Status::kOk;
  }
  request->Free();
  pages->Complete(status, IsOk(status) ? count : 0);
}

}  // namespace

Status NinePPages::SendRead(mem::PageRequest* pages) {
  std::uint32_t fid = read_fid.load(std::memory_order_acquire);
  if (fid == ninep::kNoFid) {
    fid = write_fid.load(std::memory_order_acquire);
  }
  Request* request = TRY(Request::Make(client_, kSmall, ninep::kReadReplyHeader));
  const auto size = std::min<std::uint64_t>(pages->size() - pages->done(), client_.max_data());
  Writer& message = request->Begin(Type::kRead);
  message.U32(fid);
  message.U64(NextOf(*pages));
  message.U32(static_cast<std::uint32_t>(size));
  AddFrames(*pages, size, [&](ninep::Segment segment) { request->AddIn(segment); });
  request->user = pages;
  const Status status = client_.Submit(request, &Completed);
  if (!IsOk(status)) {
    request->Free();
  }
  return status;
}

Status NinePPages::AskSize(mem::PageRequest* pages) {
  const std::uint32_t fid = write_fid.load(std::memory_order_acquire);
  if (fid == ninep::kNoFid) {
    return Status::kPermissionDenied;
  }
  auto* write = TRY(mem::New<WriteBack>(this, pages));
  const auto request = Request::Make(client_, kSmall, ninep::kAttributesReply);
  if (!request.ok()) {
    mem::Delete(write);
    return request.status();
  }
  Writer& message = request.value()->Begin(Type::kGetAttributes);
  message.U32(fid);
  message.U64(ninep::kBasicAttributes);
  request.value()->user = write;
  const Status status = client_.Submit(request.value(), &OnSize);
  if (!IsOk(status)) {
    request.value()->Free();
    mem::Delete(write);
  }
  return status;
}

void NinePPages::OnSize(Request* answer) {
  auto* write = static_cast<WriteBack*>(answer->user);
  const auto [owner, pages] = *write;
  mem::Delete(write);
  ninep::Attributes attributes;
  // A server may know a file by its name, and ours has none any more: how large it gets is nobody's
  // concern then.
  const std::uint64_t all = pages->size() - pages->done();
  std::uint64_t within = all;
  if (IsOk(answer->status()) && IsOk(ninep::ParseAttributes(answer->reply(), &attributes))) {
    const std::uint64_t size = attributes.values.size;
    within = std::min(within, size - std::min(size, NextOf(*pages)));
  }
  answer->Free();
  const Status status = within != 0 ? owner->SendWrite(pages, within) : Status::kOk;
  if (within == 0 || !IsOk(status)) {
    pages->Complete(status, within == 0 ? all : 0);
  }
}

Status NinePPages::SendWrite(mem::PageRequest* pages, std::uint64_t size) {
  Request* request = TRY(Request::Make(client_, kSmall, kSmall));
  size = std::min<std::uint64_t>(size, client_.max_data());
  Writer& message = request->Begin(Type::kWrite);
  message.U32(write_fid.load(std::memory_order_acquire));
  message.U64(NextOf(*pages));
  message.U32(static_cast<std::uint32_t>(size));
  AddFrames(*pages, size, [&](ninep::Segment segment) { request->AddOut(segment); });
  request->user = pages;
  const Status status = client_.Submit(request, &Completed);
  if (!IsOk(status)) {
    request->Free();
  }
  return status;
}

void NinePPages::StartFill(mem::PageRequest* request) {
  const Status status = SendRead(request);
  if (!IsOk(status)) {
    request->Complete(status, 0);
  }
}

void NinePPages::StartWrite(mem::PageRequest* request) {
  const Status status = AskSize(request);
  if (!IsOk(status)) {
    request->Complete(status, 0);
  }
}

void NinePPages::CacheGone() {
  for (const std::uint32_t fid : {read_fid.load(), write_fid.load()}) {
    if (fid != ninep::kNoFid) {
      client_.Clunk(fid);
    }
  }
  mem::Delete(this);
}

}  // namespace k42::fs
