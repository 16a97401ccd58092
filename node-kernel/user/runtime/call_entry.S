// Where protected calls enter a native program (abi/served_call.h): on the stack of the call's slot,
// the function of the object that the cookie names.

#define STACK_SHIFT 14
#define RETURN_CALL 13

    .text
    .globl call_entry
call_entry:
    movzbl %al, %ecx
    incl %ecx
    shlq $STACK_SHIFT, %rcx
    addq call_stacks(%rip), %rcx
    movq %rcx, %rsp
    pushq $0                         // the stack stays aligned
    pushq %r9                        // abi::ServedCall, from its end
    pushq %r8
    pushq %r10
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r13
    pushq %r12
    pushq %rax
    movq 8(%rbx), %rdi               // Served: object
    movl %ebp, %esi
    movq %rsp, %rdx
    xorl %ebp, %ebp
    call *(%rbx)                     // Served: serve
    popq %rdi                        // the call's number
    movq %rax, %rsi
    movabsq $(0x4b343200 << 32 | RETURN_CALL), %rax
    syscall
    ud2                              // refused: the program is beyond repair
    .section .note.GNU-stack, "", @progbits
