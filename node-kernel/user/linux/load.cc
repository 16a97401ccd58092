#include "user/linux/load.h"

#include <cstring>

#include "abi/dispatcher_page.h"
#include "user/linux/heap.h"
#include "user/linux/log.h"
#include "user/linux/start.h"
#include "user/linux/task.h"
#include "user/linux/user_memory.h"

namespace k42::personality {
namespace {

constexpr std::uint64_t kPage = abi::kPageSize;

constexpr std::uint64_t PageDown(std::uint64_t address) {
  return address & ~(kPage - 1);
}
constexpr std::uint64_t PageUp(std::uint64_t address) {
  return PageDown(address + kPage - 1);
}

Status MapSegment(kernel::Handle memory, const ElfSegment& segment, std::uint64_t base) {
  const std::uint64_t start = PageDown(segment.address + base);
  const std::uint64_t file_end = segment.address + base + segment.file_size;
  const std::uint64_t memory_end = PageUp(segment.address + base + segment.memory_size);
  std::uint64_t mapped_end = start;
  if (segment.file_size > 0) {
    mapped_end = PageUp(file_end);
    const proc::MapRequest request{start, mapped_end - start, PageDown(segment.offset),
                                   segment.protection, proc::kMapPrivate | proc::kMapFixed};
    if (const Result<std::uint64_t> mapped = kernel::MapMemory(request, memory); !mapped.ok()) {
      return mapped.status();
    }
    // Bytes behind the file's part of the last page belong to the zero-filled part.
    if (segment.memory_size > segment.file_size && mapped_end > file_end &&
        (segment.protection & proc::kMapWrite) != 0 && !ZeroOut(file_end, mapped_end - file_end)) {
      return Status::kExecFormat;
    }
  }
  if (memory_end > mapped_end) {
    const proc::MapRequest request{mapped_end, memory_end - mapped_end, 0, segment.protection,
                                   proc::kMapPrivate | proc::kMapFixed};
    if (const Result<std::uint64_t> mapped = kernel::Map(request, kernel::kNoHandle);
        !mapped.ok()) {
      return mapped.status();
    }
  }
  return Status::kOk;
}

Status MapSegments(kernel::Handle file, const ElfProgram& program, std::uint64_t base) {
  const Result<kernel::Handle> memory = kernel::MemoryOf(file);
  Status status = memory.status();
  for (std::size_t i = 0; i < program.segment_count && status == Status::kOk; ++i) {
    status = MapSegment(memory.value(), program.segments[i], base);
    if (status != Status::kOk) {
      Log("linux: segment at {x} cannot be mapped: error -{}", program.segments[i].address + base,
          -static_cast<std::int64_t>(status));
    }
  }
  if (memory.ok()) {
    kernel::Close(memory.value());
  }
  return status;
}

// linux-vdso.so.1 (vdso_image.S).
extern "C" const char vdso_image[];

// Auxiliary vector keys.
constexpr std::uint64_t kAtNull = 0, kAtPhdr = 3, kAtPhent = 4, kAtPhnum = 5, kAtPagesz = 6,
                        kAtBase = 7, kAtFlags = 8, kAtEntry = 9, kAtUid = 11, kAtEuid = 12,
                        kAtGid = 13, kAtEgid = 14, kAtPlatform = 15, kAtHwcap = 16, kAtClktck = 17,
                        kAtSecure = 23, kAtRandom = 25, kAtHwcap2 = 26, kAtExecfn = 31,
                        kAtSysinfoHeader = 33, kAtMinSigStkSz = 51;
constexpr std::uint64_t kAuxiliaryMax = 24;
constexpr std::uint64_t kHwcap2FsGsBase = 2;
// Frame with AVX state: what Linux reports for the components we keep.
constexpr std::uint64_t kMinSigStack = 1776;

std::uint64_t CpuFeatureBits() {
  std::uint32_t a = 1, b = 0, c = 0, d = 0;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return d;
}

// Writes downwards from the top of the stack.
class StackWriter {
 public:
  explicit StackWriter(std::uint64_t top) : at_(top) {}
  std::uint64_t Put(const void* bytes, std::uint64_t size) {
    at_ -= size;
    ok_ = ok_ && CopyOut(at_, bytes, size);
    return at_;
  }
  void Align(std::uint64_t alignment) { at_ &= ~(alignment - 1); }
  std::uint64_t at() const { return at_; }
  bool ok() const { return ok_; }

