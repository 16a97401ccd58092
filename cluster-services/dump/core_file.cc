#include "cluster-services/dump/core_file.h"

#include <elf.h>
#include <sys/procfs.h>
#include <sys/user.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

namespace k42::dump {
namespace {

using Range = interconnect::GuestMemory::Range;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kPiece = 1 << 20;

constexpr std::uint64_t RoundUp(std::uint64_t size) {
  return (size + kPage - 1) / kPage * kPage;
}

bool WriteAt(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return true;
}

Outcome<CoreSize> CannotWrite() {
  return {Status::kIoError,
          std::string("the core file cannot be written: ") + std::strerror(errno)};
}

elf_prstatus StatusOf(const CpuRegisters& cpu, std::size_t number) {
  user_regs_struct registers{};
  registers.rax = cpu.rax;
  registers.orig_rax = ~0ull;  // no system call is on its way: GDB would repeat it
  registers.rbx = cpu.rbx;
  registers.rcx = cpu.rcx;
  registers.rdx = cpu.rdx;
  registers.rsi = cpu.rsi;
  registers.rdi = cpu.rdi;
  registers.rbp = cpu.rbp;
  registers.rsp = cpu.rsp;
  registers.r8 = cpu.r8;
  registers.r9 = cpu.r9;
  registers.r10 = cpu.r10;
  registers.r11 = cpu.r11;
  registers.r12 = cpu.r12;
  registers.r13 = cpu.r13;
  registers.r14 = cpu.r14;
  registers.r15 = cpu.r15;
  registers.rip = cpu.rip;
  registers.eflags = cpu.rflags;
  registers.cs = cpu.cs;
  registers.ss = cpu.ss;
  registers.ds = cpu.ds;
  registers.es = cpu.es;
  registers.fs = cpu.fs;
  registers.gs = cpu.gs;
  registers.fs_base = cpu.fs_base;
  registers.gs_base = cpu.gs_base;
  elf_prstatus status{};
  static_assert(sizeof status.pr_reg == sizeof registers);
  std::memcpy(&status.pr_reg, &registers, sizeof registers);
  status.pr_pid = static_cast<int>(number) + 1;  // zero is nobody's
  return status;
}

std::vector<std::byte> Notes(const std::vector<CpuRegisters>& cpus) {
  constexpr char kName[8] = "CORE";  // with what pads it
  constexpr Elf64_Word kNameSize = 5;
  std::vector<std::byte> notes;
  auto append = [&notes](const void* from, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(from);
    notes.insert(notes.end(), bytes, bytes + size);
  };
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    const elf_prstatus status = StatusOf(cpus[i], i);
    static_assert(sizeof status % 4 == 0);
    const Elf64_Nhdr header{kNameSize, sizeof status, NT_PRSTATUS};
    append(&header, sizeof header);
    append(kName, sizeof kName);
    append(&status, sizeof status);
  }
  return notes;
}

// Of the range that `physical` lies in: where the file has it.
std::uint64_t OffsetOf(std::uint64_t physical, const std::vector<Range>& ranges,
                       std::uint64_t contents) {
  for (const Range& range : ranges) {
    if (physical >= range.address && physical - range.address < range.size)
      return contents + (physical - range.address);
    contents += RoundUp(range.size);
  }
  return contents;  // not reached: mappings are of RAM
}

std::vector<Elf64_Phdr> Headers(const std::vector<Mapping>& mappings,
                                const std::vector<Range>& ranges, std::uint64_t notes,
                                std::uint64_t notes_size, std::uint64_t contents) {
  std::vector<Elf64_Phdr> headers;
  Elf64_Phdr note{};
  note.p_type = PT_NOTE;
  note.p_offset = notes;
  note.p_filesz = notes_size;
  note.p_align = 4;
  headers.push_back(note);
  for (const Mapping& mapping : mappings) {
    Elf64_Phdr load{};
    load.p_type = PT_LOAD;
    load.p_flags = PF_R | (mapping.writable ? PF_W : 0u) | (mapping.executable ? PF_X : 0u);
    load.p_offset = OffsetOf(mapping.physical, ranges, contents);
    load.p_vaddr = mapping.address;
    load.p_paddr = mapping.physical;
    load.p_filesz = load.p_memsz = mapping.size;
    load.p_align = kPage;
    headers.push_back(load);
  }
  return headers;
}

bool IsZero(std::span<const std::byte> page) {
  static constexpr std::byte kZeroes[kPage] = {};
  return std::memcmp(page.data(), kZeroes, page.size()) == 0;
}

// Copies the range to `offset`, pages of zeroes left out.
Outcome<CoreSize> CopyRange(int fd, const Range& range, std::uint64_t offset,
                            const interconnect::GuestMemory& memory,
                            std::vector<std::byte>& buffer) {
  CoreSize size{range.size, 0};
  for (std::uint64_t at = 0; at < range.size; at += buffer.size()) {
    const auto piece =
        std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), range.size - at));
    if (!memory.Read(range.address + at, piece))
      return {Status::kNodeDead, "the node's memory cannot be read any more: it is over"};
    // Runs of pages that hold something, in one write each.
    std::size_t begin = 0;
    for (std::size_t page = 0; begin < piece.size(); page += kPage) {
      const std::size_t end = std::min(page, piece.size());
      if (page < piece.size() && !IsZero(piece.subspan(page, std::min(kPage, piece.size() - page))))
        continue;
      if (!WriteAt(fd, piece.subspan(begin, end - begin), offset + at + begin))
        return CannotWrite();
      size.written += end - begin;
      begin = page + kPage;
    }
  }
  return size;
}

}  // namespace

