// What a kernel and its own daemon say to each other beside the fabric's traffic: frames of kind
// kControl on channel kControl, `method` being one of these. Payloads are the structs below, then
// bytes.
#pragma once

#include <cstdint>

namespace k42::abi {

enum class ControlKind : std::uint32_t {
  // daemon -> kernel
  kView = 1,      // ViewHeader, then ViewMember[count]
  kExcluded = 2,  // this incarnation is over: text says why

  // A command that an operator runs on the node. `sequence` of the frame is its number, given by
  // the
  // daemon. Streams have credit: each side may send kRunWindow bytes beyond what the other has
  // acknowledged.
  kRunStart = 16,    // daemon: RunStart, then argv, env, cwd as zero-terminated strings
  kRunInput = 17,    // daemon: bytes of standard input; empty: end of file
  kRunSignal = 18,   // daemon: u32 signal number, to the process group
  kRunSize = 19,     // daemon: u32 rows, u32 columns of the terminal
  kRunAbandon = 20,  // daemon: nobody listens any more: kill the group
  kRunStarted = 24,  // kernel: RunStarted
  kRunOutput = 25,   // kernel: u32 stream (1 or 2), then bytes
  kRunExit = 26,     // kernel: u32 wait status; the end
  kRunCredit = 27,   // both: u32 stream (0, 1, 2), u32 bytes consumed

  // Classes taken to another version (abi/upgrade_control.h). `sequence` is the request's number.
  kUpgradeQuery = 48,  // daemon: nothing; 0: kUpgradeState answers, else the step's last word
  kUpgradeStep = 49,   // daemon: UpgradeStep; kUpgradeEnd answers, in the end
  kUpgradePiece = 50,  // daemon: u32 offset, then bytes of the module's file
  kUpgradeWant = 52,   // kernel: UpgradeWant: the next piece
  kUpgradeEnd = 53,    // kernel: UpgradeEnd, then a sentence
  kUpgradeState = 54,  // kernel: UpgradeState, then for each class UpgradeClass and its modules

  // kernel -> daemon
  kLoad = 32,  // LoadReport, about once a second

  // What is traced. `sequence` is the request's number, given by the daemon.
  kTraceMask = 57,   // daemon: names of classes, as trace::ParseMask takes them; none: only tell
  kTraceText = 60,   // kernel: the names of the classes that are on
  kTraceEnd = 61,    // kernel: i64 k42::Status
  kTraceClock = 76,  // daemon: what does your clock say?
  kTraceTime = 77,   // kernel: u64 cycle count

  // System calls that programs asked for in vain.
  kUnservedAsk = 72,   // daemon: nothing
  kUnservedTell = 73,  // kernel: a line for each: count, number, program; 0: calls without a line

  // Names and objects of the cluster (abi/link_names.h).
  kNameRequest = 40,    // kernel: NameRequest
  kNameAnswer = 41,     // daemon: NameAnswer
  kObjectRequest = 42,  // daemon: ObjectRequest
  kObjectAnswer = 43,   // kernel: ObjectAnswer
  kPingRequest = 44,    // daemon: PingRequest
  kPingAnswer = 45,     // kernel: PingAnswer

  // Sockets to hosts outside (abi/offload.h): 64..71.
  kOffloadSession = 64,  // daemon: OffloadSession
  kOffloadMessage = 65,  // both: OffloadHeader and payload, passed on as it is
};

struct ViewHeader {
  std::uint64_t epoch;
  std::uint32_t count;
  std::uint32_t reserved;
};
// Nodes are numbered from 1. A view is one message of a daemon to its kernel: 8 KiB less the
// headers hold 168 members.
inline constexpr std::uint32_t kMaxNode = 160;
struct ViewMember {
  std::uint32_t node;
  std::uint32_t reserved;
  std::uint64_t incarnation;
  std::uint8_t digest[32];  // of the classes it runs
};
static_assert(sizeof(ViewMember) == 48);

inline constexpr std::uint32_t kRunWindow = 32 * 1024;
inline constexpr std::uint32_t kRunPiece = 4096;

struct RunStart {
  std::uint32_t argument_count;
  std::uint32_t environment_count;
  std::uint32_t user;
  std::uint32_t group;
  std::uint32_t terminal;  // 0: pipes
  std::uint32_t rows;
  std::uint32_t columns;
  std::uint32_t reserved;
};

struct RunStarted {
  std::int64_t status;  // k42::Status
  std::uint64_t process;
};

struct LoadReport {
  std::uint32_t cpus;
  std::uint32_t runnable_x100;
  std::uint64_t memory_total;
  std::uint64_t memory_free;
};

}  // namespace k42::abi
