// linux-vdso.so.1 (user/vdso), where programs find it: whole pages that they may read and execute.
    .section .text.vdso, "ax", @progbits
    .balign 4096
    .globl vdso_image
vdso_image:
    .incbin K42_VDSO_FILE
    .balign 4096
    .section .note.GNU-stack, "", @progbits
