#include "io/pipe_end.h"

#include <bit>

#include "fs/attributes.h"
#include "fs/caller.h"
#include "io/control.types.h"

namespace k42::io {

PipeEnd::PipeEnd(RefPtr<Fifo> fifo, RefPtr<fs::Node> node, RefPtr<fs::Entry> entry,
                 const StreamIdentity& identity, std::uint32_t flags)
    : OpenFileBase(flags),
      fifo_(std::move(fifo)),
      node_(std::move(node)),
      entry_(std::move(entry)),
      identity_(identity) {
  if (reads()) {
    peer_openings_ = fifo_->conduit().OpenReader();
  }
  if (writes()) {
    peer_openings_ = fifo_->conduit().OpenWriter();
  }
}

void PipeEnd::Closed() {
  if (reads()) {
    fifo_->conduit().CloseReader();
  }
  if (writes()) {
    fifo_->conduit().CloseWriter();
  }
}

// Is there, or was, since this was opened: also a short visit ends the wait for the other side.
bool PipeEnd::PeerCame() {
  Conduit& conduit = fifo_->conduit();
  return (reads() ? conduit.writer_openings() : conduit.reader_openings()) != peer_openings_;
}

// An opening for both is on both lists; the lists' words are or-ed. Of one side, the word comes
// before the look at the other: who comes between has moved the edges.
Result<std::uint64_t> PipeEnd::PollState() {
  if (!writes() || !reads()) {
    auto word = abi::PollWord::Unpack((reads() ? fifo_->read_list() : fifo_->write_list()).Word());
    if ((word.ready & abi::kPeerPresent) == 0 && PeerCame()) {
      word.ready |= abi::kPeerPresent;
    }
    return word.Pack();
  }
  const auto in = abi::PollWord::Unpack(fifo_->read_list().Word());
  const auto out = abi::PollWord::Unpack(fifo_->write_list().Word());
  return abi::PollWord{in.ready | out.ready, in.read_edges, out.write_edges}.Pack();
}

Status PipeEnd::Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) {
  if (reads()) {
    TRY(fifo_->read_list().Arm(mask, since, ready));
  }
  return writes() ? fifo_->write_list().Arm(mask, since, ready) : Status::kOk;
}

Status PipeEnd::Disarm(Caller caller, std::uint32_t number) {
  fifo_->read_list().Disarm(caller, number);
  fifo_->write_list().Disarm(caller, number);
  return Status::kOk;
}

Result<std::uint64_t> PipeEnd::Read(Caller, BufferOut data) {
  return reads() ? fifo_->conduit().Read(data) : Result<std::uint64_t>(Status::kBadHandle);
}

Result<std::uint64_t> PipeEnd::Write(Caller, BufferIn data) {
  if (!writes()) {
    return Status::kBadHandle;
  }
  if ((flags() & fs::kOpenDirect) != 0 && data.size() > Fifo::kAtomic) {
    return fifo_->conduit().Write(data.Part(0, Fifo::kAtomic));  // a packet of its own, then more
  }
  return fifo_->conduit().Write(data);
}

Status PipeEnd::SetFlags(std::uint32_t flags) {
  fifo_->conduit().SetMessages((flags & fs::kOpenDirect) != 0);
  return OpenFileBase::SetFlags(flags);
}

Status PipeEnd::GetAttributes(fs::FileAttributes& attributes) {
  if (node_) {
    return NodeAttributes(*node_, &attributes);
  }
  FillAttributes(identity_, &attributes);
  return Status::kOk;
}

Status PipeEnd::SetAttributes(Caller caller, const fs::AttributeChange& change) {
  if (!node_) {
    return (change.mask & fs::kSetSize) != 0 ? Status::kInvalidArgument : Status::kOk;
  }
  fs::Identity who;
  TRY(fs::IdentityOf(caller, &who));
  return fs::ChangeAttributes(*node_, change, who, false);
}

Status PipeEnd::GetFileSystem(fs::FileSystemInfo& info) {
  if (node_) {
    return node_->file_system().GetInfo(&info);
  }
  FillFileSystem(identity_, &info);
  return Status::kOk;
}

Result<std::uint64_t> PipeEnd::Control(Caller caller, std::uint32_t operation, BufferIn input,
                                       BufferOut output) {
  Conduit& conduit = fifo_->conduit();
  switch (operation) {
    case kControlBytesReadable:
      return conduit.bytes();
    case kControlPeekPipe:
      return reads() ? conduit.Read(output, true) : Result<std::uint64_t>(Status::kBadHandle);
    case kControlPutBackPipe:
      TRY(reads() ? conduit.PutBack(input) : Status::kBadHandle);
      return input.size();
    case kControlGetPipeCapacity:
      return conduit.capacity();
    case kControlSetPipeCapacity: {
      const auto wanted = std::uint64_t{TRY(input.As<std::uint32_t>())};
      const std::uint64_t capacity = std::bit_ceil(std::max(wanted, Fifo::kAtomic));
      fs::Identity who;
      TRY(fs::IdentityOf(caller, &who));
      if (capacity > Fifo::kLargestCapacity && !who.privileged()) {
        return Status::kNotOwner;
      }
      TRY(conduit.SetCapacity(capacity));
      return capacity;
    }
    default:
      return Status::kNotTerminal;
  }
}

}  // namespace k42::io
