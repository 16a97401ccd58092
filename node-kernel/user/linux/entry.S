// Entry to and exit from the personality, switching of threads, and access to the program's memory.
//
// %gs is the dispatcher page (abi/dispatcher_page.h) at every entry. Nothing here touches the
// program's stack, whose pointer may be anything.

// abi/native_call.h: kNativeTag, handle 0, DispatcherCall::kResume.
#define NATIVE_RESUME 0x4b34320000000003

#define PAGE_DISABLED 8
#define PAGE_PENDING 12
#define PAGE_SYSCALL_RIP 16
#define PAGE_THREAD 24
#define PAGE_STACK 32

// struct Thread
#define T_RAX 0
#define T_RBX 8
#define T_RCX 16
#define T_RDX 24
#define T_RSI 32
#define T_RDI 40
#define T_RBP 48
#define T_RSP 56
#define T_R8 64
#define T_R9 72
#define T_R10 80
#define T_R11 88
#define T_R12 96
#define T_R13 104
#define T_R14 112
#define T_R15 120
#define T_RIP 128
#define T_RFLAGS 136
#define T_FS 144
#define T_STACK_TOP 160
#define T_SWITCH_STACK 168
#define T_FAST_LEAVE 176

.macro FUNCTION name
  .global \name
  .type \name, @function
  .balign 16
\name:
.endm

.section .text.entry, "ax", @progbits

// The kernel reflects a Linux system call here: registers as the program had them, RCX lost,
// R11 = RFLAGS, return address in the page, disabled set.
FUNCTION personality_syscall_entry
  mov %gs:PAGE_THREAD, %rcx
  mov %rax, T_RAX(%rcx)
  mov %rbx, T_RBX(%rcx)
  mov %rdx, T_RDX(%rcx)
  mov %rsi, T_RSI(%rcx)
  mov %rdi, T_RDI(%rcx)
  mov %rbp, T_RBP(%rcx)
  mov %rsp, T_RSP(%rcx)
  mov %r8, T_R8(%rcx)
  mov %r9, T_R9(%rcx)
  mov %r10, T_R10(%rcx)
  mov %r11, T_R11(%rcx)
  mov %r11, T_RFLAGS(%rcx)
  mov %r12, T_R12(%rcx)
  mov %r13, T_R13(%rcx)
  mov %r14, T_R14(%rcx)
  mov %r15, T_R15(%rcx)
  mov %gs:PAGE_SYSCALL_RIP, %rax
  mov %rax, T_RIP(%rcx)
  mov %rax, T_RCX(%rcx)
  rdfsbase %rax
  mov %rax, T_FS(%rcx)
  mov T_STACK_TOP(%rcx), %rsp
  mov %rcx, %rdi
  xor %ebp, %ebp
  cld
  call SystemCallFromProgram
  ud2

// Upcall: the kernel stopped enabled code and stored its state in the page.
FUNCTION personality_run_entry
  mov %gs:PAGE_THREAD, %rdi
  mov T_STACK_TOP(%rdi), %rsp
  xor %ebp, %ebp
  cld
  call UpcallFromProgram
  ud2

// A trap: of the program (its thread's stack is free) or of the personality itself (it is not).
FUNCTION personality_trap_entry
  cld
  xor %ebp, %ebp
  mov %gs:PAGE_STACK, %rsp
  call TrapHitPersonality   // resumes the personality behind a failed access, or returns
  mov %gs:PAGE_THREAD, %rdi
  mov T_STACK_TOP(%rdi), %rsp
  call TrapFromProgram
  ud2

// ResumePersonality(UserState* trapped): continues disabled code at state->rip. Only for states
// stopped inside the access functions below, whose caller expects a plain function return.
FUNCTION ResumePersonality
  mov 8(%rdi), %rbx
  mov 48(%rdi), %rbp
  mov 56(%rdi), %rsp
  mov 96(%rdi), %r12
  mov 104(%rdi), %r13
  mov 112(%rdi), %r14
  mov 120(%rdi), %r15
  jmp *128(%rdi)

