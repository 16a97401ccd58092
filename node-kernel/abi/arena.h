// The fabric arena: the part of a node's memory that its daemon, and through it other nodes, reach.
//
// It is a memory backend of its own (never the node's RAM: one remote key over RAM would be the
// whole kernel). Kernel and daemon find each other through it, and everything a new daemon must
// know after its predecessor died is in it, because the daemon keeps no state of a link anywhere
// else.
//
// Layout, fixed by (arena size, CPU count) alone, see arena_layout.h:
//
//   ArenaHeader      one page, written by the kernel only
//   DaemonHeader     one page, written by the daemon only
//   ChunkEntry[]     kernel: what each chunk of the data area is used for (unit of registration)
//   WindowEntry[]    kernel: ranges that peers may reach, and how
//   Operation[]      64 per CPU: everything asked of the fabric and not yet ended
//   submit rings     one per CPU, kernel -> daemon: numbers of operations (link_ring.h)
//   receive rings    one per CPU, daemon -> kernel: messages, completions, notifications
//   data area        message buffers, streams' rings, records of global objects, in chunks
//   (top 140 KiB)    untouched: the firmware keeps the ACPI tables at the top of low memory
//
// Rules of both sides (the other one may be broken, not only absent):
//   - a word has one writer; nobody reads back as truth what the other side can write;
//   - a word of the other side is loaded once, then checked, then used;
//   - offsets in the header are for people and tools: a side computes the layout itself and only
//     compares; a length or index outside its bounds ends the link (kCorrupt), never an access.
//
// Life of a link:
//   kernel  kUnformatted -> kFormatted (release store of `state`, then the device is started and
//           queue 0 kicked) -> kStopping
//   daemon  kAbsent -> kAttached (has the arena, has checked the header) -> kUp (has identity and
//           lease; the kernel may submit) -> kDetached (left in order) ; a killed daemon leaves its
//           last state standing, and the next one takes over with generation + 1.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace k42::abi {

inline constexpr std::uint64_t kArenaMagic = 0x414e'4552'4132'344b;   // "K42ARENA"
inline constexpr std::uint64_t kDaemonMagic = 0x4e4d'4541'4432'344b;  // "K42DAEMN"
inline constexpr std::uint32_t kArenaVersion = 1;

inline constexpr std::uint64_t kArenaPage = 4096;
inline constexpr std::uint64_t kArenaTopReserve = 140 * 1024;
// A multiple of kChunkSize: the memory that a firmware reports ends below its tables, and is
// rounded up.
inline constexpr std::uint64_t kArenaMinimum = 4ull << 20;
inline constexpr std::uint64_t kArenaMaximum = 1ull << 40;
inline constexpr std::uint32_t kArenaMaxCpus = 64;
inline constexpr std::uint64_t kChunkSize = 1ull << 20;
inline constexpr std::uint32_t kMaxWindows = 1024;
inline constexpr std::uint32_t kOperationsPerCpu = 64;
inline constexpr std::uint32_t kCacheLine = 64;

enum class KernelState : std::uint32_t { kUnformatted = 0, kFormatted = 1, kStopping = 2 };

struct ArenaHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t header_size;
  std::uint64_t arena_size;  // all of the backend, the untouched top included
  std::uint32_t cpu_count;
  std::atomic<KernelState> state;
  std::uint64_t chunks, windows, operations, submit_rings, receive_rings, data;  // offsets
  std::uint8_t boot_id[16];  // random, of this life of the kernel

  alignas(kCacheLine) std::atomic<std::uint64_t> heartbeat;  // the kernel's monotonic ns, rewritten
                                                             // at least every kHeartbeatPeriodNs
  std::atomic<std::uint64_t> installed_epoch;  // revision of the view the kernel works by
  std::atomic<std::uint32_t> generation_seen;  // of the daemon; written after the kernel resynced
  std::atomic<std::uint32_t> panicked;         // 1: this life is over
};
static_assert(sizeof(ArenaHeader) <= kArenaPage);
static_assert(offsetof(ArenaHeader, state) == 28);

inline constexpr std::uint64_t kHeartbeatPeriodNs = 250'000'000;

