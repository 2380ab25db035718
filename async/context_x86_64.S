#if defined(__x86_64__) && !defined(PARLEY_UCONTEXT)
/* void context_switch(void **from, void *to): what a call must keep goes on the stack, the stack's pointer into
 * *from. Leaving by jmp and not by ret: the return predictor would be wrong each time. */
    .text
    .globl  context_switch
    .type   context_switch, @function
    .p2align 4
context_switch:
    .cfi_startproc
    pushq   %rbp
    .cfi_def_cfa_offset 16
    .cfi_rel_offset %rbp, 0
    pushq   %rbx
    .cfi_def_cfa_offset 24
    .cfi_rel_offset %rbx, 0
    pushq   %r12
    .cfi_def_cfa_offset 32
    .cfi_rel_offset %r12, 0
    pushq   %r13
    .cfi_def_cfa_offset 40
    .cfi_rel_offset %r13, 0
    pushq   %r14
    .cfi_def_cfa_offset 48
    .cfi_rel_offset %r14, 0
    pushq   %r15
    .cfi_def_cfa_offset 56
    .cfi_rel_offset %r15, 0
    movq    %rsp, (%rdi)
    /* The other stack looks just like this one did. */
    movq    %rsi, %rsp
    popq    %r15
    .cfi_def_cfa_offset 48
    .cfi_restore %r15
    popq    %r14
    .cfi_def_cfa_offset 40
    .cfi_restore %r14
    popq    %r13
    .cfi_def_cfa_offset 32
    .cfi_restore %r13
    popq    %r12
    .cfi_def_cfa_offset 24
    .cfi_restore %r12
    popq    %rbx
    .cfi_def_cfa_offset 16
    .cfi_restore %rbx
    popq    %rbp
    .cfi_def_cfa_offset 8
    .cfi_restore %rbp
    popq    %rdx
    .cfi_def_cfa_offset 0
    .cfi_register %rip, %rdx
    jmp     *%rdx
    .cfi_endproc
    .size   context_switch, . - context_switch
#endif
    .section .note.GNU-stack, "", %progbits
