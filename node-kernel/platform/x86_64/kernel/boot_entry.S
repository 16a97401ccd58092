// From the PVH entry (32-bit, paging off, EBX = start info) to C++ at the kernel's high address.
//
// The boot tables map the first GiB three times, with 2 MiB pages: at 0 (this code's own feet), at
// the direct map's base and at the kernel image's base. They serve until kernel_tables.cc replaces
// them, and again each time an application processor starts (ap_entry.S).

    .cfi_sections .debug_frame
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18          // name size, descriptor size (QEMU reads 8 bytes), XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_entry_phys

    .section .boot.text, "ax"
    .code32
    .globl pvh_entry
pvh_entry:
    cli
    cld
    movl $boot_stack_top_phys, %esp
    movl %ebx, %esi                                  // start info; survives to C++
    movl $boot_level3_phys + 3, boot_root_phys
    movl $boot_level3_phys + 3, boot_root_phys + 256 * 8
    movl $boot_level3_image_phys + 3, boot_root_phys + 511 * 8
    movl $boot_level2_phys + 3, boot_level3_phys
    movl $boot_level2_phys + 3, boot_level3_image_phys + 510 * 8
    movl $boot_level2_phys, %edi
    movl $0x83, %eax                                 // present, writable, large
    movl $512, %ecx
1:  movl %eax, (%edi)
    addl $8, %edi
    addl $0x200000, %eax
    loop 1b
    xorl %ebx, %ebx                                  // "boot processor" for enter_long_mode

// Common to all processors. EBX: 0, or the 64-bit continuation is ap_high_entry. ESI is kept.
    .globl enter_long_mode
enter_long_mode:
    movl %cr4, %eax
    orl $0x20, %eax                                  // PAE
    movl %eax, %cr4
    movl $boot_root_phys, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx                           // EFER
    rdmsr
    orl $0x900, %eax                                 // LME, NXE
    wrmsr
    movl %cr0, %eax
    andl $~0x4, %eax                                 // no x87 emulation
    orl $0x80010023, %eax                            // PG, WP, NE, MP, PE
    movl %eax, %cr0
    lgdt boot_gdt_pointer_phys
    ljmp $8, $long_mode_entry_phys

    .code64
    .globl long_mode_entry
long_mode_entry:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    testl %ebx, %ebx
    jnz 1f
    movabsq $boot_high_entry, %rax
    jmp *%rax
1:  movabsq $ap_high_entry, %rax
    jmp *%rax

    .balign 16
    .globl boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff                         // 64-bit code
    .quad 0x00cf92000000ffff                         // data
    .globl boot_gdt_pointer
boot_gdt_pointer:
    .word 23
    .long boot_gdt_phys
    .long 0

    .text
    .code64
boot_high_entry:
    leaq boot_stack_top(%rip), %rsp
    // %gs: an area good enough for Log and CurrentCpu until CPU 0 has its own.
    leaq boot_cpu_area(%rip), %rax
    movq %rax, (%rax)
    movq %rax, %rdx
    shrq $32, %rdx
    movl $0xc0000101, %ecx
    wrmsr
    movl %esi, %edi
    xorl %ebp, %ebp
    .cfi_startproc
    .cfi_undefined rip                               // for debuggers: nobody is behind it
    call KernelEntry
    ud2
    .cfi_endproc

    .bss
    .balign 4096
    .globl boot_root, boot_level3, boot_level3_image, boot_level2
boot_root: .skip 4096
boot_level3: .skip 4096
boot_level3_image: .skip 4096
boot_level2: .skip 4096
    .globl boot_cpu_area
boot_cpu_area: .skip 4096
    .globl boot_stack_bottom, boot_stack_top
boot_stack_bottom: .skip 16384
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
