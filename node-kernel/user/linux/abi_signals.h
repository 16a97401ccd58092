// Signals as Linux x86-64 lays them out in memory: numbers, actions, siginfo, the stack frame.
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::personality {

enum Signal : int {
  kSIGHUP = 1,
  kSIGINT,
  kSIGQUIT,
  kSIGILL,
  kSIGTRAP,
  kSIGABRT,
  kSIGBUS,
  kSIGFPE,
  kSIGKILL,
  kSIGUSR1,
  kSIGSEGV,
  kSIGUSR2,
  kSIGPIPE,
  kSIGALRM,
  kSIGTERM,
  kSIGSTKFLT,
  kSIGCHLD,
  kSIGCONT,
  kSIGSTOP,
  kSIGTSTP,
  kSIGTTIN,
  kSIGTTOU,
  kSIGURG,
  kSIGXCPU,
  kSIGXFSZ,
  kSIGVTALRM,
  kSIGPROF,
  kSIGWINCH,
  kSIGIO,
  kSIGPWR,
  kSIGSYS,
  kSIGRTMIN,
};

inline constexpr std::uint64_t kSigDefault = 0, kSigIgnore = 1;

// SignalActionFlag.
inline constexpr std::uint64_t kSaNoChildStop = 1, kSaNoChildWait = 2, kSaSigInfo = 4,
                               kSaRestorer = 0x04000000, kSaOnStack = 0x08000000,
                               kSaRestart = 0x10000000, kSaNoDefer = 0x40000000,
                               kSaResetHand = 0x80000000;

struct LinuxSignalAction {
  std::uint64_t handler;
  std::uint64_t flags;
  std::uint64_t restorer;
  std::uint64_t mask;
};
static_assert(sizeof(LinuxSignalAction) == 32);

// SignalCode.
inline constexpr std::int32_t kSiUser = 0, kSiKernel = 0x80, kSiQueue = -1, kSiTimer = -2,
                              kSiTkill = -6, kIllIllegalOperand = 2, kFpeIntDivide = 1,
                              kFpeDivide = 3, kFpeOverflow = 4, kFpeUnderflow = 5, kFpeInexact = 6,
                              kFpeInvalid = 7, kSegvMapError = 1, kSegvAccessError = 2,
                              kBusAlignment = 1, kBusAddressError = 2, kTrapBreakpoint = 1,
                              kTrapTrace = 2, kChildExited = 1, kChildKilled = 2, kChildDumped = 3,
                              kChildStopped = 5, kChildContinued = 6, kPollIn = 1;

struct LinuxSigInfo {
  std::int32_t signo;
  std::int32_t error;
  std::int32_t code;
  std::int32_t pad0;
  union {
    struct {
      std::int32_t pid;
      std::uint32_t uid;
      std::uint64_t value;
    } sender;
    struct {
      std::int32_t pid;
      std::uint32_t uid;
      std::int32_t status;
      std::int32_t pad;
      std::int64_t utime;
      std::int64_t stime;
    } child;
    struct {
      std::uint64_t address;
    } fault;
    struct {
      std::int32_t id;
      std::int32_t overrun;
      std::uint64_t value;
    } timer;
    unsigned char bytes[112];
  };
};
static_assert(sizeof(LinuxSigInfo) == 128);

struct LinuxStack {  // stack_t
  std::uint64_t base;
  std::int32_t flags;
  std::int32_t pad;
  std::uint64_t size;
};
static_assert(sizeof(LinuxStack) == 24);
// StackFlag.
inline constexpr std::int32_t kSsOnStack = 1, kSsDisable = 2, kSsAutoDisarm = INT32_MIN;
inline constexpr std::uint64_t kMinimumSignalStack = 2048;

struct LinuxSigContext {
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  std::uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
  std::uint16_t cs, gs, fs, ss;
  std::uint64_t error, trap_number, old_mask, cr2;
  std::uint64_t fpstate;
  std::uint64_t reserved[8];
};
static_assert(sizeof(LinuxSigContext) == 256);

struct LinuxUContext {
  std::uint64_t flags;
  std::uint64_t link;
  LinuxStack stack;
  LinuxSigContext context;
  std::uint64_t mask;
};
// UContextFlag.
inline constexpr std::uint64_t kUcFpXState = 1, kUcSigContextSs = 2, kUcStrictRestoreSs = 4;

struct LinuxSignalFrame {
  std::uint64_t return_address;  // the restorer
  LinuxUContext ucontext;
  LinuxSigInfo info;
};
static_assert(offsetof(LinuxSignalFrame, ucontext) == 8);

// The software bytes of the frame's FXSAVE area: where the extended state ends.
struct LinuxFpSoftware {
  std::uint32_t magic1;
  std::uint32_t extended_size;
  std::uint64_t features;
  std::uint32_t state_size;
  std::uint32_t padding[7];
};
static_assert(sizeof(LinuxFpSoftware) == 48);
inline constexpr std::size_t kFpSoftwareOffset = 464;
inline constexpr std::uint32_t kFpMagic1 = 0x46505853, kFpMagic2 = 0x46505845;

}  // namespace k42::personality
