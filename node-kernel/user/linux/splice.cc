// splice, tee, vmsplice: bytes between pipes and other files, through a buffer of ours.
//
// Nothing that was taken may be lost: the other side may take less than it seemed to, or nothing.
// So a piece is written without waiting; what is left of it goes back into a pipe, was only peeked
// at in a socket, and in a file it lies where it was. Then the call waits again, or says how far it
// got. (A terminal gives nothing back: pieces of it are written as a blocking write would.)
#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"
#include "user/linux/io_vector.h"
#include "user/linux/signals.h"

namespace k42::personality::calls {
namespace {

constexpr U32 kNonBlock = 2;
constexpr U32 kKnownFlags = 15;
constexpr std::uint64_t kAtomic = 4096;  // as many bytes as OpenFile.Control takes

bool Reads(const Description& description) {
  const U32 access = description.linux_flags() & (kO_ACCMODE | kO_PATH);
  return access == kO_RDONLY || access == kO_RDWR;
}
bool Writes(const Description& description) {
  const U32 access = description.linux_flags() & (kO_ACCMODE | kO_PATH);
  return access == kO_WRONLY || access == kO_RDWR;
}
bool IsPipe(KernelFile* file) {
  return file &&
         kernel::Kind(file->handle()).ValueOr(fs::FileKind::kUnknown) == fs::FileKind::kFifo;
}
bool Is(Description& description, std::uint32_t ready) {
  return (abi::PollWord::Unpack(description.Poll()).ready & (ready | abi::kReadyAlways)) != 0;
}

// Two descriptions of one pipe are its ends.
bool SamePipe(KernelFile& one, KernelFile& other) {
  fs::FileAttributes here{}, there{};
  return kernel::GetFileAttributes(one.handle(), &here) == Status::kOk &&
         kernel::GetFileAttributes(other.handle(), &there) == Status::kOk &&
         here.node == there.node && here.device == there.device;
}

// 0: there is room or something to read, whichever was asked; else why the call ends.
std::int64_t Await(KernelFile& file, std::uint32_t ready, bool may_wait) {
  if (Is(file, ready)) {
    return 0;
  }
  return may_wait && !file.nonblocking() ? WaitReady(&file, ready) : -kEAGAIN;
}

// After a try found less than the look before it had promised: somebody was quicker. 0: try again.
std::int64_t LookAgainSoon() {
  constexpr std::uint64_t kSoonNs = 1'000'000;
  return Dispatcher::Block(kernel::MonotonicNs() + kSoonNs, true) == Wake::kSignal ? -kERESTARTSYS
                                                                                   : 0;
}

// All of it, though it waits; less if it cannot be.
std::int64_t WriteAll(KernelFile& out, std::uint64_t address, std::uint64_t size) {
  std::uint64_t done = 0;
  while (done < size) {
    const std::int64_t put = out.Write(address + done, size - done);
    if (put == -kEAGAIN) {
      if (const std::int64_t waited = WaitReady(&out, abi::kWritable); waited < 0) {
        return done != 0 ? static_cast<std::int64_t>(done) : waited;
      }
    } else if (put < 0) {
      return done != 0 ? static_cast<std::int64_t>(done) : put;
    } else {
      done += static_cast<std::uint64_t>(put);
    }
  }
  return static_cast<std::int64_t>(done);
}

// What it takes now. -EAGAIN: nothing, though it may be a file that blocks.
std::int64_t WriteNow(KernelFile& out, std::uint64_t address, std::uint64_t size) {
  if (out.slot != abi::FileSlots::kNone) {
    return out.Write(address, size);  // never waits: a file
  }
  const Result<std::uint64_t> put = out.is_stream ? kernel::WriteStream(out.handle(), address, size)
                                                  : kernel::Write(out.handle(), address, size);
  return put.ok()                              ? static_cast<std::int64_t>(put.value())
         : put.status() == Status::kWouldBlock ? -kEAGAIN
                                               : out.WriteError(put.status());
}

// One end of a move.
class Side {
 public:
  // `offset` null: at its own position.
  Side(KernelFile& file, std::int64_t* offset) : file_(file), offset_(offset) {
    const auto kind = kernel::Kind(file.handle()).ValueOr(fs::FileKind::kUnknown);
    pipe_ = kind == fs::FileKind::kFifo;
    returns_ = offset_ || pipe_ || file.is_socket || kind == fs::FileKind::kRegular;
  }
  KernelFile& file() const { return file_; }
  // What Take gave can be taken again.
  bool returns() const { return returns_; }

