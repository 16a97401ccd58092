// Trap and interrupt entry: 256 stubs, one common path, and the exit to where the trap came from.
// The frame they build is machine/trap_frame.h. Vectors that may hit the kernel with the user's %gs
// still in place (NMI, double fault, machine check) run on stacks of their own and find their
// CPU's area at the base of that stack.

    .macro push_registers
    pushq %r15
    pushq %r14
    pushq %r13
    pushq %r12
    pushq %r11
    pushq %r10
    pushq %r9
    pushq %r8
    pushq %rbp
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rbx
    pushq %rax
    .endm
    .macro pop_registers
    popq %rax
    popq %rbx
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rbp
    popq %r8
    popq %r9
    popq %r10
    popq %r11
    popq %r12
    popq %r13
    popq %r14
    popq %r15
    addq $16, %rsp                       // vector, error code
    .endm

    .text
    .balign 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    pushq $0
    .endif
    pushq $vector
    .if (vector == 2) || (vector == 8) || (vector == 18)
    jmp critical_trap
    .else
    jmp common_trap
    .endif
    .set vector, vector + 1
    .endr

    .balign 16
common_trap:
    testb $3, 24(%rsp)                   // CS
    jz 1f
    swapgs
1:  push_registers
    cld
    clac
    movq %rsp, %rdi
    call HandleTrap
// RSP at a complete frame; interrupts off if it leads to user space.
    .globl trap_return
trap_return:
    testb $3, 18 * 8(%rsp)
    jz 1f
    swapgs
1:  pop_registers
    iretq

    .balign 16
critical_trap:
    push_registers
    cld
    clac
    rdgsbase %rbx                        // whoever's it is
    movq %rsp, %rax
    andq $-8192, %rax                    // kCriticalStackSize
    movq (%rax), %rax
    wrgsbase %rax
    movq %rsp, %rdi
    call HandleCriticalTrap
    wrgsbase %rbx
    pop_registers
    iretq

// void EnterUserFrame(const TrapFrame* frame, u64 user_fs, u64 user_gs): interrupts off. Uses no
// stack until the frame has been copied to the top of this thread's (CpuArea::kernel_stack_top).
    .globl EnterUserFrame
EnterUserFrame:
    movq %rsi, %rax
    movq %rdi, %rsi
    movq %gs:8, %rdi
    subq $22 * 8, %rdi
    movq %rdi, %rsp
    cmpq %rdi, %rsi
    jbe 1f                               // overlapping upwards: copy from the end
    movl $22, %ecx
    rep movsq
    jmp 2f
1:  addq $21 * 8, %rsi
    addq $21 * 8, %rdi
    movl $22, %ecx
    std
    rep movsq
    cld
2:  wrfsbase %rax
    swapgs
    wrgsbase %rdx
    pop_registers
    iretq

// void SwitchStacks(u64* save_rsp, u64 new_rsp): interrupts off.
    .globl SwitchStacks
SwitchStacks:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

// void RunOnStack(u64 rsp, void (*function)()): leaves the present stack for good.
    .globl RunOnStack
RunOnStack:
    movq %rdi, %rsp
    xorl %ebp, %ebp
    call *%rsi
    ud2
    .section .note.GNU-stack, "", @progbits
