// Runs the personality image as an ordinary program of the host's Linux: the host stands in for the
// node kernel. A program's system calls raise SIGSYS (syscall user dispatch) and are reflected by
// the handler exactly as the kernel would; the image's own calls are exempt by their address.
#include <cstring>

#include "abi/process_start.h"
#include "tests/linux/host/host_calls.h"
#include "tests/linux/host/host_events.h"
#include "user/linux/entry.h"
#include "user/linux/kernel.h"
#include "user/linux/start.h"

extern "C" [[noreturn]] void image_entry(const k42::abi::ProcessStart* start);
extern "C" char image_end[];
// Behind the one native call of the entry assembly (kResume), which must reach our handler.
extern "C" char personality_leave_pending[];

namespace k42::host {
namespace {

struct SigInfo {
  int signo, error, code, pad;
  union {
    struct {
      int pid;
      unsigned uid;
      union {
        int status;
        unsigned long value;
      };
    };
    unsigned long address;
    unsigned char bytes[112];
  };
};
struct Context {
  unsigned long flags, link, stack[3];
  unsigned long r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip,
      rflags;
  unsigned short cs, gs, fs, ss;
  unsigned long error, trap, old_mask, cr2;
};
struct Action {
  void (*handler)(int, SigInfo*, Context*);
  unsigned long flags;
  void (*restorer)();
  unsigned long mask;
};

constexpr int kTimerSignal = 63;
constexpr int kSys = 31;
alignas(16) char signal_stack[64 * 1024];
unsigned char selector = 1;
int timer_id = -1;

abi::DispatcherPage* Page() {
  return reinterpret_cast<abi::DispatcherPage*>(abi::kDispatcherBase);
}

void Save(const Context& from, abi::UserState* to) {
  to->rax = from.rax;
  to->rbx = from.rbx;
  to->rcx = from.rcx;
  to->rdx = from.rdx;
  to->rsi = from.rsi;
  to->rdi = from.rdi;
  to->rbp = from.rbp;
  to->rsp = from.rsp;
  to->r8 = from.r8;
  to->r9 = from.r9;
  to->r10 = from.r10;
  to->r11 = from.r11;
  to->r12 = from.r12;
  to->r13 = from.r13;
  to->r14 = from.r14;
  to->r15 = from.r15;
  to->rip = from.rip;
  to->rflags = from.rflags;
  asm volatile("rdfsbase %0" : "=r"(to->fs_base));
}

// kResume: all registers at once.
void Load(const abi::UserState& from, Context* to) {
  to->rax = from.rax;
  to->rbx = from.rbx;
  to->rcx = from.rcx;
  to->rdx = from.rdx;
  to->rsi = from.rsi;
  to->rdi = from.rdi;
  to->rbp = from.rbp;
  to->rsp = from.rsp;
  to->r8 = from.r8;
  to->r9 = from.r9;
  to->r10 = from.r10;
  to->r11 = from.r11;
  to->r12 = from.r12;
  to->r13 = from.r13;
  to->r14 = from.r14;
  to->r15 = from.r15;
  to->rip = from.rip;
  to->rflags = from.rflags;
}

bool InLeave(unsigned long rip) {
  return rip >= reinterpret_cast<unsigned long>(&personality::personality_leave_begin) &&
         rip < reinterpret_cast<unsigned long>(personality::personality_leave_end);
}

void Interrupt(Context* context) {
  abi::DispatcherPage* page = Page();
  if (InLeave(context->rip)) {  // before or after `disabled` is cleared
    page->disabled = 1;
    context->rip = reinterpret_cast<unsigned long>(&personality::personality_leave_begin);
    return;
  }
  if (page->disabled) {
    return;
  }
  page->disabled = 1;
  Save(*context, &page->saved);
  page->saved_vector_valid = 0;
  context->rip = reinterpret_cast<unsigned long>(&personality::personality_run_entry);
}

void OnSignal(int signal, SigInfo* info, Context* context) {
  abi::DispatcherPage* page = Page();
  if (signal == kSys && info->code == 2 && context->rax >> 32 == abi::kNativeTag) {
    Load(*reinterpret_cast<const abi::UserState*>(context->rdi), context);
    page->disabled = 0;
    if (page->pending.load() != 0) {
      Interrupt(context);
    }
    return;
  }
  if (signal == kSys && info->code == 2) {
    page->syscall_rip = context->rip;
    page->disabled = 1;
    context->r11 = context->rflags;
    context->rip = reinterpret_cast<unsigned long>(&personality::personality_syscall_entry);
    return;
  }
  const bool fault = info->code > 0 && info->code != 0x80
                         ? signal == 11 || signal == 7 || signal == 4 || signal == 8 || signal == 5
                         : signal == 11 || signal == 5;
  if (fault && info->code != 0) {
    page->trap = {};
    page->trap.kind = context->trap == 14 ? abi::kTrapPageFault : abi::kTrapException;
    page->trap.vector = static_cast<std::uint32_t>(context->trap);
    page->trap.error_code = context->error;
    page->trap.address = context->cr2;
    page->trap.was_disabled = page->disabled;
    page->saved_vector_valid = 0;
    Save(*context, page->disabled ? &page->trapped : &page->saved);
    page->disabled = 1;
    context->rip = reinterpret_cast<unsigned long>(&personality::personality_trap_entry);
    return;
  }
  if (signal == kTimerSignal) {
    page->pending.fetch_or(abi::kEventTimer);
  } else {
    proc::SignalInfo posted{};
    posted.signal = static_cast<std::uint32_t>(signal);
    posted.code = info->code;
    posted.sender = static_cast<std::uint32_t>(info->pid);
    posted.sender_user = info->uid;
    posted.status = static_cast<std::uint32_t>(info->status);
    posted.value = signal == 17 ? 0 : info->value;
    PostSignal(posted);
    if (signal == 17) {
      FireChildTickets();
    }
    page->pending.fetch_or(abi::kEventSignal);
  }
  Interrupt(context);
}

extern "C" void host_restorer();
asm(".text\nhost_restorer: mov $15, %eax\n syscall\n");

}  // namespace

void Prepare() {
  Call(kArchPrctl, 0x1001, abi::kDispatcherBase);
  Page()->parent = static_cast<std::uint32_t>(Call(kGetppid));
  struct {
    void* base;
    int flags;
    unsigned long size;
  } stack{signal_stack, 0, sizeof(signal_stack)};
  Call(kSigaltstack, Word(&stack), 0);
  for (int signal = 1; signal <= 64; ++signal) {
    if (signal == 9 || signal == 19 || signal == 18 || signal == 20 || signal == 21 ||
        signal == 22) {
      continue;
    }
    const bool fault =
        signal == 11 || signal == 7 || signal == 4 || signal == 8 || signal == 5 || signal == kSys;
    Action action{OnSignal, 0x04000000 | 4 | 0x08000000 | (fault ? 0x40000000ul : 0), host_restorer,
                  ~0ul};
    Call(kSigaction, signal, Word(&action), 0, 8);
  }
  unsigned long none = 0;
  Call(kSigprocmask, 2, Word(&none), 0, 8);
  struct {
    unsigned long value;
    int signo, notify;
    int pad[12];
  } event{0, kTimerSignal, 0, {}};
  timer_id = -1;
  Call(kTimerCreate, 1, Word(&event), Word(&timer_id));
  // Everything outside the image is dispatched to us.
  Call(kPrctl, 59, 1, Word(personality_leave_pending), image_end - personality_leave_pending,
       Word(&selector));
}

void ArmHostTimer(std::uint64_t deadline_ns) {
  long setting[4] = {0, 0, static_cast<long>(deadline_ns / 1'000'000'000),
                     static_cast<long>(deadline_ns % 1'000'000'000)};
  Call(kTimerSettime, timer_id, 1, Word(setting), 0);
}

namespace {

char words[1 << 20];
kernel_handles_t handles;

[[noreturn]] void Start(long argc, char** argv) {
  Call(kMmap, abi::kDispatcherBase, abi::kDispatcherStride, 3, 0x100022, -1, 0);
  Page()->self = Page();
  Page()->disabled = 1;
  Prepare();
  static abi::ProcessStart start;
  start.magic = abi::kStartMagic;
  start.version = abi::kStartVersion;
  start.task = static_cast<std::uint32_t>(Call(kGetpid));
  start.kind = abi::kStartFirst;
  start.heap_begin = abi::kImageBase + 0x4000000;
  start.heap_end = abi::kPersonalityLimit;
  Call(kGetrandom, Word(start.random), sizeof(start.random), 0);
  if (argc == 3 && std::memcmp(argv[1], "--blob", 7) == 0) {
    int fd = 0;
    for (const char* c = argv[2]; *c; ++c) {
      fd = fd * 10 + (*c - '0');
    }
    unsigned long size = static_cast<unsigned long>(Call(kLseek, fd, 0, 2));
    start.blob = static_cast<std::uint64_t>(
        Call(kMmap, start.heap_begin - 0x400000, static_cast<long>(size), 3, 0x100002, fd, 0));
    start.blob_size = size;
    start.kind = abi::kStartReplace;
    Call(kClose, fd);
  } else {
    for (long i = 1; i < argc; ++i) {
      const std::size_t size = std::strlen(argv[i]) + 1;
      std::memcpy(words + start.blob_size, argv[i], size);
      start.blob_size += size;
    }
    start.blob = reinterpret_cast<std::uint64_t>(words);
    handles[0] = 16;
    handles[1] = 17;
    handles[2] = 18;
    start.handles = reinterpret_cast<std::uint64_t>(handles);
    start.handle_count = 3;
  }
  image_entry(&start);
}

extern "C" [[noreturn]] [[gnu::used]] void host_start(long* stack) {
  Start(stack[0], reinterpret_cast<char**>(stack + 1));
}
asm(".text\n.globl _start\n_start: mov %rsp, %rdi\n xor %ebp, %ebp\n and $-16, %rsp\n"
    " call host_start\n");

}  // namespace
}  // namespace k42::host
