#include "user/linux/elf.h"

#include <cstring>

#include "abi/dispatcher_page.h"
#include "proc/process.types.h"

namespace k42::personality {
namespace {

struct FileHeader {
  unsigned char ident[16];
  std::uint16_t type, machine;
  std::uint32_t version;
  std::uint64_t entry, phoff, shoff;
  std::uint32_t flags;
  std::uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
static_assert(sizeof(FileHeader) == 64);

struct ProgramHeader {
  std::uint32_t type, flags;
  std::uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
static_assert(sizeof(ProgramHeader) == 56);

constexpr std::uint32_t kLoad = 1, kInterp = 3, kGnuStack = 0x6474e551;
constexpr std::uint32_t kFlagX = 1, kFlagW = 2, kFlagR = 4;
constexpr std::uint16_t kTypeExec = 2, kTypeDyn = 3, kMachineX86 = 62;
constexpr std::uint64_t kPage = abi::kPageSize;
constexpr std::uint64_t kInterpreterNameMax = 4096;

bool AddLoad(const ProgramHeader& header, ElfProgram* program) {
  if (header.memsz == 0) {
    return true;
  }
  const std::uint64_t end = header.vaddr + header.memsz;
  if (program->segment_count == kElfSegmentsMax || header.filesz > header.memsz ||
      end < header.vaddr || end > abi::kUserMapLimit || header.offset > INT64_MAX - header.filesz ||
      (header.offset - header.vaddr) % kPage != 0) {
    return false;
  }
  ElfSegment& segment = program->segments[program->segment_count];
  // Ascending and apart: then mapping them one by one is safe.
  if (program->segment_count > 0 &&
      header.vaddr < (&segment)[-1].address + (&segment)[-1].memory_size) {
    return false;
  }
  segment.address = header.vaddr;
  segment.memory_size = header.memsz;
  segment.offset = header.offset;
  segment.file_size = header.filesz;
  segment.protection = (header.flags & kFlagR ? proc::kMapRead : 0) |
                       (header.flags & kFlagW ? proc::kMapWrite : 0) |
                       (header.flags & kFlagX ? proc::kMapExecute : 0);
  ++program->segment_count;
  return true;
}

bool IsBlank(char c) {
  return c == ' ' || c == '\t';
}

}  // namespace

Status ParseElf(const void* head, std::size_t size, ElfProgram* program) {
  *program = {};
  FileHeader header;
  if (size < sizeof(header)) {
    return Status::kExecFormat;
  }
  std::memcpy(&header, head, sizeof(header));
  constexpr unsigned char kIdent[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  if (std::memcmp(header.ident, kIdent, sizeof(kIdent)) != 0 || header.machine != kMachineX86 ||
      (header.type != kTypeExec && header.type != kTypeDyn) ||
      header.phentsize != sizeof(ProgramHeader) || header.phnum == 0) {
    return Status::kExecFormat;
  }
  const std::size_t table = std::size_t{header.phnum} * sizeof(ProgramHeader);
  if (header.phoff > size || table > size - header.phoff) {
    return Status::kExecFormat;
  }
  program->fixed = header.type == kTypeExec;
  program->entry = header.entry;
  program->header_count = header.phnum;
  program->header_size = header.phentsize;
  const auto* bytes = static_cast<const unsigned char*>(head);
  for (std::uint16_t i = 0; i < header.phnum; ++i) {
    ProgramHeader part;
    std::memcpy(&part, bytes + header.phoff + i * sizeof(part), sizeof(part));
    if (part.type == kLoad && !AddLoad(part, program)) {
      return Status::kExecFormat;
    }
    if (part.type == kInterp) {
      if (part.filesz < 2 || part.filesz > kInterpreterNameMax) {
        return Status::kExecFormat;
      }
      program->interpreter_offset = part.offset;
      program->interpreter_size = part.filesz;
    }
    if (part.type == kGnuStack) {
      program->executable_stack = (part.flags & kFlagX) != 0;
    }
    // The headers' own address: the segment that holds their place in the file.
    if (part.type == kLoad && header.phoff >= part.offset &&
        header.phoff + table <= part.offset + part.filesz) {
      program->headers = part.vaddr + (header.phoff - part.offset);
    }
  }
  if (program->segment_count == 0) {
    return Status::kExecFormat;
  }
  const ElfSegment& last = program->segments[program->segment_count - 1];
  program->low = program->segments[0].address & ~(kPage - 1);
  program->high = (last.address + last.memory_size + kPage - 1) & ~(kPage - 1);
  return Status::kOk;
}

Status ParseScript(const char* head, std::size_t size, ScriptLine* line) {
  *line = {};
  if (size < 2 || head[0] != '#' || head[1] != '!') {
    return Status::kNotFound;
  }
  const std::size_t limit = size < kScriptLineMax ? size : kScriptLineMax;
  std::size_t end = 2;
  while (end < limit && head[end] != '\n' && head[end] != 0) {
    ++end;
  }
  while (end > 2 && IsBlank(head[end - 1])) {
    --end;
  }
  std::size_t at = 2;
  while (at < end && IsBlank(head[at])) {
    ++at;
  }
  const std::size_t name = at;
  while (at < end && !IsBlank(head[at])) {
    ++at;
  }
  if (at == name) {
    return Status::kExecFormat;
  }
  line->interpreter = head + name;
  line->interpreter_size = at - name;
  while (at < end && IsBlank(head[at])) {
    ++at;
  }
  if (at < end) {
    line->argument = head + at;
    line->argument_size = end - at;
  }
  return Status::kOk;
}

}  // namespace k42::personality
