// The instructions that touch user memory, each with an entry in .user_fixups: (address, where to
// continue when the access cannot be resolved). Nothing else in the kernel may run with AC set.

    .macro fixup at, to
    .pushsection .user_fixups, "a"
    .quad \at, \to
    .popsection
    .endm

    .text
// u64 UserCopyBytes(void* to, const void* from, u64 size): 0, or 1 after an unresolvable fault.
    .globl UserCopyBytes
UserCopyBytes:
    stac
    movq %rdx, %rcx
    shrq $3, %rcx
1:  rep movsq
    movq %rdx, %rcx
    andq $7, %rcx
2:  rep movsb
    clac
    xorl %eax, %eax
    ret
    fixup 1b, user_access_failed
    fixup 2b, user_access_failed

// u64 UserZeroBytes(void* to, u64 size)
    .globl UserZeroBytes
UserZeroBytes:
    stac
    xorl %eax, %eax
    movq %rsi, %rcx
    shrq $3, %rcx
1:  rep stosq
    movq %rsi, %rcx
    andq $7, %rcx
2:  rep stosb
    clac
    ret
    fixup 1b, user_access_failed
    fixup 2b, user_access_failed

// u64 UserLoad32(const u32* from, u32* value)
    .globl UserLoad32
UserLoad32:
    stac
1:  movl (%rdi), %eax
    clac
    movl %eax, (%rsi)
    xorl %eax, %eax
    ret
    fixup 1b, user_access_failed

// u64 UserCompareExchange32(u32* at, u32* expected_then_found, u32 desired)
    .globl UserCompareExchange32
UserCompareExchange32:
    movl (%rsi), %eax
    stac
1:  lock cmpxchgl %edx, (%rdi)
    clac
    movl %eax, (%rsi)
    xorl %eax, %eax
    ret
    fixup 1b, user_access_failed

user_access_failed:
    clac
    movl $1, %eax
    ret
    .section .note.GNU-stack, "", @progbits
