// Bytes in and out of descriptors.
//
// Buffers are passed to the kernel as the program's addresses: it copies once and reports a bad
// address itself. Vectors are transferred piece by piece, the first short piece ends the call;
// except where others would see the pieces (IsOneOperation).
#include "user/linux/call_support.h"
#include "user/linux/descriptor_folder.h"
#include "user/linux/dispatcher.h"
#include "user/linux/gathered.h"
#include "user/linux/signals.h"

namespace k42::personality::calls {
namespace {

constexpr std::uint64_t kCopyPiece = 64 * 1024;

std::uint64_t Limit(std::uint64_t size) {
  return size < kMaxTransfer ? size : kMaxTransfer;
}

enum class Direction { kRead, kWrite };

bool Allowed(Description& description, Direction direction) {
  const std::uint32_t access = description.linux_flags() & (kO_ACCMODE | kO_PATH);
  return direction == Direction::kRead ? access == kO_RDONLY || access == kO_RDWR
                                       : access == kO_WRONLY || access == kO_RDWR;
}

std::int64_t Transfer(Description& description, Direction direction, std::uint64_t buffer,
                      std::uint64_t size) {
  if (!InProgram(buffer, size)) {
    return -kEFAULT;
  }
  return direction == Direction::kRead ? description.Read(buffer, size)
                                       : description.Write(buffer, size);
}

std::int64_t TransferAt(KernelFile& file, Direction direction, std::uint64_t buffer,
                        std::uint64_t size, std::int64_t offset) {
  if (!InProgram(buffer, size)) {
    return -kEFAULT;
  }
  const auto at = static_cast<std::uint64_t>(offset);
  return direction == Direction::kRead ? file.ReadAt(at, buffer, size)
                                       : file.WriteAt(at, buffer, size);
}

// A message of a socket is one; between the bytes that one call puts at the end of a file, or a few
// into a pipe, there are no others'.
bool IsOneOperation(const DescriptionRef& description, Direction direction,
                    const IoVector& pieces) {
  constexpr std::uint64_t kPipeAtomic = 4096;
  const KernelFile* file = description.file();
  if (!file || pieces.count() < 2 || pieces.total() == 0) {
    return false;
  }
  const bool is_put_at_end = (file->linux_flags() & kO_APPEND) != 0;
  return file->is_socket ? pieces.total() <= kGatherMax
                         : direction == Direction::kWrite &&
                               pieces.total() <= (is_put_at_end ? kGatherMax : kPipeAtomic);
}

// kNotGathered: nothing has happened, since a piece is not there.
constexpr std::int64_t kNotGathered = INT64_MIN;
std::int64_t TransferGathered(KernelFile& file, Direction direction, const IoVector& pieces) {
  Gathered bytes(pieces, kGatherMax);
  if (!bytes.ok()) {
    return -kENOMEM;
  }
  if (direction == Direction::kWrite) {
    return bytes.Gather() ? file.Write(bytes.address(), bytes.size()) : kNotGathered;
  }
  const std::int64_t got = file.Read(bytes.address(), bytes.size());
  return got <= 0 || bytes.Scatter(static_cast<std::uint64_t>(got)) ? got : -kEFAULT;
}

// Offset -1: at the shared position.
std::int64_t TransferVector(Thread& thread, Direction direction, std::uint32_t fd,
                            std::uint64_t vector, std::uint64_t count, std::int64_t offset,
                            bool at_offset) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description || !Allowed(*description.get(), direction)) {
    return -kEBADF;
  }
  if (at_offset && !description.file()) {
    return -kESPIPE;
  }
  IoVector pieces;
  if (const std::int64_t error = pieces.Load(vector, count)) {
    return error;
  }
  if (!at_offset && IsOneOperation(description, direction, pieces)) {
    const std::int64_t moved = TransferGathered(*description.file(), direction, pieces);
    if (moved != kNotGathered) {
      return moved;
    }
    if (description.file()->is_stream) {
      return -kEFAULT;
    }
  }  // of a file, what is in front of the bad piece is written
  std::int64_t done = 0;
  for (std::uint64_t i = 0; i < pieces.count(); ++i) {
    const LinuxIovec& piece = pieces[i];
    if (piece.size == 0 && pieces.count() > 1) {
      continue;
    }
    const std::int64_t moved =
        at_offset
            ? TransferAt(*description.file(), direction, piece.base, piece.size, offset + done)
            : Transfer(*description.get(), direction, piece.base, piece.size);
    if (moved < 0) {
      return done ? done : moved;
    }
    done += moved;
    if (static_cast<std::uint64_t>(moved) < piece.size) {
      break;
    }
    // A stream that has nothing more now: what is here is the answer.
    if (direction == Direction::kRead && !at_offset && i + 1 < pieces.count() &&
        (abi::PollWord::Unpack(description->Poll()).ready & abi::kReadable) == 0) {
      break;
    }
  }
  return done;
}