  // Bytes to move, or an error. Used says how many of them went.
  std::int64_t Take(std::uint64_t address, std::uint64_t size) const {
    if (offset_) {
      return file_.ReadAt(static_cast<std::uint64_t>(*offset_), address, size);
    }
    if (file_.is_socket) {
      return Receive(address, size, io::kReceivePeek);
    }
    if (pipe_) {  // whoever was quicker has left nothing: that is no reason to wait here
      return ToReply(kernel::ReadStream(file_.handle(), address, size));
    }
    return file_.Read(address, size);
  }
  // 0, or why the rest could not be given back: it is lost.
  std::int64_t Used(std::uint64_t address, std::uint64_t used, std::uint64_t taken) const {
    if (offset_) {
      *offset_ += static_cast<std::int64_t>(used);
    } else if (file_.is_socket) {
      (void)Receive(address, used, 0);
    } else if (pipe_) {
      return PutBack(address + used, taken - used);
    } else if (used < taken) {
      const std::int64_t place =
          file_.Seek(-static_cast<std::int64_t>(taken - used), fs::SeekFrom::kCurrent);
      return place < 0 ? place : 0;
    }
    return 0;
  }
  std::int64_t Put(std::uint64_t address, std::uint64_t size) const {
    const std::int64_t put =
        offset_ ? file_.WriteAt(static_cast<std::uint64_t>(*offset_), address, size)
                : WriteNow(file_, address, size);
    if (put > 0 && offset_) {
      *offset_ += put;
    }
    return put;
  }

 private:
  std::int64_t Receive(std::uint64_t address, std::uint64_t size, std::uint32_t flags) const {
    io::SocketMessage message{};
    return size == 0 ? 0
                     : ToReply(kernel::Receive(file_.handle(), address, size, flags, 0, &message));
  }
  // In one piece: others read the pipe, too.
  std::int64_t PutBack(std::uint64_t address, std::uint64_t size) const {
    const Result<std::uint64_t> put =
        kernel::Control(file_.handle(), io::kControlPutBackPipe,
                        reinterpret_cast<const void*>(address), size, nullptr, 0);
    return put.ok() ? 0 : ErrnoOf(put.status());
  }

