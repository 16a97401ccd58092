#include "user/memory_files/server.h"

#include <algorithm>
#include <new>

namespace k42::memory_files {

namespace {

using abi::ninep::kHeaderSize;
using abi::ninep::Qid;

constexpr std::string_view kVersionName = "9P2000.L";
constexpr std::uint32_t kBlocksUnit = 512;
constexpr std::uint64_t kSecond = 1'000'000'000;
// Valid bits of Tsetattr.
constexpr std::uint32_t kValidMode = 1, kValidUser = 2, kValidGroup = 4, kValidSize = 8,
                        kValidAccess = 0x10, kValidModify = 0x20, kValidAccessSet = 0x80,
                        kValidModifySet = 0x100;
constexpr std::uint32_t kRemoveDirectoryFlag = 0x200;
constexpr std::uint32_t kTruncateFlag = 01000;
constexpr std::uint32_t kPermissions = 07777;

#define CHECK_ERROR(expression)                                               \
  do {                                                                        \
    if (const Error error_ = (expression); error_ != Error::kNone) /*NOLINT*/ \
      return error_;                                                          \
  } while (false)

void PutTime(std::uint64_t ns, abi::ninep::Writer& out) {
  out.U64(ns / kSecond);
  out.U64(ns % kSecond);
}

}  // namespace

std::size_t Server::Answer(std::span<const std::byte> message, std::span<std::byte> reply) {
  Reader header(message);
  const std::uint32_t size = header.U32();
  const auto type = static_cast<Type>(header.U8());
  const std::uint16_t tag = header.U16();
  if (header.failed() || size != message.size())
    return 0;
  Work work{type, header, message, Writer(reply), reply};
  work.out.Begin(static_cast<Type>(static_cast<std::uint32_t>(type) + 1), tag);
  Error error = Serve(work);
  if (error == Error::kNone && work.in.failed())
    error = Error::kInvalid;
  std::size_t fields = error == Error::kNone ? work.out.End(work.data) : 0;
  if (fields == 0) {
    work.data = 0;
    work.out.Begin(Type::kError, tag);
    work.out.U32(static_cast<std::uint32_t>(error == Error::kNone ? Error::kIo : error));
    fields = work.out.End();
  }
  return fields + work.data;
}

// -- fids -----------------------------------------------------------------------------------------

Server::Fid* Server::Find(std::uint32_t number) const {
  Fid* fid = fids_.Floor(number);
  return fid != nullptr && fid->number == number ? fid : nullptr;
}

Error Server::AddFid(std::uint32_t number, File& file) {
  if (Find(number) != nullptr)
    return Error::kInvalid;
  const auto made = allocator_.Make<Fid>();
  if (!made.ok())
    return Error::kNoMemory;
  made.value()->number = number;
  made.value()->file = &file;
  tree_.Hold(file);
  fids_.Insert(made.value());
  return Error::kNone;
}

void Server::RemoveFid(Fid* fid) {
  fids_.Remove(fid);
  tree_.Drop(*fid->file);
  allocator_.Destroy(fid);
}

void Server::ForgetFids() {
  while (Fid* first = fids_.First()) RemoveFid(first);
}

void Server::PutQid(const File& file, Writer& out) {
  out.U8(file.Is(kDirectory) ? Qid::kDirectory : file.Is(kSymlink) ? Qid::kSymlink : 0);
  out.U32(0);
  out.U64(file.number);
}

// -- messages -------------------------------------------------------------------------------------

Error Server::Serve(Work& work) {
  switch (work.type) {
    case Type::kVersion:
      return Version(work);
    case Type::kAttach:
      return Attach(work);
    case Type::kFlush:
      return Error::kNone;  // what came before it has been answered
    default:
      break;
  }
  Fid* fid = Find(work.in.U32());
  if (work.in.failed())
    return Error::kInvalid;
  if (fid == nullptr)
    return Error::kStale;
  return ServeFile(work, *fid->file, *fid);
}

Error Server::ServeFile(Work& work, File& file, Fid& fid) {
  switch (work.type) {
    case Type::kClunk:
      RemoveFid(&fid);
      return Error::kNone;
    case Type::kWalk:
      return Walk(work, file);
    case Type::kOpen: {
      const std::uint32_t flags = work.in.U32();
      if ((flags & kTruncateFlag) != 0)
        CHECK_ERROR(tree_.Resize(file, 0));
      PutQid(file, work.out);
      work.out.U32(0);
      return Error::kNone;
    }
    case Type::kCreate:
      return Create(work, file, fid);
    case Type::kMakeNode:
    case Type::kMakeDirectory:
    case Type::kSymlink:
      return MakeOne(work, file);
    case Type::kGetInfo:
      return GetInfo(work);
    case Type::kGetAttributes:
      return GetAttributes(work, file);
    case Type::kSetAttributes:
      return SetAttributes(work, file);
    case Type::kRead:
      return Read(work, file);
    case Type::kWrite:
      return Write(work, file);
    case Type::kReadDirectory:
      return ReadDirectory(work, file);
    case Type::kSync:
      return Error::kNone;  // where it is, it stays for as long as we do
    case Type::kReadLink:
      if (!file.Is(kSymlink))
        return Error::kInvalid;
      work.out.Text({file.link_text, file.size});
      return Error::kNone;
    case Type::kLink:
      return Link(work, file);
    case Type::kRename:
      return Rename(work, file);
    case Type::kUnlink: {
      const std::string_view name = work.in.Text();
      const std::uint32_t flags = work.in.U32();
      if (work.in.failed())
        return Error::kInvalid;
      return tree_.Unlink(file, name, (flags & kRemoveDirectoryFlag) != 0);
    }
    default:
      return Error::kNotSupported;
  }
}

Error Server::Version(Work& work) {
  const std::uint32_t size = work.in.U32();
  const bool known = work.in.Text() == kVersionName;
  ForgetFids();
  work.out.U32(std::min(size, static_cast<std::uint32_t>(kMessageMost)));
  work.out.Text(known ? kVersionName : "unknown");
  return Error::kNone;
}

Error Server::Attach(Work& work) {
  const std::uint32_t number = work.in.U32();
  if (work.in.failed())
    return Error::kInvalid;
  CHECK_ERROR(AddFid(number, tree_.root()));
  PutQid(tree_.root(), work.out);
  return Error::kNone;
}

Error Server::Walk(Work& work, File& from) {
  const std::uint32_t number = work.in.U32();
  const std::uint16_t names = work.in.U16();
  constexpr std::uint16_t kMostNames = 16;
  if (work.in.failed() || names > kMostNames)
    return Error::kInvalid;
  // First how far it goes, which the reply begins with.
  Reader again = work.in;
  File* at = &from;
  std::uint16_t found = 0;
  Error error = Error::kNone;
  for (; found < names; ++found) {
    const std::string_view name = work.in.Text();
    error = work.in.failed() ? Error::kInvalid : tree_.Lookup(*at, name, &at);
    if (error != Error::kNone)
      break;
  }
  if (work.in.failed() || (found == 0 && error != Error::kNone))
    return error;
  if (found == names)
    CHECK_ERROR(AddFid(number, *at));
  work.out.U16(found);
  at = &from;
  for (std::uint16_t i = 0; i < found; ++i) {
    (void)tree_.Lookup(*at, again.Text(), &at);
    PutQid(*at, work.out);
  }
  return Error::kNone;
}

// The fid stands for the new file afterwards, opened.
Error Server::Create(Work& work, File& directory, Fid& fid) {
  const std::string_view name = work.in.Text();
  work.in.U32();  // flags of the opening: there is nothing to remember
  const std::uint32_t mode = work.in.U32();
  const std::uint32_t group = work.in.U32();
  if (work.in.failed())
    return Error::kInvalid;
  File* made = nullptr;
  CHECK_ERROR(tree_.Make(directory, name, kRegular | (mode & kPermissions), group, {}, &made));
  tree_.Hold(*made);
  fid.file = made;
  tree_.Drop(directory);
  PutQid(*made, work.out);
  work.out.U32(0);
  return Error::kNone;
}

Error Server::MakeOne(Work& work, File& directory) {
  const std::string_view name = work.in.Text();
  std::string_view text;
  std::uint32_t mode = kSymlink | 0777;
  if (work.type == Type::kSymlink) {
    text = work.in.Text();
  } else {
    mode = work.in.U32();
    if (work.type == Type::kMakeDirectory)
      mode = kDirectory | (mode & kPermissions);
  }
  if (work.type == Type::kMakeNode) {
    work.in.U32();  // a device's numbers
    work.in.U32();
  }
  const std::uint32_t group = work.in.U32();
  if (work.in.failed())
    return Error::kInvalid;
  File* made = nullptr;
  CHECK_ERROR(tree_.Make(directory, name, mode, group, text, &made));
  PutQid(*made, work.out);
  return Error::kNone;
}

Error Server::GetInfo(Work& work) {
  constexpr std::uint32_t kMemoryKind = 0x01021994;
  const std::uint64_t blocks = tree_.limit() / kBlock;
  const std::uint64_t free = (tree_.limit() - tree_.used()) / kBlock;
  work.out.U32(kMemoryKind);
  work.out.U32(kBlock);
  work.out.U64(blocks);
  work.out.U64(free);
  work.out.U64(free);
  work.out.U64(tree_.files() + free);
  work.out.U64(free);
  work.out.U64(0);
  work.out.U32(kNameMost);
  return Error::kNone;
}

Error Server::GetAttributes(Work& work, const File& file) {
  Writer& out = work.out;
  out.U64(abi::ninep::kBasicAttributes);
  PutQid(file, out);
  out.U32(file.mode);
  out.U32(file.user);
  out.U32(file.group);
  out.U64(file.links);
  out.U64(0);  // device
  out.U64(file.Is(kDirectory) ? kBlock : file.size);
  out.U64(kBlock);
  out.U64(file.blocks * (kBlock / kBlocksUnit));
  for (const std::uint64_t time : {file.access_ns, file.modify_ns, file.change_ns, file.birth_ns})
    PutTime(time, out);
  out.U64(0);  // generation, data version
  out.U64(0);
  return Error::kNone;
}

Error Server::SetAttributes(Work& work, File& file) {
  const std::uint32_t valid = work.in.U32();
  const std::uint32_t mode = work.in.U32(), user = work.in.U32(), group = work.in.U32();
  const std::uint64_t size = work.in.U64();
  std::uint64_t times[2];
  for (std::uint64_t& time : times) {
    const std::uint64_t seconds = work.in.U64();
    time = seconds * kSecond + work.in.U64() % kSecond;
  }
  if (work.in.failed())
    return Error::kInvalid;
  if ((valid & kValidSize) != 0)
    CHECK_ERROR(tree_.Resize(file, size));
  if ((valid & kValidMode) != 0)
    file.mode = (file.mode & kKindMask) | (mode & kPermissions);
  if ((valid & kValidUser) != 0)
    file.user = user;
  if ((valid & kValidGroup) != 0)
    file.group = group;
  if ((valid & kValidAccess) != 0)
    file.access_ns = (valid & kValidAccessSet) != 0 ? times[0] : tree_.now();
  if ((valid & kValidModify) != 0)
    file.modify_ns = (valid & kValidModifySet) != 0 ? times[1] : tree_.now();
  tree_.Changed(file);
  return Error::kNone;
}

Error Server::Read(Work& work, File& file) {
  const std::uint64_t offset = work.in.U64();
  const std::uint32_t wanted = work.in.U32();
  if (work.in.failed())
    return Error::kInvalid;
  const std::size_t room = work.reply.size() - abi::ninep::kReadReplyHeader;
  const auto to =
      work.reply.subspan(abi::ninep::kReadReplyHeader).first(std::min<std::size_t>(room, wanted));
  CHECK_ERROR(tree_.Read(file, offset, to, &work.data));
  work.out.U32(static_cast<std::uint32_t>(work.data));
  return Error::kNone;
}

Error Server::Write(Work& work, File& file) {
  const std::uint64_t offset = work.in.U64();
  const std::uint32_t size = work.in.U32();
  if (work.in.failed() || size != work.message.size() - work.in.position())
    return Error::kInvalid;
  std::size_t count = 0;
  CHECK_ERROR(tree_.Write(file, offset, work.message.subspan(work.in.position()), &count));
  work.out.U32(static_cast<std::uint32_t>(count));
  return Error::kNone;
}

Error Server::ReadDirectory(Work& work, const File& file) {
  std::uint64_t cookie = work.in.U64();
  const std::uint32_t wanted = work.in.U32();
  if (work.in.failed())
    return Error::kInvalid;
  if (!file.Is(kDirectory))
    return Error::kNotDirectory;
  const std::size_t room = work.reply.size() - abi::ninep::kReadReplyHeader;
  const auto space =
      work.reply.subspan(abi::ninep::kReadReplyHeader).first(std::min<std::size_t>(room, wanted));
  constexpr std::size_t kItem = 13 + 8 + 1 + 2;
  while (const Name* name = tree_.Next(file, cookie)) {
    if (space.size() - work.data < kItem + name->size)
      break;
    Writer item(space.subspan(work.data));
    PutQid(*name->file, item);
    item.U64(name->cookie);
    item.U8(static_cast<std::uint8_t>((name->file->mode & kKindMask) >> 12));
    item.Text(name->view());
    work.data += kItem + name->size;
    cookie = name->cookie;
  }
  work.out.U32(static_cast<std::uint32_t>(work.data));
  return Error::kNone;
}

Error Server::Link(Work& work, File& directory) {
  const Fid* existing = Find(work.in.U32());
  const std::string_view name = work.in.Text();
  if (work.in.failed())
    return Error::kInvalid;
  return existing == nullptr ? Error::kStale : tree_.Link(directory, name, *existing->file);
}

Error Server::Rename(Work& work, File& from) {
  const std::string_view old_name = work.in.Text();
  const Fid* to = Find(work.in.U32());
  const std::string_view new_name = work.in.Text();
  if (work.in.failed())
    return Error::kInvalid;
  return to == nullptr ? Error::kStale : tree_.Rename(from, old_name, *to->file, new_name);
}

}  // namespace k42::memory_files
