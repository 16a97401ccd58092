#include "proc/image.h"

#include <cstring>

#include "abi/dispatcher_page.h"
#include "abi/process_start.h"

namespace k42::proc {

namespace {

struct FileHeader {
  unsigned char ident[16];
  std::uint16_t type, machine;
  std::uint32_t version;
  std::uint64_t entry, program_offset, section_offset;
  std::uint32_t flags;
  std::uint16_t header_size, program_size, program_count, section_size, section_count, names;
};
static_assert(sizeof(FileHeader) == 64);

struct ProgramHeader {
  std::uint32_t type, flags;
  std::uint64_t offset, address, physical, file_size, memory_size, align;
};
static_assert(sizeof(ProgramHeader) == 56);

constexpr std::uint16_t kExecutable = 2, kX86_64 = 62;
constexpr std::uint32_t kLoad = 1;
constexpr std::uint64_t kPage = abi::kPageSize;

mem::Protection ProtectionOf(std::uint32_t flags) {
  return static_cast<mem::Protection>(((flags & 4) != 0 ? mem::kProtectRead : 0) |
                                      ((flags & 2) != 0 ? mem::kProtectWrite : 0) |
                                      ((flags & 1) != 0 ? mem::kProtectExecute : 0));
}

template <typename T>
bool Read(std::span<const std::byte> file, std::uint64_t offset, T* value) {
  if (offset > file.size() || file.size() - offset < sizeof(T))
    return false;
  std::memcpy(value, file.data() + offset, sizeof(T));
  return true;
}

bool AddSegment(const ProgramHeader& header, std::uint64_t file_size, ImageLayout* layout) {
  if (layout->count == ImageLayout::kMaxSegments || header.file_size > header.memory_size ||
      header.offset > file_size || header.file_size > file_size - header.offset ||
      header.address < abi::kImageBase || header.address >= abi::kStartAddress ||
      header.memory_size > abi::kStartAddress - header.address)
    return false;
  ImageSegment& segment = layout->segments[layout->count];
  segment.begin = header.address & ~(kPage - 1);
  segment.end = (header.address + header.memory_size + kPage - 1) & ~(kPage - 1);
  segment.protection = ProtectionOf(header.flags);
  if (layout->count != 0 && segment.begin < layout->segments[layout->count - 1].end)
    return false;
  layout->pieces[layout->count++] = {header.address, header.offset, header.file_size};
  return true;
}

}  // namespace

Result<ImageLayout*> ParseImage(std::span<const std::byte> file, ImageLayout* layout) {
  FileHeader header;
  *layout = {};
  if (!Read(file, 0, &header) || std::memcmp(header.ident, "\177ELF\2\1\1", 7) != 0 ||
      header.type != kExecutable || header.machine != kX86_64 ||
      header.program_size != sizeof(ProgramHeader))
    return Status::kExecFormat;
  layout->entry = header.entry;
  for (std::uint64_t i = 0; i < header.program_count; ++i) {
    ProgramHeader program;
    if (header.program_offset > file.size() ||
        !Read(file, header.program_offset + i * sizeof(program), &program))
      return Status::kExecFormat;
    if (program.type == kLoad && program.memory_size != 0 &&
        !AddSegment(program, file.size(), layout))
      return Status::kExecFormat;
  }
  for (std::uint32_t i = 0; i < layout->count; ++i) {
    const ImageSegment& segment = layout->segments[i];
    if (layout->entry >= segment.begin && layout->entry < segment.end &&
        (segment.protection & mem::kProtectExecute) != 0)
      return layout;
  }
  return Status::kExecFormat;
}

Status ImageSet::Add(mem::MemoryServices& services, std::string_view name,
                     std::span<const std::byte> file) {
  if (count_ == kMax)
    return Status::kLimitExceeded;
  Image& image = images_[count_];
  TRY(ParseImage(file, &image.layout));
  const ImageLayout& layout = image.layout;
  image.name = name;
  image.memory = TRY(mem::FcmFile::Create(services, nullptr, layout.end() - layout.begin()));
  for (std::uint32_t i = 0; i < layout.count; ++i) {
    const ImageLayout::Piece& piece = layout.pieces[i];
    TRY(image.memory->Write(piece.address - layout.begin(),
                            BufferIn::Kernel(file.data() + piece.file_offset, piece.file_size),
                            mem::Waiting::kYes));
  }
  image.memory->MakePermanent();
  ++count_;
  return Status::kOk;
}

const Image* ImageSet::Get(std::uint32_t number) const {
  return number >= 1 && number <= count_ ? &images_[number - 1] : nullptr;
}

const Image* ImageSet::Find(std::string_view name) const {
  for (std::uint32_t i = 0; i < count_; ++i) {
    if (images_[i].name == name)
      return &images_[i];
  }
  return nullptr;
}

}  // namespace k42::proc