 private:
  std::uint64_t at_;
  bool ok_ = true;
};

// Pointers to the words of a block that was written at `address`.
void PutPointers(const Words& words, std::uint64_t address, std::uint64_t* table,
                 std::uint64_t* used) {
  std::uint64_t at = 0;
  for (std::uint64_t i = 0; i < words.count; ++i) {
    table[(*used)++] = address + at;
    at += std::strlen(words.bytes + at) + 1;
  }
  table[(*used)++] = 0;
}

}  // namespace

Result<std::uint64_t> ReadHead(kernel::Handle file, void* head, std::size_t size) {
  return kernel::ReadAt(file, 0, reinterpret_cast<std::uint64_t>(head), size);
}

Status LoadElf(kernel::Handle file, const ElfProgram& program, std::uint64_t hint,
               LoadedElf* loaded) {
  std::uint64_t base = 0;
  if (!program.fixed) {
    const proc::MapRequest reserve{
        hint, program.high - program.low, 0, 0,
        proc::kMapPrivate | proc::kMapNoReserve | (hint ? proc::kMapFixed : 0u)};
    const Result<std::uint64_t> span = kernel::Map(reserve, kernel::kNoHandle);
    if (!span.ok()) {
      return span.status();
    }
    base = span.value() - program.low;
  }
  if (const Status status = MapSegments(file, program, base); status != Status::kOk) {
    return status;
  }
  loaded->base = base;
  loaded->entry = program.entry + base;
  loaded->headers = program.headers ? program.headers + base : 0;
  loaded->header_count = program.header_count;
  loaded->end = program.high + base;
  return Status::kOk;
}

Status MapStack(std::uint64_t size, bool executable) {
  const std::uint64_t top = abi::kUserMapLimit - kPage;
  const proc::MapRequest request{
      top - size, size, 0, proc::kMapRead | proc::kMapWrite | (executable ? proc::kMapExecute : 0u),
      proc::kMapPrivate | proc::kMapFixed | proc::kMapNoReserve};
  if (const Result<std::uint64_t> mapped = kernel::Map(request, kernel::kNoHandle); !mapped.ok()) {
    return mapped.status();
  }
  CurrentProgram().stack_top = top;
  CurrentProgram().stack_size = size;
  return Status::kOk;
}

Result<std::uint64_t> BuildStack(const StackContents& contents) {
  // Strings first (at the top), as Linux has them: file name, environment, arguments.
  StackWriter stack(CurrentProgram().stack_top - 8);
  const std::uint64_t path =
      stack.Put(contents.program_path, std::strlen(contents.program_path) + 1);
  const std::uint64_t environment =
      stack.Put(contents.environment.bytes, contents.environment.size);
  const std::uint64_t arguments = stack.Put(contents.arguments.bytes, contents.arguments.size);
  const std::uint64_t platform = stack.Put("x86_64", 7);
  stack.Align(16);
  const std::uint64_t random = stack.Put(StartBlock().random, 16);

  const std::uint64_t words =
      1 + contents.arguments.count + 1 + contents.environment.count + 1 + 2 * kAuxiliaryMax;
  Buffer buffer(words * sizeof(std::uint64_t));
  if (!buffer) {
    return Status::kNoMemory;
  }
  auto* table = buffer.As<std::uint64_t>();
  std::uint64_t used = 0;
  table[used++] = contents.arguments.count;
  PutPointers(contents.arguments, arguments, table, &used);
  PutPointers(contents.environment, environment, table, &used);
  const auto put = [&](std::uint64_t key, std::uint64_t value) {
    table[used++] = key;
    table[used++] = value;
  };
  if (kernel::HasTimePage()) {
    put(kAtSysinfoHeader, reinterpret_cast<std::uint64_t>(vdso_image));
  }
  put(kAtMinSigStkSz, kMinSigStack);
  put(kAtHwcap, CpuFeatureBits());
  put(kAtPagesz, kPage);
  put(kAtClktck, 100);
  put(kAtPhdr, contents.program.headers);
  put(kAtPhent, 56);
  put(kAtPhnum, contents.program.header_count);
  put(kAtBase, contents.interpreter.base);
  put(kAtFlags, 0);
  put(kAtEntry, contents.program.entry);
  put(kAtUid, contents.user);
  put(kAtEuid, contents.effective_user);
  put(kAtGid, contents.group);
  put(kAtEgid, contents.effective_group);
  put(kAtSecure, 0);
  put(kAtRandom, random);
  put(kAtHwcap2, kHwcap2FsGsBase);
  put(kAtExecfn, path);
  put(kAtPlatform, platform);
  put(kAtNull, 0);

  // The stack pointer must be 16-byte aligned at the entry.
  stack.Align(16);
  if (used % 2 != 0) {
    stack.Put(table, 8);
  }
  const std::uint64_t pointer = stack.Put(table, used * sizeof(std::uint64_t));
  if (!stack.ok()) {
    return Status::kNoMemory;
  }
  return pointer;
}

}  // namespace k42::personality