std::int64_t Plain(Thread& thread, Direction direction, std::uint32_t fd, std::uint64_t buffer,
                   std::uint64_t size) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description || !Allowed(*description.get(), direction)) {
    return -kEBADF;
  }
  return Transfer(*description.get(), direction, buffer, Limit(size));
}

std::int64_t At(Thread& thread, Direction direction, std::uint32_t fd, std::uint64_t buffer,
                std::uint64_t size, std::int64_t offset) {
  if (offset < 0) {
    return -kEINVAL;
  }
  DescriptionRef description = Descriptor(thread, fd);
  if (!description || !Allowed(*description.get(), direction)) {
    return -kEBADF;
  }
  KernelFile* file = description.file();
  return file ? TransferAt(*file, direction, buffer, Limit(size), offset) : -kESPIPE;
}

fs::FileKind KindOf(KernelFile& file) {
  return kernel::Kind(file.handle()).ValueOr(fs::FileKind::kUnknown);
}

// What was read of it and cannot be written can be read again.
bool IsSeekable(KernelFile& file) {
  const fs::FileKind kind = KindOf(file);
  return kind == fs::FileKind::kRegular ||
         (kind == fs::FileKind::kCharacterDevice && file.Seek(0, fs::SeekFrom::kCurrent) >= 0);
}

// Up to `count` bytes from one file to another through a buffer of ours. Null positions: shared.
// `in` is seekable; `out`, with a position, a file.
std::int64_t CopyBetween(KernelFile& in, std::int64_t* in_offset, Description& out,
                         std::int64_t* out_offset, std::uint64_t count) {
  Buffer buffer(kCopyPiece);
  if (!buffer) {
    return -kENOMEM;
  }
  const auto address = reinterpret_cast<std::uint64_t>(buffer.data());
  std::int64_t done = 0;
  while (count > 0) {
    const std::uint64_t piece = count < kCopyPiece ? count : kCopyPiece;
    const std::int64_t got = in_offset
                                 ? in.ReadAt(static_cast<std::uint64_t>(*in_offset), address, piece)
                                 : in.Read(address, piece);
    if (got <= 0) {
      return done ? done : got;
    }
    const auto size = static_cast<std::uint64_t>(got);
    const std::int64_t put = out_offset
                                 ? static_cast<KernelFile&>(out).WriteAt(
                                       static_cast<std::uint64_t>(*out_offset), address, size)
                                 : out.Write(address, size);
    const std::int64_t moved = put > 0 ? put : 0;
    if (in_offset) {
      *in_offset += moved;
    } else if (moved < got) {  // what was read but not written goes back
      (void)in.Seek(moved - got, fs::SeekFrom::kCurrent);
    }
    if (out_offset) {
      *out_offset += moved;
    }
    done += moved;
    if (put < got) {
      return done ? done : put;
    }
    count -= static_cast<std::uint64_t>(moved);
    // It had no more.
    if (static_cast<std::uint64_t>(got) < piece) {
      break;
    }
  }
  return done;
}

// Whether the two ranges are of one file and have bytes in common. Null positions: its own.
bool Overlap(KernelFile& in, const std::int64_t* in_at, KernelFile& out, const std::int64_t* out_at,
             std::uint64_t count) {
  fs::FileAttributes here{}, there{};
  if (kernel::GetFileAttributes(in.handle(), &here) != Status::kOk ||
      kernel::GetFileAttributes(out.handle(), &there) != Status::kOk || here.node != there.node ||
      here.device != there.device) {
    return false;
  }
  const auto place = [](KernelFile& file, const std::int64_t* at) {
    return at ? static_cast<std::uint64_t>(*at)
              : static_cast<std::uint64_t>(file.Seek(0, fs::SeekFrom::kCurrent));
  };
  const std::uint64_t from = place(in, in_at), to = place(out, out_at);
  return from < to ? to - from < count : from - to < count;
}

// A position the call takes from the program and gives back.
class OffsetArgument {
 public:
  explicit OffsetArgument(std::uint64_t address) : address_(address) {}
  std::int64_t Load() {
    if (address_ == 0) {
      return 0;
    }
    return !ReadUser(&value_, address_) ? -kEFAULT : value_ < 0 ? -kEINVAL : 0;
  }
  std::int64_t* pointer() { return address_ ? &value_ : nullptr; }
  bool Store() { return address_ == 0 || WriteUser(address_, value_); }

 private:
  std::uint64_t address_;
  std::int64_t value_ = 0;
};

}  // namespace

