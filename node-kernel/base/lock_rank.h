// The order in which locks may be taken: one list for the whole system.
//
// A lock may be taken only while every lock held by this thread has a lower rank. So the list reads
// from the outermost lock to the innermost. A lock's rank is a template argument: a lock without a
// place in this list cannot be declared. Debug builds and the hosted build check every acquisition.
//
// Add a line where your lock belongs, with the object it guards. Objects drop their locks before
// they call another object; ranks are for the few places where two are really held at once.
#pragma once

#include <cstdint>

namespace k42 {

enum class LockRank : std::uint8_t {
  // -- blocking locks (machine/mutex.h), outermost first --
  kModule = 10,   // module load, upgrade steps
  kHotSwap = 14,  // mediators
  kProcess = 20,  // a process: regions, dispatchers, handles
  kHandleTable = 22,
  kPosition = 23,   // fs: the position of one open file
  kNameSpace = 24,  // fs: mounts, directories
  kDirectory = 26,
  kFileLeases = 27,    // fs: who holds one file in its own memory
  kFile = 28,          // fs: one file's attributes and contents
  kStreamReader = 29,  // io: who reads a stream, while bytes are copied out
  kStream = 30,        // io: pipes, sockets, terminals
  kRegion = 34,        // mem: a region of an address space
  kMemoryObject = 36,  // mem: FCM
  kAddressSpace = 38,  // mem: HAT
  kPageManager = 40,
  kDevice = 44,
  kFileLocks = 45,    // fs: advisory locks of one file; a leaf
  kSocketNames = 46,  // io: names and ports of the node's sockets; a leaf
  kEntryShape = 47,   // fs: parents and names of entries; a leaf
  kGlobalObject = 48,
  kMutexTest = 60,

  // -- spin locks (machine/spin_lock.h), outermost first --
  kRoot = 100,  // cobj: one root's reps
  kReferenceTable = 104,
  kTasks = 106,    // proc: numbers, parents, groups, sessions, pending signals
  kHandles = 112,  // ipc: one process's handle table
  kFactory = 108,
  kNode = 113,       // fs: attributes of one file
  kNameTable = 114,  // fs: one bucket of the table of names
  kKeptNames = 116,  // fs: which entries the table of names keeps
  kScheduler = 120,
  kWaitQueue = 124,  // a list of waiters inside an object
  kCalls = 125,      // ipc: protected calls that wait for one server
  kTicket = 126,
  kDeviceQueue = 128,    // drivers: rings shared with a device
  kMutexQueue = 130,     // inside machine::Mutex
  kTraceBuffers = 132,   // proc: the buffers that programs record into
  kVector = 134,         // interrupt vector allocation
  kRegionList = 135,     // mem: regions of one address space
  kFileCache = 136,      // mem: pages of one file
  kPrivateMemory = 138,  // mem: pages of one private memory, inside the file it is a view of
  kPageLists = 139,      // mem: which caches the page manager knows
  kKernelSpace = 140,    // mem: ranges of kernel virtual memory
  kFabricArena = 146,    // global: chunks and windows of the arena
  kPageTable = 148,
  kKernelTables = 149,  // platform: page tables of the kernel's half; take frames
  kHeapRecords = 150,   // mem: what the debug heap knows of blocks
  kUntouched = 151,     // mem: chunks whose descriptors are not made yet
  kFrames = 152,        // mem: frame allocator
  kThreadStacks = 156,  // platform: stack slots
  kSpinTest = 190,
  kLog = 250,  // innermost: any code may log
};

// Blocking locks that order whole operations on one thing, and are therefore held while other
// objects are called: a short list, because each is a reason why a call may wait for a stranger's
// call. Everything else is dropped before a call.
constexpr bool MayBeHeldAcrossCalls(LockRank rank) {
  return rank == LockRank::kModule || rank == LockRank::kPosition ||
         rank == LockRank::kStreamReader;  // one transfer at a time on a file's position, a
                                           // stream's end
}

}  // namespace k42
