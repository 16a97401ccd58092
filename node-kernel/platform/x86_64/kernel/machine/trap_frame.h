// What trap entry code leaves on the kernel stack, lowest address first. The syscall entry builds
// the same frame, so that one exit path serves both. A frame from user space lies at the very top
// of the stack of the thread that serves it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::machine {

struct TrapFrame {
  std::uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  std::uint64_t vector;      // kSyscallVector for a syscall
  std::uint64_t error_code;  // zero where the hardware gives none
  // Pushed by the hardware.
  std::uint64_t rip, cs, rflags, rsp, ss;

  bool from_user() const { return (cs & 3) != 0; }
};
static_assert(sizeof(TrapFrame) == 22 * 8 && sizeof(TrapFrame) % 16 == 0);
static_assert(offsetof(TrapFrame, vector) == 15 * 8);
static_assert(offsetof(TrapFrame, rip) == 17 * 8);

inline constexpr std::uint64_t kSyscallVector = 256;

inline constexpr std::uint64_t kVectorDebug = 1;
inline constexpr std::uint64_t kVectorNmi = 2;
inline constexpr std::uint64_t kVectorBreakpoint = 3;
inline constexpr std::uint64_t kVectorDoubleFault = 8;
inline constexpr std::uint64_t kVectorGeneralProtection = 13;
inline constexpr std::uint64_t kVectorPageFault = 14;
inline constexpr std::uint64_t kVectorMachineCheck = 18;

// Page-fault error code.
inline constexpr std::uint64_t kFaultPresent = 1;
inline constexpr std::uint64_t kFaultWrite = 2;
inline constexpr std::uint64_t kFaultUser = 4;
inline constexpr std::uint64_t kFaultReserved = 8;
inline constexpr std::uint64_t kFaultFetch = 16;

// Segment selectors; the order is what syscall/sysret demand.
inline constexpr std::uint16_t kKernelCode = 0x08;
inline constexpr std::uint16_t kKernelData = 0x10;
inline constexpr std::uint16_t kUserData = 0x18 | 3;
inline constexpr std::uint16_t kUserCode = 0x20 | 3;
inline constexpr std::uint16_t kTaskState = 0x28;

}  // namespace k42::machine
