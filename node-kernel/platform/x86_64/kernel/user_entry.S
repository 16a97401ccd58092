// `syscall`, from user space: native calls to C++, Linux system calls straight back to user space.
//
// On entry: interrupts off (kMsrSyscallMask), RCX = return address, R11 = RFLAGS, the user's RSP and
// %gs. The stack cannot be used before it is switched, so RSP serves as the one free register.
// An NMI or machine check in between finds its CPU by its own stack (trap_entry.S).
//
// Reflection costs no frame: the dispatcher's page gets `disabled` and the return address, and the
// CPU goes on at the personality's entry with every register but RCX as the program left it. A
// program may have moved its %gs base, so it is set again here.

    .cfi_sections .debug_frame

#define AREA_STACK 8
#define AREA_USER_RSP 16
#define AREA_ENTRY 56

#define ENTRY_PAGE 0
#define ENTRY_SYSCALL 8
#define ENTRY_USER_PAGE 16
#define ENTRY_RAX 32
#define ENTRY_RIP 40
#define ENTRY_RSP 48
#define ENTRY_R11 56

#define PAGE_DISABLED 8
#define PAGE_SYSCALL_RIP 16

#define NATIVE_TAG 0x4b343200
#define USER_DATA 0x1b
#define USER_CODE 0x23
#define SYSCALL_VECTOR 256

#define FRAME_VECTOR 15 * 8
#define FRAME_RIP 17 * 8
#define FRAME_RFLAGS 19 * 8
#define TRAP_FLAG 0x100
#define USER_BITS 47

// The frame that an interrupt would have left (machine/trap_frame.h), but for RCX and R11, which
// the instruction itself has overwritten; then the C++ function, which comes back with interrupts off.
    .macro call_with_frame function
    movq %gs:AREA_STACK, %rsp
    pushq $USER_DATA
    pushq %gs:AREA_USER_RSP
    pushq %r11
    pushq $USER_CODE
    pushq %rcx
    pushq $0
    pushq $SYSCALL_VECTOR
    pushq %r15
    pushq %r14
    pushq %r13
    pushq %r12
    pushq $0                         // R11
    pushq %r10
    pushq %r9
    pushq %r8
    pushq %rbp
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq $0                         // RCX
    pushq %rbx
    pushq %rax
    movq %rsp, %rdi
    xorl %ebp, %ebp
    .cfi_startproc
    .cfi_undefined rip               // for debuggers: a kernel stack begins here
    call \function
    .cfi_endproc
    .endm

    .text
    .balign 64
    .globl user_syscall_entry
user_syscall_entry:
    swapgs
    movq %rsp, %gs:AREA_USER_RSP
    movq %gs:AREA_ENTRY, %rsp
    movq %rax, ENTRY_RAX(%rsp)
    cmpl $NATIVE_TAG, ENTRY_RAX + 4(%rsp)
    je native_call

    // Reflect, if there is an enabled dispatcher with an entry.
    movq %rcx, ENTRY_RIP(%rsp)
    movq %r11, ENTRY_R11(%rsp)
    movq ENTRY_PAGE(%rsp), %rcx
    testq %rcx, %rcx
    jz slow_call
    cmpq $0, ENTRY_SYSCALL(%rsp)
    je slow_call
    cmpl $0, PAGE_DISABLED(%rcx)
    jne slow_call
    movl $1, PAGE_DISABLED(%rcx)
    movq ENTRY_RIP(%rsp), %r11
    movq %r11, PAGE_SYSCALL_RIP(%rcx)
    movq %gs:AREA_USER_RSP, %r11
    movq %r11, ENTRY_RSP(%rsp)
    movq ENTRY_R11(%rsp), %r11
    swapgs
    movq ENTRY_USER_PAGE(%rsp), %rcx
    wrgsbase %rcx
    movq ENTRY_SYSCALL(%rsp), %rcx
    movq ENTRY_RSP(%rsp), %rsp
    sysretq

slow_call:
    movq ENTRY_RIP(%rsp), %rcx
    movq ENTRY_R11(%rsp), %r11
    call_with_frame HandleLinuxCall
    jmp syscall_return
native_call:
    call_with_frame HandleNativeCall

// sysret takes RIP and RFLAGS from RCX and R11. On a RIP that is not canonical it faults in kernel
// mode (on some processors), and single steps would be lost: those go by iret. Who makes a frame of
// other segments, or of registers that all matter, says so in the vector.
syscall_return:
    cmpl $SYSCALL_VECTOR, FRAME_VECTOR(%rsp)
    jne trap_return
    movq FRAME_RIP(%rsp), %rcx
    movq %rcx, %rdx
    shrq $USER_BITS, %rdx
    jnz trap_return
    movq FRAME_RFLAGS(%rsp), %r11
    testl $TRAP_FLAG, %r11d
    jnz trap_return
    popq %rax
    popq %rbx
    addq $8, %rsp                    // RCX is the return address
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rbp
    popq %r8
    popq %r9
    popq %r10
    addq $8, %rsp                    // R11 is RFLAGS
    popq %r12
    popq %r13
    popq %r14
    popq %r15
    movq 40(%rsp), %rsp              // behind vector, error code and three more
    swapgs
    sysretq
    .section .note.GNU-stack, "", @progbits