Outcome<CoreSize> WriteCore(int fd, const std::vector<CpuRegisters>& cpus,
                            const std::vector<Mapping>& mappings,
                            const interconnect::GuestMemory& memory) {
  const std::vector<Range> ranges = memory.Ranges();
  const std::vector<std::byte> notes = Notes(cpus);
  const std::size_t count = mappings.size() + 1;
  if (count >= PN_XNUM)
    return {Status::kLimitExceeded, "the kernel maps " + std::to_string(count) +
                                        " pieces of memory: more than a core file can say"};
  const std::uint64_t notes_at = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr);
  const std::uint64_t contents = RoundUp(notes_at + notes.size());
  const auto headers = Headers(mappings, ranges, notes_at, notes.size(), contents);

  Elf64_Ehdr elf{};
  std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
  elf.e_ident[EI_CLASS] = ELFCLASS64;
  elf.e_ident[EI_DATA] = ELFDATA2LSB;
  elf.e_ident[EI_VERSION] = EV_CURRENT;
  elf.e_type = ET_CORE;
  elf.e_machine = EM_X86_64;
  elf.e_version = EV_CURRENT;
  elf.e_phoff = elf.e_ehsize = sizeof elf;
  elf.e_phentsize = sizeof(Elf64_Phdr);
  elf.e_phnum = static_cast<Elf64_Half>(count);
  if (!WriteAt(fd, std::as_bytes(std::span(&elf, 1)), 0) ||
      !WriteAt(fd, std::as_bytes(std::span(headers)), sizeof elf) || !WriteAt(fd, notes, notes_at))
    return CannotWrite();

  CoreSize size{};
  std::uint64_t offset = contents;
  std::vector<std::byte> buffer(kPiece);
  for (const Range& range : ranges) {
    const Outcome<CoreSize> copied = CopyRange(fd, range, offset, memory, buffer);
    if (!copied.ok())
      return copied;
    size.memory += copied->memory;
    size.written += copied->written;
    offset += RoundUp(range.size);
  }
  if (ftruncate(fd, static_cast<off_t>(offset)) != 0)  // holes at the end
    return CannotWrite();
  return size;
}

}  // namespace k42::dump