enum class DaemonState : std::uint32_t { kAbsent = 0, kAttached = 1, kUp = 2, kDetached = 3 };

// A neighbour's process that was given the arena, and may have it mapped. For the next daemon,
// which has no other way to know whom a window must be wrested from.
struct ArenaHolder {
  std::atomic<std::uint32_t> state;  // 0: free; kHolderGiven, kHolderSpoke
  std::uint32_t process;             // of this host
  std::uint64_t started;             // when, in clock ticks since the host's boot
};
static_assert(sizeof(ArenaHolder) == 16);
inline constexpr std::uint32_t kHolderGiven = 1;  // the descriptor is on its way
inline constexpr std::uint32_t kHolderSpoke = 2;  // and has arrived: something came back since
inline constexpr std::uint32_t kMaxHolders = 192;

struct DaemonHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::atomic<DaemonState> state;
  std::atomic<std::uint32_t> generation;  // of the daemon, below the incarnation; from 1
  std::uint32_t node_id;                  // from 1
  std::uint64_t incarnation;              // of the node; 0 until the cluster has granted one
  std::uint64_t lease_id;                 // in the store; the next daemon keeps it alive
  std::uint64_t cluster_id;               // hash of the cluster's name
  std::uint8_t secret[32];                // this incarnation's, for the handshake with peers

  // Until when (kernel's monotonic clock) the node's lease is known to be valid. 0: no authority.
  // Computed from the kernel's own heartbeat word, so that a difference of the clocks can only make
  // it earlier; zeroed by the daemon when it sees the guest paused.
  alignas(kCacheLine) std::atomic<std::uint64_t> authority_deadline;
  std::atomic<std::uint64_t> view_epoch;        // newest view handed to the kernel
  std::atomic<std::uint64_t> daemon_heartbeat;  // daemon's monotonic ns

  alignas(kCacheLine) ArenaHolder holders[kMaxHolders];
};
static_assert(sizeof(DaemonHeader) <= kArenaPage);

// What a chunk is used for. Registration with a NIC goes by chunk and follows the use.
enum class ChunkUse : std::uint32_t {
  kFree = 0,
  kMessage = 1,      // buffers of operations; never reachable from outside
  kWindow = 2,       // windows may be cut from it
  kStream = 3,       // rings of fabric streams: windows for one peer each
  kQuarantined = 4,  // a removed incarnation on this host may still have it mapped
};

struct ChunkEntry {
  std::atomic<ChunkUse> use;
  std::uint32_t reserved;
  std::uint64_t lent_incarnation;  // kQuarantined: whose end is awaited
};
static_assert(sizeof(ChunkEntry) == 16);

enum WindowAccess : std::uint32_t {
  kAccessRead = 1u << 0,
  kAccessWrite = 1u << 1,
  kAccessAtomic = 1u << 2,
  kAccessAll = kAccessRead | kAccessWrite | kAccessAtomic,
};

// A window is open while its generation is odd. The kernel opens it: fields first, then generation
// + 1 (release); and revokes it: generation + 1, then a kRevokeWindow operation, whose completion
// says that no transfer into it is under way any more.
struct alignas(kCacheLine) WindowEntry {
  std::atomic<std::uint32_t> generation;
  std::uint32_t access;
  std::uint64_t offset;  // in the arena
  std::uint64_t size;
  std::uint32_t peer_node;  // 0: every member of the view
  std::uint32_t reserved;
  std::uint64_t peer_incarnation;  // with peer_node
};
static_assert(sizeof(WindowEntry) == 64);

// How a peer names a window: index and generation, so that a stale name misses.
using WindowId = std::uint64_t;
constexpr WindowId MakeWindowId(std::uint32_t index, std::uint32_t generation) {
  return std::uint64_t{generation} << 32 | index;
}
constexpr std::uint32_t WindowIndex(WindowId id) {
  return static_cast<std::uint32_t>(id);
}
constexpr std::uint32_t WindowGeneration(WindowId id) {
  return static_cast<std::uint32_t>(id >> 32);
}

}  // namespace k42::abi
