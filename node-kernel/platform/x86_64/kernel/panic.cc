#include "panic.h"

#include <atomic>

#include "backtrace.h"
#include "base/assert.h"
#include "console.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/log.h"
#include "machine/power.h"
#include "machine/thread.h"
#include "nmi.h"

namespace k42::machine {
namespace {

constexpr CpuId kNobody = ~0u;
constinit std::atomic<CpuId> panicking{kNobody};
using PanicHook = void (*)();
constinit PanicHook panic_hook = nullptr;

}  // namespace

void BeginPanic() {
  DisableInterrupts();
  CpuId expected = kNobody;
  if (!panicking.compare_exchange_strong(expected, CurrentCpu())) {
    if (expected == CurrentCpu()) {
      WriteConsole("panic inside a panic\n");
      PowerOff(ExitCode::kPanic);
    }
    for (;;) {
      asm volatile("hlt");  // somebody else is telling the story
    }
  }
  StopOtherCpus();
  BreakConsoleLock(true);
}

void PrintRegisters(const TrapFrame& f) {
  Log("  rip {x16} rsp {x16} rflags {x} cs {x} error {x}", f.rip, f.rsp, f.rflags, f.cs,
      f.error_code);
  Log("  rax {x16} rbx {x16} rcx {x16} rdx {x16}", f.rax, f.rbx, f.rcx, f.rdx);
  Log("  rsi {x16} rdi {x16} rbp {x16} r8  {x16}", f.rsi, f.rdi, f.rbp, f.r8);
  Log("  r9  {x16} r10 {x16} r11 {x16} r12 {x16}", f.r9, f.r10, f.r11, f.r12);
  Log("  r13 {x16} r14 {x16} r15 {x16}", f.r13, f.r14, f.r15);
}

void SetPanicHook(void (*hook)()) {
  panic_hook = hook;
}

void FinishPanic() {
  Thread* thread = Thread::Current();
  Log("on CPU {}, thread {}", CurrentCpu(), thread != nullptr ? thread->name() : "(none yet)");
  if (panic_hook != nullptr) {
    panic_hook();
  }
  PowerOff(ExitCode::kPanic);
}

namespace detail {

void PanicLine(std::string_view format, std::span<const FormatArg> args) {
  BeginPanic();
  char message[400];
  const std::size_t size = FormatArgs(message, format, args);
  Log("PANIC: {}", std::string_view(message, size < sizeof(message) ? size : sizeof(message)));
  PrintBacktrace(0, reinterpret_cast<std::uint64_t>(__builtin_frame_address(0)));
  FinishPanic();
}

}  // namespace detail
}  // namespace k42::machine

namespace k42::detail {

void AssertFailed(const char* condition, const char* why, const char* file, int line) {
  machine::Panic("{}:{}: {} does not hold: {}", file, line, condition, why);
}

}  // namespace k42::detail
