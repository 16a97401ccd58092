// Address space calls. The regions are the kernel's; brk is kept here.
#include "user/linux/abi_memory.h"
#include "user/linux/call_support.h"
#include "user/linux/descriptor_service.h"
#include "user/linux/io_vector.h"

namespace k42::personality::calls {
namespace {

constexpr std::uint64_t kPage = abi::kPageSize;
constexpr std::uint64_t kPageMask = kPage - 1;

constexpr std::uint64_t PageUp(std::uint64_t value) {
  return (value + kPageMask) & ~kPageMask;
}

// PROT_READ, PROT_WRITE and PROT_EXEC have the kernel's own values.
static_assert(proc::kMapRead == 1 && proc::kMapWrite == 2 && proc::kMapExecute == 4);
constexpr U32 kProtectionBits = 7;

// The kernel's word for a failed mapping, in mmap's terms.
std::int64_t MapError(Status status) {
  return status == Status::kLimitExceeded ? -kENOMEM : ErrnoOf(status);
}

bool ProgramRange(std::uint64_t address, std::uint64_t size) {
  return size <= abi::kUserMapLimit && address <= abi::kUserMapLimit - size;
}

// MAP_HUGETLB: as on a Linux that has set no page aside but lets as many be taken as there are
// (nr_overcommit_hugepages), of 2 MiB only. Shared memory has none.
std::int64_t CheckHuge(U32 flags) {
  constexpr U32 kSizeShift = 26, kSizeMask = 63, kTwoMib = 21;
  if ((flags & kMapAnonymous) == 0) {
    return -kEINVAL;
  }
  const U32 size = flags >> kSizeShift & kSizeMask;
  if (size != 0 && size != kTwoMib) {
    return -kEINVAL;
  }
  return (flags & kMapTypeMask) == kMapPrivate ? 0 : -kENOMEM;
}

}  // namespace

Reply Mmap(Thread& thread, Address address, U64 size, U32 protection, U32 flags, I32 fd,
           U64 offset) {
  if (size == 0 || offset % kPage != 0) {
    return -kEINVAL;
  }
  size = PageUp(size);
  if (size == 0 || size > abi::kUserMapLimit) {
    return -kENOMEM;
  }
  proc::MapRequest request{};
  request.length = size;
  request.offset = offset;
  request.protection = protection & kProtectionBits;
  const U32 type = flags & kMapTypeMask;
  switch (type) {
    case kMapShared:
    case kMapSharedValidate:
      request.flags = proc::kMapShared;
      break;
    case kMapPrivate:
      request.flags = proc::kMapPrivate;
      break;
    default:
      return -kEINVAL;
  }
  const bool exact = (flags & (kMapFixed | kMapFixedNoReplace)) != 0;
  if (exact) {
    if (address % kPage != 0) {
      return -kEINVAL;
    }
    if (!ProgramRange(address, size)) {
      return -kENOMEM;
    }
    request.flags |= flags & kMapFixedNoReplace ? proc::kMapFixedNoReplace : proc::kMapFixed;
  }
  request.address = exact ? address : address & ~kPageMask;
  if (!exact && !ProgramRange(request.address, size)) {
    request.address = 0;
  }
  request.flags |= flags & kMapNoReserve ? proc::kMapNoReserve : 0;
  request.flags |= flags & kMapPopulate ? proc::kMapPopulate : 0;
  request.flags |= flags & kMapGrowsDown ? proc::kMapGrowsDown : 0;
  if (flags & kMapHugeTlb) {
    if (const std::int64_t error = CheckHuge(flags)) {
      return error;
    }
    request.flags |= proc::kMapLarge;
  }
  kernel::Handle object = kernel::kNoHandle;
  DescriptionRef description;
  if ((flags & kMapAnonymous) == 0) {
    description = Descriptor(thread, static_cast<U32>(fd));
    if (!description) {
      return -kEBADF;
    }
    KernelFile* file = description.file();
    if (!file) {
      return -kENODEV;
    }
    const U32 access = description->linux_flags() & kO_ACCMODE;
    if ((description->linux_flags() & kO_PATH) != 0) {
      return -kEBADF;
    }
    if (access == kO_WRONLY ||
        (type != kMapPrivate && (protection & proc::kMapWrite) != 0 && access != kO_RDWR)) {
      return -kEACCES;
    }
    object = file->handle();
    if (type != kMapPrivate) {
      StartDescriptorService();  // others may want to map it too
    }
  } else {
    request.offset = 0;
  }
  const Result<std::uint64_t> mapped = kernel::Map(request, object);
  if (mapped.status() == Status::kNotSupported) {
    return -kENODEV;
  }
  return mapped.ok() ? static_cast<Reply>(mapped.value()) : MapError(mapped.status());
}

Reply Munmap(Thread&, Address address, U64 size) {
  if (address % kPage != 0 || size == 0 || !ProgramRange(address, PageUp(size))) {
    return -kEINVAL;
  }
  const Status status = kernel::Unmap(address, PageUp(size));
  return status == Status::kNotFound ? 0 : MapError(status);
}

Reply Mprotect(Thread&, Address address, U64 size, U32 protection) {
  if (address % kPage != 0) {
    return -kEINVAL;
  }
  if (size == 0) {
    return 0;
  }
  if (!ProgramRange(address, PageUp(size))) {
    return -kENOMEM;
  }
  const Status status = kernel::Protect(address, PageUp(size), protection & kProtectionBits);
  return status == Status::kOutOfRange || status == Status::kNotFound ? -kENOMEM : MapError(status);
}

Reply Mremap(Thread&, Address address, U64 old_size, U64 new_size, U32 flags, Address new_address) {
  constexpr U32 kMayMove = 1, kFixed = 2, kDontUnmap = 4;
  if (address % kPage != 0 || new_size == 0 || (flags & ~(kMayMove | kFixed | kDontUnmap)) != 0 ||
      ((flags & (kFixed | kDontUnmap)) != 0 && !(flags & kMayMove)) ||
      ((flags & kFixed) != 0 && new_address % kPage != 0)) {
    return -kEINVAL;
  }
  std::uint32_t how = flags & kMayMove ? proc::kRemapMayMove : 0;
  how |= flags & kFixed ? proc::kRemapFixed : 0;
  how |= flags & kDontUnmap ? proc::kRemapKeepOld : 0;
  const Result<std::uint64_t> moved =
      kernel::Remap(address, PageUp(old_size), PageUp(new_size), how, new_address);
  if (moved.status() == Status::kNotFound || moved.status() == Status::kOutOfRange) {
    return -kEFAULT;
  }
  return moved.ok() ? static_cast<Reply>(moved.value()) : MapError(moved.status());
}

Reply Madvise(Thread&, Address address, U64 size, U32 advice) {
  if (address % kPage != 0) {
    return -kEINVAL;
  }
  proc::Advice how{};
  switch (advice) {
    case kAdviceNormal:
      how = proc::Advice::kNormal;
      break;
    case kAdviceRandom:
      how = proc::Advice::kRandom;
      break;
    case kAdviceSequential:
      how = proc::Advice::kSequential;
      break;
    case kAdviceWillNeed:
    case kAdvicePopulateRead:
    case kAdvicePopulateWrite:
      how = proc::Advice::kWillNeed;
      break;
    case kAdviceDontNeed:
      how = proc::Advice::kDontNeed;
      break;
    case kAdviceFree:
      how = proc::Advice::kFree;
      break;
    case kAdviceDontFork:
      how = proc::Advice::kDontFork;
      break;
    case kAdviceDoFork:
      how = proc::Advice::kDoFork;
      break;
    case kAdviceWipeOnFork:
      how = proc::Advice::kWipeOnFork;
      break;
    case kAdviceKeepOnFork:
      how = proc::Advice::kKeepOnFork;
      break;
    case kAdviceHugePage:
      how = proc::Advice::kLargePages;
      break;
    case kAdviceNoHugePage:
      how = proc::Advice::kSmallPages;
      break;
    case kAdviceMergeable:
    case kAdviceUnmergeable:
    case kAdviceDontDump:
    case kAdviceDoDump:
    case kAdviceCold:
    case kAdvicePageOut:
      return 0;  // hints about things we do not have
    default:
      return -kEINVAL;
  }
  if (size == 0) {
    return 0;
  }
  const Status status = kernel::Advise(address, PageUp(size), how);
  return status == Status::kOutOfRange || status == Status::kNotFound ? -kENOMEM : MapError(status);
}

Reply Msync(Thread&, Address address, U64 size, U32 flags) {
  constexpr U32 kAsync = 1, kInvalidate = 2, kSync = 4;
  if (address % kPage != 0 || (flags & ~(kAsync | kInvalidate | kSync)) != 0 ||
      (flags & (kAsync | kSync)) == (kAsync | kSync)) {
    return -kEINVAL;
  }
  if (size == 0) {
    return 0;
  }
  const Status status = kernel::SyncMemory(address, PageUp(size));
  return status == Status::kOutOfRange || status == Status::kNotFound ? -kENOMEM : ErrnoOf(status);
}

Reply Mincore(Thread&, Address address, U64 size, Address vector) {
  if (address % kPage != 0) {
    return -kEINVAL;
  }
  // Residency is not told page by page: what is mapped counts as present, as after a touch.
  for (U64 done = 0; done < size; done += kPage) {
    proc::RegionInfo region{};
    if (kernel::QueryRegion(address + done, &region) != Status::kOk ||
        region.start > address + done) {
      return -kENOMEM;
    }
    const unsigned char present = 1;
    if (!WriteUser(vector + done / kPage, present)) {
      return -kEFAULT;
    }
  }
  return 0;
}

Reply MlockRange(Thread&, Address, U64) {
  return 0;  // pages of a node are not paged out
}
Reply Memory(Thread&) {
  return 0;
}

Reply Brk(Thread&, Address address) {
  Program& program = CurrentProgram();
  if (address < program.break_start || address >= abi::kUserMapLimit) {
    return static_cast<Reply>(program.break_end);
  }
  const std::uint64_t end = PageUp(address);
  if (end > program.break_mapped) {
    proc::Limit limit{};
    if (kernel::GetLimit(0, proc::LimitKind::kData, &limit) == Status::kOk &&
        address - program.break_start > limit.soft) {
      return static_cast<Reply>(program.break_end);
    }
    const proc::MapRequest request{program.break_mapped, end - program.break_mapped, 0,
                                   proc::kMapRead | proc::kMapWrite,
                                   proc::kMapPrivate | proc::kMapFixedNoReplace};
    if (!kernel::Map(request, kernel::kNoHandle).ok()) {
      return static_cast<Reply>(program.break_end);
    }
  } else if (end < program.break_mapped) {
    (void)kernel::Unmap(end, program.break_mapped - end);
  }
  program.break_mapped = end;
  program.break_end = address;
  return static_cast<Reply>(address);
}

namespace {

// Pieces of ours and of the other's, matched up as far as both go.
std::int64_t CopyProcessMemory(I32 pid, Address local, U64 local_count, Address remote,
                               U64 remote_count, U64 flags, bool write) {
  if (flags != 0) {
    return -kEINVAL;
  }
  IoVector mine, theirs;
  if (const std::int64_t error = mine.Load(local, local_count)) {
    return error;
  }
  if (mine.total() == 0) {
    return 0;
  }
  if (const std::int64_t error = theirs.Load(remote, remote_count)) {
    return error;
  }
  std::uint64_t i = 0, i_used = 0, j = 0, j_used = 0;
  std::int64_t done = 0;
  while (i < mine.count() && j < theirs.count()) {
    const std::uint64_t here = mine[i].size - i_used;
    const std::uint64_t there = theirs[j].size - j_used;
    const std::uint64_t piece = here < there ? here : there;
    if (piece > 0) {
      const std::uint64_t my_address = mine[i].base + i_used;
      const std::uint64_t their_address = theirs[j].base + j_used;
      if (!InProgram(my_address, piece)) {
        return done ? done : -kEFAULT;
      }
      const auto task = static_cast<U32>(pid);
      const Result<std::uint64_t> moved =
          write ? kernel::WriteMemory(task, their_address, my_address, piece)
                : kernel::ReadMemory(task, their_address, my_address, piece);
      if (!moved.ok()) {
        return done                                          ? done
               : moved.status() == Status::kPermissionDenied ? -kEPERM
                                                             : ErrnoOf(moved.status());
      }
      done += static_cast<std::int64_t>(moved.value());
      if (moved.value() < piece) {
        return done;
      }
    }
    i_used += piece;
    j_used += piece;
    if (i_used == mine[i].size) {
      ++i;
      i_used = 0;
    }
    if (j_used == theirs[j].size) {
      ++j;
      j_used = 0;
    }
  }
  return done;
}

}  // namespace

Reply ProcessVmRead(Thread&, I32 pid, Address local, U64 local_count, Address remote,
                    U64 remote_count, U64 flags) {
  return CopyProcessMemory(pid, local, local_count, remote, remote_count, flags, false);
}
Reply ProcessVmWrite(Thread&, I32 pid, Address local, U64 local_count, Address remote,
                     U64 remote_count, U64 flags) {
  return CopyProcessMemory(pid, local, local_count, remote, remote_count, flags, true);
}

}  // namespace k42::personality::calls
