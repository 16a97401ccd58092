// PipeEnd: one opening of a Fifo.
#pragma once

#include "fs/entry.h"
#include "fs/open_file_base.h"
#include "io/fifo.h"
#include "io/stream_attributes.h"

namespace k42::io {

class PipeEnd final : public fs::OpenFileBase<fs::IOpenFile> {
 public:
  using Caller = const cobj::CallContext&;
  // `node`, `entry`: the name's it was opened by, or null.
  PipeEnd(RefPtr<Fifo> fifo, RefPtr<fs::Node> node, RefPtr<fs::Entry> entry,
          const StreamIdentity& identity, std::uint32_t flags);

  Result<std::uint64_t> PollState() override;
  Status Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) override;
  Status Disarm(Caller caller, std::uint32_t number) override;
  Result<std::uint64_t> Read(Caller caller, BufferOut data) override;
  Result<std::uint64_t> Write(Caller caller, BufferIn data) override;
  Status GetAttributes(fs::FileAttributes& attributes) override;
  Status SetAttributes(Caller caller, const fs::AttributeChange& change) override;
  Status GetFileSystem(fs::FileSystemInfo& info) override;
  Result<fs::FileKind> Kind() override { return fs::FileKind::kFifo; }
  Result<fs::Entry*> TakeEntry() override {
    RefPtr<fs::Entry> entry = entry_;
    return entry.Release();
  }
  Status SetFlags(std::uint32_t flags) override;
  Result<std::uint64_t> Control(Caller caller, std::uint32_t operation, BufferIn input,
                                BufferOut output) override;

 private:
  void Closed() override;
  bool PeerCame();
  bool reads() const { return (flags() & fs::kOpenRead) != 0; }
  bool writes() const { return (flags() & fs::kOpenWrite) != 0; }

  const RefPtr<Fifo> fifo_;
  const RefPtr<fs::Node> node_;
  const RefPtr<fs::Entry> entry_;
  const StreamIdentity identity_;
  // Of the other side, before those that were open when this was.
  std::uint64_t peer_openings_ = 0;
};

}  // namespace k42::io
