// System calls of the host, for running the personality over it. See README.md.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace k42::host {

inline long Call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                 long f = 0) {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
long Word(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

Status StatusOf(long result);

inline constexpr long kRead = 0, kWrite = 1, kClose = 3, kFstat = 5, kPoll = 7, kLseek = 8,
                      kMmap = 9, kMprotect = 10, kMunmap = 11, kSigaction = 13, kSigprocmask = 14,
                      kIoctl = 16, kPread = 17, kPwrite = 18, kMremap = 25, kMsync = 26,
                      kMadvise = 28, kGetpid = 39, kSocket = 41, kConnect = 42, kSendto = 44,
                      kRecvfrom = 45, kShutdown = 48, kBind = 49, kListen = 50, kGetsockname = 51,
                      kGetpeername = 52, kSocketpair = 53, kSetsockopt = 54, kGetsockopt = 55,
                      kClone = 56, kExecve = 59, kKill = 62, kFcntl = 72, kFlock = 73, kFsync = 74,
                      kFtruncate = 77, kGetcwd = 79, kFchmod = 91, kFchown = 93, kGetrlimit = 97,
                      kGetuid = 102, kGetgid = 104, kSetpgid = 109, kGetppid = 110, kSetsid = 112,
                      kGetpgid = 121, kGetsid = 124, kSigaltstack = 131, kStatfs = 137,
                      kPrctl = 157, kArchPrctl = 158, kGetdents64 = 217, kTimerCreate = 222,
                      kTimerSettime = 223, kClockGettime = 228, kExitGroup = 231, kWaitid = 247,
                      kOpenat = 257, kMkdirat = 258, kMknodat = 259, kFchownat = 260,
                      kNewfstatat = 262, kUnlinkat = 263, kLinkat = 265, kSymlinkat = 266,
                      kReadlinkat = 267, kFchmodat = 268, kPpoll = 271, kUtimensat = 280,
                      kFallocate = 285, kAccept4 = 288, kEventfd2 = 290, kPipe2 = 293,
                      kProcessVmReadv = 310, kRenameat2 = 316, kGetrandom = 318, kMemfdCreate = 319,
                      kFaccessat2 = 439;

}  // namespace k42::host
