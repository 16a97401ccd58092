// SaveState(abi::UserState*): fills in what a function call keeps, and answers 0; whoever goes on
// with the state later returns from here a second time, with 1.
    .text
    .globl SaveState
SaveState:
    movq $1, 0(%rdi)             // rax
    movq %rbx, 8(%rdi)
    movq %rbp, 48(%rdi)
    leaq 8(%rsp), %rax           // rsp behind the return
    movq %rax, 56(%rdi)
    movq %r12, 96(%rdi)
    movq %r13, 104(%rdi)
    movq %r14, 112(%rdi)
    movq %r15, 120(%rdi)
    movq (%rsp), %rax
    movq %rax, 128(%rdi)         // rip
    movq $0x202, 136(%rdi)       // rflags
    xorl %eax, %eax
    ret
    .section .note.GNU-stack, "", @progbits
