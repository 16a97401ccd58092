// splice, tee, vmsplice: bytes between pipes and other files, through a buffer of ours.
//
// Bytes taken from a stream cannot be put back, so they are moved in pieces that the other side is
// known to take: one that says kWritable has room for an atomic write (io/conduit.h). Should
// another writer be faster, the piece is written as a blocking write would.
#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"
#include "user/linux/io_vector.h"

namespace k42::personality::calls {
namespace {

constexpr U32 kNonBlock = 2;
constexpr U32 kKnownFlags = 15;
constexpr std::uint64_t kAtomic = 4096;
constexpr std::uint64_t kPeekMost = 1024;  // of OpenFile.Control

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

// All of it, though it waits.
std::int64_t WriteAll(KernelFile& out, std::uint64_t address, std::uint64_t size) {
  std::uint64_t done = 0;
  while (done < size) {
    const std::int64_t put = out.Write(address + done, size - done);
    if (put == -kEAGAIN) {
      if (const std::int64_t waited = WaitReady(&out, abi::kWritable); waited < 0) {
        return waited;
      }
    } else if (put < 0) {
      return put;
    } else {
      done += static_cast<std::uint64_t>(put);
    }
  }
  return static_cast<std::int64_t>(done);
}

struct Side {
  KernelFile& file;
  std::int64_t* offset;  // null: at its own position
};

std::int64_t MoveOne(const Side& from, const Side& to, std::uint64_t buffer, std::uint64_t size,
                     bool may_wait) {
  if (const std::int64_t error = Await(to.file, abi::kWritable, may_wait)) {
    return error;
  }
  if (const std::int64_t error = Await(from.file, abi::kReadable, may_wait)) {
    return error;
  }
  const std::int64_t got =
      from.offset ? ToReply(kernel::ReadAt(from.file.handle(),
                                           static_cast<std::uint64_t>(*from.offset), buffer, size))
                  : from.file.Read(buffer, size);
  if (got <= 0) {
    return got;
  }
  const auto count = static_cast<std::uint64_t>(got);
  std::int64_t put = 0;
  if (to.offset) {
    put = ToReply(
        kernel::WriteAt(to.file.handle(), static_cast<std::uint64_t>(*to.offset), buffer, count));
  } else {
    put = WriteAll(to.file, buffer, count);
  }
  if (put > 0 && from.offset) {
    *from.offset += put;
  }
  if (put > 0 && to.offset) {
    *to.offset += put;
  }
  return put;
}

std::int64_t Move(const Side& from, const Side& to, std::uint64_t size, bool may_wait) {
  Buffer buffer(kAtomic);
  if (!buffer) {
    return -kENOMEM;
  }
  std::uint64_t done = 0;
  while (done < size) {
    const std::uint64_t piece = size - done < kAtomic ? size - done : kAtomic;
    // It waits for the first bytes only.
    const std::int64_t moved = MoveOne(from, to, reinterpret_cast<std::uint64_t>(buffer.data()),
                                       piece, may_wait && done == 0);
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
      Move({*from.file(), in_offset ? &from_at : nullptr},
           {*to.file(), out_offset ? &to_at : nullptr}, size, (flags & kNonBlock) == 0);
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
  const bool may_wait = (flags & kNonBlock) == 0;
  if (const std::int64_t error = Await(*from.file(), abi::kReadable, may_wait)) {
    return error;
  }
  if (const std::int64_t error = Await(*to.file(), abi::kWritable, may_wait)) {
    return error;
  }
  char bytes[kPeekMost];
  const Result<std::uint64_t> seen =
      kernel::Control(from.file()->handle(), io::kControlPeekPipe, nullptr, 0, bytes,
                      size < kPeekMost ? size : kPeekMost);
  if (!seen.ok()) {
    return seen.status() == Status::kWouldBlock ? -kEAGAIN : ErrnoOf(seen.status());
  }
  return seen.value() == 0
             ? 0
             : WriteAll(*to.file(), reinterpret_cast<std::uint64_t>(bytes), seen.value());
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