Reply Read(Thread& thread, U32 fd, Address buffer, U64 size) {
  return Plain(thread, Direction::kRead, fd, buffer, size);
}
Reply Write(Thread& thread, U32 fd, Address buffer, U64 size) {
  return Plain(thread, Direction::kWrite, fd, buffer, size);
}
Reply ReadVector(Thread& thread, U32 fd, Address vector, U64 count) {
  return TransferVector(thread, Direction::kRead, fd, vector, count, 0, false);
}
Reply WriteVector(Thread& thread, U32 fd, Address vector, U64 count) {
  return TransferVector(thread, Direction::kWrite, fd, vector, count, 0, false);
}
Reply PRead(Thread& thread, U32 fd, Address buffer, U64 size, I64 offset) {
  return At(thread, Direction::kRead, fd, buffer, size, offset);
}
Reply PWrite(Thread& thread, U32 fd, Address buffer, U64 size, I64 offset) {
  return At(thread, Direction::kWrite, fd, buffer, size, offset);
}
Reply PReadVector(Thread& thread, U32 fd, Address vector, U64 count, I64 offset) {
  return offset < 0 ? -kEINVAL
                    : TransferVector(thread, Direction::kRead, fd, vector, count, offset, true);
}
Reply PWriteVector(Thread& thread, U32 fd, Address vector, U64 count, I64 offset) {
  return offset < 0 ? -kEINVAL
                    : TransferVector(thread, Direction::kWrite, fd, vector, count, offset, true);
}
Reply PReadVector2(Thread& thread, U32 fd, Address vector, U64 count, I64 offset, U64, U32 flags) {
  if (flags != 0) {
    return -kEOPNOTSUPP;
  }
  return TransferVector(thread, Direction::kRead, fd, vector, count, offset, offset != -1);
}
Reply PWriteVector2(Thread& thread, U32 fd, Address vector, U64 count, I64 offset, U64, U32 flags) {
  if (flags != 0) {
    return -kEOPNOTSUPP;
  }
  return TransferVector(thread, Direction::kWrite, fd, vector, count, offset, offset != -1);
}

Reply Seek(Thread& thread, U32 fd, I64 offset, U32 whence) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  KernelFile* file = description.file();
  if (DescriptorFolder* folder = AsDescriptorFolder(description.get())) {
    if (whence > 1 || (whence == 0 && offset < 0)) {
      return -kEINVAL;
    }
    folder->position = whence == 0 ? static_cast<U64>(offset) : folder->position;
    return static_cast<Reply>(folder->position);
  }
  if (!file) {
    return -kESPIPE;
  }
  if (whence > 4) {
    return -kEINVAL;
  }
  if (whence < 3) {
    return file->Seek(offset, static_cast<fs::SeekFrom>(whence));
  }
  const Result<std::uint64_t> position =
      kernel::Seek(file->handle(), offset, static_cast<fs::SeekFrom>(whence));
  // No data or hole there is its own error number.
  return position.status() == Status::kOutOfRange ? -kENXIO : ToReply(position);
}

Reply SendFile(Thread& thread, U32 out, U32 in, Address offset, U64 count) {
  DescriptionRef to = Descriptor(thread, out);
  DescriptionRef from = Descriptor(thread, in);
  if (!to || !from || !Allowed(*from.get(), Direction::kRead) ||
      !Allowed(*to.get(), Direction::kWrite)) {
    return -kEBADF;
  }
  if (!from.file() || !IsSeekable(*from.file())) {
    const bool folder = from.file() && KindOf(*from.file()) == fs::FileKind::kDirectory;
    return offset != 0 && !folder ? -kESPIPE : -kEINVAL;
  }
  if ((to->linux_flags() & kO_APPEND) != 0) {
    return -kEINVAL;
  }
  OffsetArgument position(offset);
  if (const std::int64_t error = position.Load()) {
    return error;
  }
  const std::int64_t moved =
      CopyBetween(*from.file(), position.pointer(), *to.get(), nullptr, Limit(count));
  return position.Store() ? moved : -kEFAULT;
}

Reply CopyFileRange(Thread& thread, U32 in, Address in_offset, U32 out, Address out_offset,
                    U64 count, U32 flags) {
  DescriptionRef to = Descriptor(thread, out);
  DescriptionRef from = Descriptor(thread, in);
  if (!to || !from) {
    return -kEBADF;
  }
  if (flags != 0 || !to.file() || !from.file()) {
    return -kEINVAL;
  }
  const fs::FileKind from_kind = KindOf(*from.file()), to_kind = KindOf(*to.file());
  if (from_kind == fs::FileKind::kDirectory || to_kind == fs::FileKind::kDirectory) {
    return -kEISDIR;
  }
  if (from_kind != fs::FileKind::kRegular || to_kind != fs::FileKind::kRegular) {
    return -kEINVAL;
  }
  if (!Allowed(*from.get(), Direction::kRead) || !Allowed(*to.get(), Direction::kWrite) ||
      (to->linux_flags() & kO_APPEND) != 0) {
    return -kEBADF;
  }
  OffsetArgument in_position(in_offset), out_position(out_offset);
  if (const std::int64_t error = in_position.Load()) {
    return error;
  }
  if (const std::int64_t error = out_position.Load()) {
    return error;
  }
  if (Overlap(*from.file(), in_position.pointer(), *to.file(), out_position.pointer(), count)) {
    return -kEINVAL;
  }
  const std::int64_t moved = CopyBetween(*from.file(), in_position.pointer(), *to.get(),
                                         out_position.pointer(), Limit(count));
  return in_position.Store() && out_position.Store() ? moved : -kEFAULT;
}

}  // namespace k42::personality::calls