  KernelFile& file_;
  std::int64_t* offset_;
  bool pipe_;
  bool returns_;
};

// 0: nothing comes any more. -EAGAIN: not now.
std::int64_t MoveOne(const Side& from, const Side& to, std::uint64_t buffer, std::uint64_t size) {
  const std::int64_t got = from.Take(buffer, size);
  if (got <= 0) {
    return got;
  }
  const auto count = static_cast<std::uint64_t>(got);
  if (!from.returns()) {
    return WriteAll(to.file(), buffer, count);
  }
  const std::int64_t put = to.Put(buffer, count);
  const std::int64_t kept = from.Used(buffer, put < 0 ? 0 : static_cast<std::uint64_t>(put), count);
  return put > 0 || kept == 0 ? put : kept;
}

std::int64_t Move(Thread& thread, const Side& from, const Side& to, std::uint64_t size,
                  bool may_wait) {
  Buffer buffer(kAtomic);
  if (!buffer) {
    return -kENOMEM;
  }
  std::uint64_t done = 0;
  while (done < size) {
    Here().TakeEvents();
    if (done != 0 && HasSignalToDeliver(thread)) {
      break;
    }
    const std::uint64_t piece = size - done < kAtomic ? size - done : kAtomic;
    const bool waits = may_wait && done == 0;  // for the first bytes only
    std::int64_t moved = Await(to.file(), abi::kWritable, waits);
    if (moved == 0) {
      moved = Await(from.file(), abi::kReadable, waits);
    }
    if (moved == 0) {
      moved = MoveOne(from, to, reinterpret_cast<std::uint64_t>(buffer.data()), piece);
      if (moved == -kEAGAIN && waits && !from.file().nonblocking() && !to.file().nonblocking()) {
        moved = LookAgainSoon();
        if (moved == 0) {
          continue;
        }
      }
    }
    if (moved <= 0) {
      return done != 0 ? static_cast<std::int64_t>(done) : moved;
    }
    done += static_cast<std::uint64_t>(moved);
    if (static_cast<std::uint64_t>(moved) < piece) {
      break;
    }
  }
  return static_cast<std::int64_t>(done);
}

std::int64_t TeeOnce(KernelFile& from, KernelFile& to, std::uint64_t size, bool may_wait) {
  if (const std::int64_t error = Await(from, abi::kReadable, may_wait)) {
    return error;
  }
  if (const std::int64_t error = Await(to, abi::kWritable, may_wait)) {
    return error;
  }
  Buffer bytes(kAtomic);
  if (!bytes) {
    return -kENOMEM;
  }
  const std::int64_t seen = ToReply(kernel::Control(from.handle(), io::kControlPeekPipe, nullptr, 0,
                                                    bytes.data(), size < kAtomic ? size : kAtomic));
  return seen <= 0 ? seen
                   : WriteNow(to, reinterpret_cast<std::uint64_t>(bytes.data()),
                              static_cast<std::uint64_t>(seen));
}

// 0, or why the program's offset is no good.
std::int64_t LoadOffset(Address address, bool pipe, std::int64_t* offset) {
  if (address == 0) {
    return 0;
  }
  if (pipe) {
    return -kESPIPE;
  }
  return !ReadUser(offset, address) ? -kEFAULT : *offset < 0 ? -kEINVAL : 0;
}

}  // namespace

Reply Splice(Thread& thread, U32 in, Address in_offset, U32 out, Address out_offset, U64 size,
             U32 flags) {
  if (size == 0) {
    return 0;
  }
  if ((flags & ~kKnownFlags) != 0) {
    return -kEINVAL;
  }
  DescriptionRef from = Descriptor(thread, in);
  DescriptionRef to = Descriptor(thread, out);
  if (!from || !to) {
    return -kEBADF;
  }
  const bool from_pipe = IsPipe(from.file()), to_pipe = IsPipe(to.file());
  if (!Reads(*from.get()) || !Writes(*to.get())) {
    return -kEBADF;
  }
  std::int64_t from_at = 0, to_at = 0;
  if (const std::int64_t error = LoadOffset(in_offset, from_pipe, &from_at)) {
    return error;
  }
  if (const std::int64_t error = LoadOffset(out_offset, to_pipe, &to_at)) {
    return error;
  }
  if ((!from_pipe && !to_pipe) || !from.file() || !to.file() ||
      (from_pipe && to_pipe && SamePipe(*from.file(), *to.file())) ||
      (!to_pipe && (to->linux_flags() & kO_APPEND) != 0)) {
    return -kEINVAL;
  }
  const std::int64_t moved =
      Move(thread, {*from.file(), in_offset ? &from_at : nullptr},
           {*to.file(), out_offset ? &to_at : nullptr}, size < kMaxTransfer ? size : kMaxTransfer,
           (flags & kNonBlock) == 0);
  if (moved > 0 && ((in_offset && !WriteUser(in_offset, from_at)) ||
                    (out_offset && !WriteUser(out_offset, to_at)))) {
    return -kEFAULT;
  }
  return moved;
}

// At most what one look at the pipe shows: a short count is always allowed.
Reply Tee(Thread& thread, U32 in, U32 out, U64 size, U32 flags) {
  if ((flags & ~kKnownFlags) != 0) {
    return -kEINVAL;
  }
  if (size == 0) {
    return 0;
  }
  DescriptionRef from = Descriptor(thread, in);
  DescriptionRef to = Descriptor(thread, out);
  if (!from || !to || !Reads(*from.get()) || !Writes(*to.get())) {
    return -kEBADF;
  }
  if (!IsPipe(from.file()) || !IsPipe(to.file()) || SamePipe(*from.file(), *to.file())) {
    return -kEINVAL;
  }
  const bool waits =
      (flags & kNonBlock) == 0 && !from.file()->nonblocking() && !to.file()->nonblocking();
  for (;;) {
    const std::int64_t moved = TeeOnce(*from.file(), *to.file(), size, (flags & kNonBlock) == 0);
    if (moved != -kEAGAIN || !waits) {
      return moved;
    }
    if (const std::int64_t error = LookAgainSoon()) {
      return error;
    }
  }
}

// Copies: the pages stay the program's.
Reply VmSplice(Thread& thread, U32 fd, Address vector, U64 count, U32 flags) {
  if ((flags & ~kKnownFlags) != 0) {
    return -kEINVAL;
  }
  DescriptionRef description = Descriptor(thread, fd);
  if (!description || !IsPipe(description.file())) {
    return -kEBADF;
  }
  IoVector pieces;
  if (const std::int64_t error = pieces.Load(vector, count)) {
    return error;
  }
  if (pieces.total() == 0) {
    return 0;
  }
  const bool writes = Writes(*description.get());
  const bool may_wait = (flags & kNonBlock) == 0;
  if (const std::int64_t error =
          Await(*description.file(), writes ? abi::kWritable : abi::kReadable, may_wait)) {
    return error;
  }
  return writes ? WriteVector(thread, fd, vector, count) : ReadVector(thread, fd, vector, count);
}

}  // namespace k42::personality::calls
