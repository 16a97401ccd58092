// The frame a signal handler finds on its stack, and the way back from it: Linux's layout exactly,
// with the vector state, because programs and unwinders read and change it.
//
//   higher   magic2
//            XSAVE image (64-byte aligned); its FXSAVE part's software bytes say how long it is
//            LinuxSignalFrame: return address, ucontext, siginfo
//   lower    <- RSP, 8 below a multiple of 16, as after a call
#include <cstring>

#include "user/linux/signals.h"
#include "user/linux/task.h"
#include "user/linux/user_memory.h"
#include "user/linux/vector_state.h"

namespace k42::personality {
namespace {

constexpr std::uint64_t kRedZone = 128;
constexpr std::size_t kFxSaveBytes = 512;
constexpr std::uint16_t kLinuxCs = 0x33, kLinuxSs = 0x2b;
constexpr std::uint64_t kFlagsCleared = 0x10500;     // RF DF TF
constexpr std::uint64_t kFlagsRestorable = 0x50dd5;  // AC OF DF TF SF ZF AF PF CF RF

// Precondition: *context is zero.
void FillContext(const Thread& thread, LinuxSigContext* context) {
  const abi::UserState& regs = thread.regs;
  context->r8 = regs.r8;
  context->r9 = regs.r9;
  context->r10 = regs.r10;
  context->r11 = regs.r11;
  context->r12 = regs.r12;
  context->r13 = regs.r13;
  context->r14 = regs.r14;
  context->r15 = regs.r15;
  context->rdi = regs.rdi;
  context->rsi = regs.rsi;
  context->rbp = regs.rbp;
  context->rbx = regs.rbx;
  context->rdx = regs.rdx;
  context->rax = regs.rax;
  context->rcx = regs.rcx;
  context->rsp = regs.rsp;
  context->rip = regs.rip;
  context->rflags = regs.rflags;
  if (thread.fast_leave) {  // as after a system call
    context->rcx = regs.rip;
    context->r11 = regs.rflags;
  }
  context->cs = kLinuxCs;
  context->ss = kLinuxSs;
  context->error = thread.trap_error;
  context->trap_number = thread.trap_number;
  context->cr2 = thread.trap_address;
}

void TakeContext(const LinuxSigContext& context, Thread* thread) {
  abi::UserState& regs = thread->regs;
  regs.r8 = context.r8;
  regs.r9 = context.r9;
  regs.r10 = context.r10;
  regs.r11 = context.r11;
  regs.r12 = context.r12;
  regs.r13 = context.r13;
  regs.r14 = context.r14;
  regs.r15 = context.r15;
  regs.rdi = context.rdi;
  regs.rsi = context.rsi;
  regs.rbp = context.rbp;
  regs.rbx = context.rbx;
  regs.rdx = context.rdx;
  regs.rax = context.rax;
  regs.rcx = context.rcx;
  regs.rsp = context.rsp;
  regs.rip = context.rip;
  regs.rflags = (regs.rflags & ~kFlagsRestorable) | (context.rflags & kFlagsRestorable);
}

// Writes the vector state ending below `top`; its address, 0 if that memory is not there.
std::uint64_t PushVectorState(Thread& thread, std::uint64_t top) {
  StoreVectorState(&thread);
  const std::uint32_t size = VectorStateBytes();
  const std::uint64_t at = (top - size - sizeof(kFpMagic2)) & ~63ull;
  LinuxFpSoftware software{};
  software.magic1 = kFpMagic1;
  software.extended_size = size + sizeof(kFpMagic2);
  software.features = size > 576 ? 7 : 3;
  software.state_size = size;
  std::memcpy(thread.vector + kFpSoftwareOffset, &software, sizeof(software));
  const bool ok = CopyOut(at, thread.vector, size) && WriteUser(at + size, kFpMagic2);
  std::memset(thread.vector + kFpSoftwareOffset, 0, sizeof(software));
  return ok ? at : 0;
}

bool PopVectorState(Thread& thread, std::uint64_t address) {
  if (address == 0) {
    InitialVectorState(&thread);
    return true;
  }
  LinuxFpSoftware software;
  if (!ReadUser(&software, address + kFpSoftwareOffset)) {
    return false;
  }
  const std::uint32_t size = VectorStateBytes();
  std::uint32_t magic2 = 0;
  const bool extended = software.magic1 == kFpMagic1 && software.state_size == size &&
                        ReadUser(&magic2, address + size) && magic2 == kFpMagic2;
  // Straight to where it belongs: the state that is there was the handler's, and is of no use any
  // more.
  VectorStateChanged(&thread);
  if (!extended) {
    std::memset(thread.vector + kFxSaveBytes, 0, sizeof(thread.vector) - kFxSaveBytes);
    thread.vector[kFxSaveBytes] = 3;  // the FXSAVE part only: x87 and SSE
  }
  const bool ok = CopyIn(thread.vector, address, extended ? size : kFxSaveBytes);
  std::memset(thread.vector + kFpSoftwareOffset, 0, sizeof(software));
  if (!ok || !SanitizeVectorState(thread.vector)) {
    InitialVectorState(&thread);
    return false;
  }
  return true;
}

}  // namespace

bool OnAlternateStack(const LinuxStack& stack, std::uint64_t stack_pointer) {
  return (stack.flags & kSsAutoDisarm) == 0 && stack.size != 0 && stack_pointer > stack.base &&
         stack_pointer - stack.base <= stack.size;
}

bool PushSignalFrame(Thread& thread, const LinuxSigInfo& info, const LinuxSignalAction& action) {
  if (!(action.flags & kSaRestorer)) {
    return false;
  }
  ThreadSignals& signals = thread.signals;
  std::uint64_t stack = thread.regs.rsp - kRedZone;
  if ((action.flags & kSaOnStack) && signals.alternate.size != 0 &&
      !OnAlternateStack(signals.alternate, thread.regs.rsp)) {
    stack = signals.alternate.base + signals.alternate.size;
  }
  LinuxSignalFrame frame{};
  frame.return_address = action.restorer;
  frame.ucontext.flags = kUcFpXState | kUcSigContextSs | kUcStrictRestoreSs;
  frame.ucontext.stack = signals.alternate;
  if (signals.alternate.size == 0) {
    frame.ucontext.stack.flags = kSsDisable;
  }
  FillContext(thread, &frame.ucontext.context);
  frame.ucontext.mask = (signals.restore_saved_mask ? signals.saved_mask : signals.mask).bits();
  frame.ucontext.context.old_mask = frame.ucontext.mask;
  frame.info = info;
  const std::uint64_t vector = PushVectorState(thread, stack);
  if (vector == 0) {
    return false;
  }
  frame.ucontext.context.fpstate = vector;
  const std::uint64_t at = ((vector - sizeof(frame)) & ~15ull) - 8;
  if (!WriteUser(at, frame)) {
    return false;
  }
  signals.restore_saved_mask = false;
  if (signals.alternate.flags & kSsAutoDisarm) {
    signals.alternate = {0, kSsDisable, 0, 0};
  }
  abi::UserState& regs = thread.regs;
  regs.rdi = static_cast<std::uint64_t>(info.signo);
  regs.rsi = at + offsetof(LinuxSignalFrame, info);
  regs.rdx = at + offsetof(LinuxSignalFrame, ucontext);
  regs.rax = 0;
  regs.rip = action.handler;
  regs.rsp = at;
  regs.rflags &= ~kFlagsCleared;
  thread.fast_leave = 0;
  InitialVectorState(&thread);
  return true;
}

bool PopSignalFrame(Thread& thread) {
  LinuxSignalFrame frame;
  const std::uint64_t at = thread.regs.rsp - sizeof(frame.return_address);
  if (!ReadUser(&frame, at)) {
    return false;
  }
  if (!PopVectorState(thread, frame.ucontext.context.fpstate)) {
    return false;
  }
  TakeContext(frame.ucontext.context, &thread);
  SetSignalMask(thread, SignalSet(frame.ucontext.mask));
  thread.signals.alternate = frame.ucontext.stack;
  thread.fast_leave = 0;
  return true;
}

}  // namespace k42::personality
