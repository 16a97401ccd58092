#include "io/fifo.h"

#include "io/pipe_end.h"
#include "mem/heap.h"

namespace k42::io {

Result<Fifo*> Fifo::Make() {
  auto conduit =
      RefPtr<Conduit>::Adopt(TRY(Conduit::Make({kDefaultCapacity, kAtomic, false, false})));
  return mem::New<Fifo>(std::move(conduit));
}

Fifo::Fifo(RefPtr<Conduit> conduit) : conduit_(std::move(conduit)) {
  conduit_->WatchReader(&read_list_);
  conduit_->WatchWriter(&write_list_);
}

void Fifo::Dispose() {
  conduit_->WatchReader(nullptr);
  conduit_->WatchWriter(nullptr);
  mem::Delete(this);
}

Result<cobj::Granted<fs::IOpenFile>> Fifo::Open(RefPtr<Fifo> fifo, RefPtr<fs::Node> node,
                                                RefPtr<fs::Entry> entry, std::uint32_t flags) {
  const bool reads = (flags & fs::kOpenRead) != 0;
  const bool writes = (flags & fs::kOpenWrite) != 0;
  if (!reads && !writes) {
    return Status::kInvalidArgument;
  }
  if (!(reads && writes) && (reads ? fifo->conduit().writers() : fifo->conduit().readers()) == 0) {
    if ((flags & fs::kOpenNonBlocking) != 0 && writes) {
      return Status::kAddressUnavailable;
    }
    if ((flags & (fs::kOpenNonBlocking | fs::kOpenAwaitsPeer)) == 0) {
      return Status::kWouldBlock;
    }
  }
  const auto ref = TRY(cobj::MakeShared<PipeEnd>(std::move(fifo), std::move(node), std::move(entry),
                                                 StreamIdentity{}, flags & ~fs::kOpenAwaitsPeer));
  return cobj::Granted<fs::IOpenFile>(ref, fs::RightsFor(flags));
}

Status Fifo::MakePipe(const fs::Identity& who, std::uint32_t flags,
                      cobj::Granted<fs::IOpenFile>* reader, cobj::Granted<fs::IOpenFile>* writer) {
  auto fifo = RefPtr<Fifo>::Adopt(TRY(Make()));
  fifo->conduit().SetMessages((flags & fs::kOpenDirect) != 0);
  const StreamIdentity identity = NewStreamIdentity(fs::FileKind::kFifo, who);
  flags &= fs::kOpenChangeable;
  const auto read_end =
      TRY(cobj::MakeShared<PipeEnd>(fifo, nullptr, nullptr, identity, flags | fs::kOpenRead));
  const auto write_end =
      cobj::MakeShared<PipeEnd>(fifo, nullptr, nullptr, identity, flags | fs::kOpenWrite);
  if (!write_end.ok()) {
    (void)cobj::Destroy(read_end);
    return write_end.status();
  }
  *reader = {read_end, fs::RightsFor(fs::kOpenRead)};
  *writer = {write_end.value(), fs::RightsFor(fs::kOpenWrite)};
  return Status::kOk;
}

}  // namespace k42::io