// The leave range. Restartable: it reads only the current thread's record and changes nothing that
// a second run needs. A stop between clearing `disabled` and the last jump is rewound to its start.
FUNCTION personality_leave_begin
  mov %gs:PAGE_THREAD, %rcx
  cmpl $0, %gs:PAGE_PENDING
  jne personality_leave_pending
  cmpq $0, T_FAST_LEAVE(%rcx)
  je personality_leave_by_kernel
  movl $0, %gs:PAGE_DISABLED
  mov T_RAX(%rcx), %rax
  mov T_RBX(%rcx), %rbx
  mov T_RDX(%rcx), %rdx
  mov T_RSI(%rcx), %rsi
  mov T_RDI(%rcx), %rdi
  mov T_RBP(%rcx), %rbp
  mov T_R8(%rcx), %r8
  mov T_R9(%rcx), %r9
  mov T_R10(%rcx), %r10
  mov T_R12(%rcx), %r12
  mov T_R13(%rcx), %r13
  mov T_R14(%rcx), %r14
  mov T_R15(%rcx), %r15
  // As sysret would: R11 = RFLAGS, RCX = return address.
  lea T_RFLAGS(%rcx), %rsp
  popfq
  mov T_RSP(%rcx), %rsp
  mov T_RFLAGS(%rcx), %r11
  mov T_RIP(%rcx), %rcx
  jmp *%rcx
  .global personality_leave_end
personality_leave_end:

// All registers at once: the kernel does it (kResume), and enables. An interrupt return could do it
// here but for QEMU 7.2, whose emulation reads an iret's frame with kernel rights even for user code,
// and so faults for ever where SMAP is on.
personality_leave_by_kernel:
  mov %rcx, %rdi            // struct Thread begins with a UserState
  movabs $NATIVE_RESUME, %rax
  syscall
  ud2                       // it returns only if it refuses the state, which is ours

  .global personality_leave_pending
personality_leave_pending:
  mov %rcx, %rdi
  mov T_STACK_TOP(%rdi), %rsp
  xor %ebp, %ebp
  cld
  call ReturnAfterEvent
  ud2

.section .text, "ax", @progbits

// Goes on where SwitchStacks left the thread.
.macro CONTINUE thread
  mov T_SWITCH_STACK(\thread), %rsp
  mov \thread, %gs:PAGE_THREAD
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.endm

// SwitchStacks(Thread* from, Thread* to)
FUNCTION SwitchStacks
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, T_SWITCH_STACK(%rdi)
  CONTINUE %rsi

// LeaveStack(Thread* to): the same, and nobody comes back to this stack.
FUNCTION LeaveStack
  CONTINUE %rdi

// SaveContext(std::uint64_t context[8]) answers 0, and later 1 when something continues at
// context: {rbx, rbp, r12-r15, rsp, rip}. What fork's child starts with.
FUNCTION SaveContext
  mov %rbx, (%rdi)
  mov %rbp, 8(%rdi)
  mov %r12, 16(%rdi)
  mov %r13, 24(%rdi)
  mov %r14, 32(%rdi)
  mov %r15, 40(%rdi)
  lea 8(%rsp), %rax
  mov %rax, 48(%rdi)
  mov (%rsp), %rax
  mov %rax, 56(%rdi)
  xor %eax, %eax
  ret

// The program's memory. Leaf functions that push nothing, so that a trap inside can return to their
// caller with -1 (personality_access_failed). RAX is 0 on success unless said.
  .global personality_access_begin
personality_access_begin:

// AccessCopy(void* to, const void* from, size_t bytes)
FUNCTION AccessCopy
  mov %rdx, %rcx
  shr $3, %rcx
  rep movsq
  mov %edx, %ecx
  and $7, %ecx
  rep movsb
  xor %eax, %eax
  ret

// AccessZero(void* to, size_t bytes)
FUNCTION AccessZero
  xor %eax, %eax
  mov %rsi, %rcx
  shr $3, %rcx
  rep stosq
  mov %esi, %ecx
  and $7, %ecx
  rep stosb
  ret

// AccessString(char* to, const char* from, size_t limit): the length without the end mark, or
// `limit` if there is no end mark within it.
FUNCTION AccessString
  xor %eax, %eax
1:
  cmp %rdx, %rax
  je 2f
  movzbl (%rsi,%rax), %ecx
  movb %cl, (%rdi,%rax)
  test %ecx, %ecx
  jz 2f
  inc %rax
  jmp 1b
2:
  ret

// AccessLoad32(const uint32_t* from, uint32_t* value)
FUNCTION AccessLoad32
  mov (%rdi), %eax
  mov %eax, (%rsi)
  xor %eax, %eax
  ret

// AccessCompareExchange32(uint32_t* word, uint32_t* expected, uint32_t desired): 1 if exchanged.
FUNCTION AccessCompareExchange32
  mov (%rsi), %eax
  lock cmpxchg %edx, (%rdi)
  mov %eax, (%rsi)
  sete %al
  movzbl %al, %eax
  ret
  .global personality_access_end
personality_access_end:

FUNCTION personality_access_failed
  mov $-1, %rax
  ret

  .section .note.GNU-stack, "", @progbits
