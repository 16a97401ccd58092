// Memory policies: there is one memory node, 0, so that they decide nothing. They are checked and
// told as Linux does: programs (numactl, hwloc, MPI) ask for one and look what they have got. Those
// of ranges of memory (mbind) are checked, and not kept.
#include "user/linux/call_support.h"

namespace k42::personality::calls {
namespace {

enum Mode : U32 { kDefault, kPreferred, kBind, kInterleave, kLocal, kPreferredMany, kModes };
constexpr U32 kStaticNodes = 1u << 15, kRelativeNodes = 1u << 14, kBalancing = 1u << 13;
constexpr U32 kModeFlags = kStaticNodes | kRelativeNodes | kBalancing;
constexpr U64 kNodes = 1;  // a mask
constexpr U64 kBitsMost = U64{4096} * 8, kWordBits = 64;
constexpr U64 kNodesPossible = 1024;  // what Debian's kernels are built for
constexpr U32 kMove = 2, kMoveAll = 4, kStrict = 1;

// The first word of a mask of `bits` - 1 bits. Further nodes are not there: the second stands for
// them.
std::int64_t ReadNodes(Address mask, U64 bits, U64* nodes) {
  *nodes = 0;
  if (mask == 0 || bits <= 1) {
    return 0;
  }
  if (--bits > kBitsMost) {
    return -kEINVAL;
  }
  for (U64 first = 0; first < bits; first += kWordBits) {
    U64 word = 0;
    if (!ReadUser(&word, mask + first / 8)) {
      return -kEFAULT;
    }
    word &= bits - first < kWordBits ? (U64{1} << (bits - first)) - 1 : ~U64{0};
    if (first >= kNodesPossible && word != 0) {
      return -kEINVAL;
    }
    *nodes |= first == 0 ? word : word != 0 ? 2 : 0;
  }
  return 0;
}

bool IsMode(U32 mode) {
  constexpr U32 kChosen = kStaticNodes | kRelativeNodes;
  return (mode & ~kModeFlags) < kModes && (mode & kChosen) != kChosen &&
         ((mode & kBalancing) == 0 || (mode & ~kModeFlags) == kBind);
}

// What of the policy is possible. 0, or the error.
std::int64_t ReadPolicy(U32 mode, Address mask, U64 bits, MemoryPolicy* policy) {
  U64 nodes = 0;
  if (!IsMode(mode)) {
    return -kEINVAL;
  }
  if (const std::int64_t error = ReadNodes(mask, bits, &nodes)) {
    return error;
  }
  const U32 plain = mode & ~kModeFlags;
  const bool empty = nodes == 0, flagged = (mode & (kStaticNodes | kRelativeNodes)) != 0;
  if (plain == kDefault || plain == kLocal || (plain == kPreferred && empty)) {
    *policy = {plain == kPreferred ? U32{kLocal} : mode, 0};
    return !empty || (flagged && plain != kDefault) ? -kEINVAL : 0;
  }
  if ((mode & kRelativeNodes) != 0 && !empty) {
    nodes = kNodes;
  }
  if ((nodes & kNodes) == 0) {
    return -kEINVAL;
  }
  *policy = {mode, nodes & kNodes};
  return 0;
}

bool Mapped(Address address) {
  proc::RegionInfo region{};
  return kernel::QueryRegion(address, &region) == Status::kOk && region.start <= address;
}

bool Exists(I32 pid) {
  proc::TaskInfo info{};
  return kernel::GetTask(static_cast<U32>(pid), &info) == Status::kOk;
}

}  // namespace

Reply GetMempolicy(Thread& thread, Address mode, Address mask, U64 bits, Address address,
                   U64 flags) {
  constexpr U64 kNode = 1, kAddress = 2, kAllowed = 4;
  if ((flags & ~(kNode | kAddress | kAllowed)) != 0 || (mask != 0 && bits < kNodes)) {
    return -kEINVAL;
  }
  I32 policy = static_cast<I32>(thread.policy.mode);
  U64 nodes = thread.policy.nodes;
  if ((flags & kAllowed) != 0) {
    if ((flags & (kNode | kAddress)) != 0) {
      return -kEINVAL;
    }
    policy = 0;
    nodes = kNodes;
  } else if ((flags & kAddress) != 0) {
    if (!Mapped(address)) {
      return -kEFAULT;
    }
    policy = (flags & kNode) != 0 ? 0 : policy;
  } else if (address != 0) {
    return -kEINVAL;
  } else if ((flags & kNode) != 0) {
    if ((thread.policy.mode & ~kModeFlags) != kInterleave) {
      return -kEINVAL;
    }
    policy = 0;
  }
  if (mode != 0 && !WriteUser(mode, policy)) {
    return -kEFAULT;
  }
  const U64 bytes = bits > 1 ? (bits - 1 + kWordBits - 1) / kWordBits * 8 : 0;
  if (mask == 0 || bytes == 0) {
    return 0;
  }
  if (bytes > abi::kPageSize) {
    return -kEINVAL;
  }
  return WriteUser(mask, nodes) && (bytes == 8 || ZeroOut(mask + 8, bytes - 8)) ? 0 : -kEFAULT;
}

Reply SetMempolicy(Thread& thread, I32 mode, Address mask, U64 bits) {
  MemoryPolicy policy;
  const std::int64_t error = ReadPolicy(static_cast<U32>(mode), mask, bits, &policy);
  thread.policy = error == 0 ? policy : thread.policy;
  return error;
}

Reply Mbind(Thread&, Address start, U64 size, U64 mode, Address mask, U64 bits, U32 flags) {
  MemoryPolicy policy;
  if ((flags & ~(kStrict | kMove | kMoveAll)) != 0 || mode > ~0u) {
    return -kEINVAL;
  }
  if (const std::int64_t error = ReadPolicy(static_cast<U32>(mode), mask, bits, &policy)) {
    return error;
  }
  const U64 end = start + (size + abi::kPageSize - 1) / abi::kPageSize * abi::kPageSize;
  if (start % abi::kPageSize != 0 || end < start) {
    return -kEINVAL;
  }
  return end == start || (Mapped(start) && Mapped(end - 1)) ? 0 : -kEFAULT;
}

Reply MigratePages(Thread&, I32 pid, U64 bits, Address from, Address to) {
  U64 nodes = 0;
  if (const std::int64_t error = ReadNodes(from, bits, &nodes)) {
    return error;
  }
  if (const std::int64_t error = ReadNodes(to, bits, &nodes)) {
    return error;
  }
  if (pid != 0 && !Exists(pid)) {
    return -kESRCH;
  }
  return (nodes & ~kNodes) != 0 || nodes == 0 ? -kEINVAL : 0;
}

// Of this process's own memory: where each page is, which is where it stays.
Reply MovePages(Thread& thread, I32 pid, U64 count, Address pages, Address nodes, Address status,
                U32 flags) {
  if ((flags & ~(kMove | kMoveAll)) != 0) {
    return -kEINVAL;
  }
  if (pid != 0 && pid != thread.task->pid) {
    return Exists(pid) ? -kEPERM : -kESRCH;
  }
  for (U64 i = 0; i < count; ++i) {
    Address page = 0;
    I32 node = 0;
    if (!ReadUser(&page, pages + i * sizeof(page)) ||
        (nodes != 0 && !ReadUser(&node, nodes + i * sizeof(node)))) {
      return -kEFAULT;
    }
    if (node != 0) {
      return -kENODEV;
    }
    const I32 answer = Mapped(page) ? 0 : -kEFAULT;
    if (!WriteUser(status + i * sizeof(answer), answer)) {
      return -kEFAULT;
    }
  }
  return 0;
}

}  // namespace k42::personality::calls
