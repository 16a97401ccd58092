// How the platform calls those who serve user space. Registered once by boot/; calls go through
// plain function pointers, because the platform knows neither processes nor dispatchers.
#pragma once

#include <cstdint>

namespace k42::machine {

struct TrapFrame;

struct UserHooks {
  // A pool thread of this CPU has nothing else to do. Interrupts off. Either enters user mode (does
  // not return) or returns when this CPU has no dispatcher to run; the CPU then halts until an
  // interrupt. Must be called again after anything that could make a dispatcher runnable: whoever
  // does that from another CPU sends a CpuMessage, which ends the halt.
  void (*run_user)() = nullptr;

  // `syscall` with the native tag; a syscall without. Interrupts on.
  void (*native_call)(TrapFrame*) = nullptr;
  void (*linux_syscall)(TrapFrame*) = nullptr;

  // Exception from user code (not interrupts). `address`: CR2 for page faults. Interrupts on.
  void (*user_trap)(TrapFrame*, std::uint64_t address) = nullptr;

  // Page fault of kernel code on a user address (CopyIn, CopyOut): true if the access can be
  // retried, false to take the fix-up. Interrupts as the faulting code had them.
  bool (*kernel_page_fault)(TrapFrame*, std::uint64_t address) = nullptr;

  // A thread with a space (ThreadContext::space) goes on after others had the CPU: that space must
  // be current again. Interrupts off.
  void (*resume_space)(void* space) = nullptr;

  // Does the CPU belong to the user code that this thread serves? If others have run meanwhile, it
  // does not, and the thread goes to before_user at once: were it to let ready threads run first,
  // two such threads would let each other run for ever. Interrupts off.
  bool (*owns_cpu)() = nullptr;

  // On the way back to user code, after interrupt work and ready threads: the place to notice that
  // the running dispatcher shall be preempted or has an event. Interrupts off, before and after.
  // May call ReturnToLoop (after saving the frame) or change the frame.
  void (*before_user)(TrapFrame*) = [](TrapFrame*) {};

  // Debug kernels with injection (machine/stepped_range.h): the user code that this CPU is about to
  // go on with is told something, so that before_user makes an upcall of it. Interrupts off.
  void (*inject)() = nullptr;
};

void SetUserHooks(const UserHooks& hooks);

}  // namespace k42::machine
