#include "fs/ninep_message.h"

namespace k42::fs::ninep {
namespace {

// 9P2000.L carries the server's error numbers; these are Linux's.
struct ErrorName {
  std::uint32_t number;
  Status status;
};
constexpr ErrorName kErrors[] = {
    {1, Status::kNotOwner},       {2, Status::kNotFound},       {5, Status::kIoError},
    {9, Status::kBadHandle},      {12, Status::kNoMemory},      {13, Status::kPermissionDenied},
    {16, Status::kBusy},          {17, Status::kAlreadyExists}, {18, Status::kCrossDevice},
    {20, Status::kNotDirectory},  {21, Status::kIsDirectory},   {22, Status::kInvalidArgument},
    {24, Status::kLimitExceeded}, {26, Status::kTextBusy},      {27, Status::kLimitExceeded},
    {28, Status::kNoSpace},       {29, Status::kIllegalSeek},   {30, Status::kReadOnly},
    {31, Status::kTooManyLinks},  {36, Status::kNameTooLong},   {39, Status::kNotEmpty},
    {40, Status::kLoop},          {95, Status::kNotSupported},  {116, Status::kNotFound},
};

struct KindMode {
  std::uint32_t bits;
  FileKind kind;
};
constexpr std::uint32_t kKindMask = 0170000;
constexpr KindMode kKinds[] = {
    {0100000, FileKind::kRegular},      {0040000, FileKind::kDirectory},
    {0120000, FileKind::kSymbolicLink}, {0010000, FileKind::kFifo},
    {0140000, FileKind::kSocket},       {0020000, FileKind::kCharacterDevice},
    {0060000, FileKind::kBlockDevice},
};

std::int64_t ReadTime(Reader& reader) {
  const std::uint64_t seconds = reader.U64();
  const std::uint64_t nanoseconds = reader.U64();
  return static_cast<std::int64_t>(seconds * 1'000'000'000 + nanoseconds % 1'000'000'000);
}

}  // namespace

Status StatusOfError(std::uint32_t number) {
  for (const ErrorName& error : kErrors) {
    if (error.number == number) {
      return error.status;
    }
  }
  return Status::kIoError;
}

FileKind KindOfMode(std::uint32_t mode) {
  for (const KindMode& entry : kKinds) {
    if (entry.bits == (mode & kKindMask)) {
      return entry.kind;
    }
  }
  return FileKind::kUnknown;
}

std::uint32_t ModeOfKind(FileKind kind) {
  for (const KindMode& entry : kKinds) {
    if (entry.kind == kind) {
      return entry.bits;
    }
  }
  return 0;
}

Status CheckReply(std::span<const std::byte> bytes, std::size_t size, Type request,
                  std::uint16_t tag) {
  Reader reader(bytes);
  const std::uint32_t said = reader.U32();
  const std::uint8_t type = reader.U8();
  const std::uint16_t reply_tag = reader.U16();
  if (reader.failed() || said != size || reply_tag != tag) {
    return Status::kCorrupt;
  }
  if (type == static_cast<std::uint8_t>(Type::kError)) {
    const std::uint32_t number = reader.U32();
    return reader.failed() ? Status::kCorrupt : StatusOfError(number);
  }
  return type == static_cast<std::uint8_t>(request) + 1 ? Status::kOk : Status::kCorrupt;
}

Status ParseAttributes(std::span<const std::byte> reply, Attributes* attributes) {
  Reader reader(reply);
  reader.U64();  // which fields are valid: the server gives all that we use, or fails
  attributes->qid = reader.ReadQid();
  FileAttributes& values = attributes->values;
  values = {};
  const std::uint32_t mode = reader.U32();
  values.mode = mode & kModeAll;
  values.kind = attributes->kind = KindOfMode(mode);
  values.user = reader.U32();
  values.group = reader.U32();
  values.links = static_cast<std::uint32_t>(reader.U64());
  const std::uint64_t device = reader.U64();
  values.device_major = static_cast<std::uint32_t>(device >> 8 & 0xfff);
  values.device_minor = static_cast<std::uint32_t>((device & 0xff) | (device >> 12 & 0xfff00));
  values.size = reader.U64();
  values.block_size = static_cast<std::uint32_t>(reader.U64());
  values.allocated = reader.U64() * 512;
  values.access_ns = ReadTime(reader);
  values.modify_ns = ReadTime(reader);
  values.change_ns = ReadTime(reader);
  values.birth_ns = ReadTime(reader);
  reader.U64();  // generation, data version: always zero from QEMU
  reader.U64();
  TRY(reader.Check());
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 62;
  return values.size <= kLargest ? Status::kOk : Status::kCorrupt;
}

Status ParseInfo(std::span<const std::byte> reply, FileSystemInfo* info) {
  Reader reader(reply);
  *info = {};
  info->kind = FileSystemKind::kRemote;
  reader.U32();
  info->block_size = reader.U32();
  info->blocks = reader.U64();
  reader.U64();  // free for user 0
  info->blocks_free = reader.U64();
  info->files = reader.U64();
  info->files_free = reader.U64();
  reader.U64();
  info->name_max = reader.U32();
  return reader.Check();
}

Status ParseDirectoryItem(Reader& data, DirectoryItem* item) {
  item->qid = data.ReadQid();
  item->cookie = data.U64();
  item->kind = KindOfMode(std::uint32_t{data.U8()} << 12);
  item->name = data.Text();
  TRY(data.Check());
  if (item->name.empty() || item->name.size() > kNameMax ||
      item->name.find('/') != std::string_view::npos ||
      item->name.find('\0') != std::string_view::npos) {
    return Status::kCorrupt;
  }
  return Status::kOk;
}

}  // namespace k42::fs::ninep
