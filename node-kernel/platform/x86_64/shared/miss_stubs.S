// The miss: a call through an empty slot of the local table (cobj/slot.h) lands here.
//
// On entry it is a C++ virtual call like any other: RDI is `this`, the address of the slot's word 1;
// arguments are in RSI RDX RCX R8 R9 and on the stack; the return address is on top. Each stub only
// knows its method number. The common part keeps every argument register, asks the C++ handler whom to
// call, and starts the call again with that object as `this`, as a tail call: stack arguments and
// return address are where they were. Results are at most two registers (the interface language sees
// to it), so RDI is `this` for every method.
//
// With no object, the handler's status is returned in RAX: a Status and every Result<T> have it there.

  .cfi_sections .debug_frame
  .text

  .type k42_miss_common, @function
k42_miss_common:                    // EAX: method number
  .cfi_startproc
  push %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset rbp, -16
  mov %rsp, %rbp
  .cfi_def_cfa_register rbp
  push %rdi
  push %rsi
  push %rdx
  push %rcx
  push %r8
  push %r9
  push %rax                         // the method number, for after the handler
  push %rax                         // keeps the stack 16-byte aligned
  mov %eax, %esi
  call k42_cobj_miss                // (word 1, method) -> RAX: object or null, RDX: status
  mov %rax, %r10
  mov %rdx, %r11
  pop %rax
  pop %rax
  pop %r9
  pop %r8
  pop %rcx
  pop %rdx
  pop %rsi
  pop %rdi
  pop %rbp
  .cfi_def_cfa rsp, 8
  .cfi_restore rbp
  test %r10, %r10
  jz 1f
  mov %r10, %rdi
  mov (%rdi), %r11                  // its vtable: slot = method number
  jmp *(%r11,%rax,8)
1:
  mov %r11, %rax
  xor %edx, %edx
  ret
  .cfi_endproc
  .size k42_miss_common, . - k42_miss_common

  .p2align 4
  .type k42_miss_stubs, @function
k42_miss_stubs:
  .set method, 0
  .rept 64
  .p2align 4
  mov $method, %eax
  jmp k42_miss_common
  .set method, method + 1
  .endr
  .size k42_miss_stubs, . - k42_miss_stubs

  .section .data.rel.ro, "aw"
  .p2align 4
  .globl k42_miss_vtable
  .hidden k42_miss_vtable
  .type k42_miss_vtable, @object
k42_miss_vtable:
  .set method, 0
  .rept 64
  .quad k42_miss_stubs + 16 * method
  .set method, method + 1
  .endr
  .size k42_miss_vtable, . - k42_miss_vtable

  .section .note.GNU-stack, "", @progbits
