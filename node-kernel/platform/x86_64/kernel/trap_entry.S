// Trap and interrupt entry: 256 stubs, one common path, and the exit to where the trap came from.
// The frame they build is machine/trap_frame.h. Vectors that may hit the kernel with the user's %gs
// still in place (NMI, double fault, machine check) run on stacks of their own and find their
// CPU's area at the base of that stack.
//
// For debuggers, how to get from a frame to what was interrupted (.cfi): the canonical frame address
// is where RSP is behind the whole trap frame.

    .cfi_sections .debug_frame
    .macro push_register name
    pushq %\name
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset \name, 0
    .endm
    .macro push_registers
    push_register r15
    push_register r14
    push_register r13
    push_register r12
    push_register r11
    push_register r10
    push_register r9
    push_register r8
    push_register rbp
    push_register rdi
    push_register rsi
    push_register rdx
    push_register rcx
    push_register rbx
    push_register rax
    .endm
    .macro pop_register name
    popq %\name
    .cfi_adjust_cfa_offset -8
    .cfi_restore \name
    .endm
    .macro pop_registers
    pop_register rax
    pop_register rbx
    pop_register rcx
    pop_register rdx
    pop_register rsi
    pop_register rdi
    pop_register rbp
    pop_register r8
    pop_register r9
    pop_register r10
    pop_register r11
    pop_register r12
    pop_register r13
    pop_register r14
    pop_register r15
    addq $16, %rsp                       // vector, error code
    .cfi_adjust_cfa_offset -16
    .endm
// At a frame's first word that the hardware has pushed, and \more bytes below.
    .macro trap_frame more
    .cfi_startproc simple
    .cfi_signal_frame
    .cfi_def_cfa rsp, 40 + \more
    .cfi_offset rip, -40
    .cfi_offset rsp, -16
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
    trap_frame 16
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
    .cfi_endproc

    .balign 16
critical_trap:
    trap_frame 16
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
    .cfi_endproc

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
    trap_frame 136                       // the other 17 words
    pop_registers
    iretq
    .cfi_endproc

// void SwitchStacks(u64* save_rsp, u64 new_rsp): interrupts off.
    .globl SwitchStacks
SwitchStacks:
    .cfi_startproc
    push_register rbp
    push_register rbx
    push_register r12
    push_register r13
    push_register r14
    push_register r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    pop_register r15
    pop_register r14
    pop_register r13
    pop_register r12
    pop_register rbx
    pop_register rbp
    ret
    .cfi_endproc

// void RunOnStack(u64 rsp, void (*function)()): leaves the present stack for good.
    .globl RunOnStack
RunOnStack:
    .cfi_startproc
    .cfi_undefined rip                   // nobody is behind it
    movq %rdi, %rsp
    xorl %ebp, %ebp
    call *%rsi
    ud2
    .cfi_endproc
    .section .note.GNU-stack, "", @progbits
