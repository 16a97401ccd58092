// Start of an application processor: real mode at kTrampolineBase, where start_cpus.cc has copied
// [ap_trampoline, ap_trampoline_end); then as the boot processor did, to ApEntry(cpu) in C++.
//
// Which CPU am I? The initial APIC id, looked up in ap_cpu_of_apic; its stack is ap_stack_tops[cpu].
// Who is not awaited (any more) halts: it has no stack, no number, and gets no interrupt.

    .set BASE, 0x8000                                // = kTrampolineBase
    .cfi_sections .debug_frame
    .section .rodata
    .balign 16
    .globl ap_trampoline, ap_trampoline_end
    .code16
ap_trampoline:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl (BASE + (ap_gdt_pointer - ap_trampoline))
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $8, $(BASE + (ap_protected - ap_trampoline))
    .code32
ap_protected:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $1, %ebx                                    // "application processor"
    movl $enter_long_mode_phys, %eax
    jmp *%eax
    .balign 8
ap_gdt:
    .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
ap_gdt_pointer:
    .word 23
    .long BASE + (ap_gdt - ap_trampoline)
ap_trampoline_end:

    .text
    .code64
    .globl ap_high_entry
ap_high_entry:
    movl $1, %eax
    cpuid
    shrl $24, %ebx
    leaq ap_cpu_of_apic(%rip), %rax
    movl $0xff, %ecx                                 // kTaken: the boot processor sees that we came
    xchgb %cl, (%rax, %rbx)
    movzbl %cl, %edi
    leal -1(%rdi), %ecx
    cmpl $0xfe, %ecx                                 // 0, or taken before
    jae ap_unwanted
    leaq ap_stack_tops(%rip), %rax
    // The stack lies in mappings that the boot tables do not have.
    movq ap_kernel_root(%rip), %rcx
    movq %rcx, %cr3
    movq (%rax, %rdi, 8), %rsp
    xorl %ebp, %ebp
    .cfi_startproc
    .cfi_undefined rip                               // for debuggers: nobody is behind it
    call ApEntry
    ud2
    .cfi_endproc
    .globl ap_unwanted
ap_unwanted:
    cli
    hlt
    jmp ap_unwanted
    .section .note.GNU-stack, "", @progbits
