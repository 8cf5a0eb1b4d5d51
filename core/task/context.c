/* SPDX-License-Identifier: ISC */
/*
 * context: the switch in assembly for two kinds of processor, and with ucontext for all others.
 *
 * What a called function must preserve goes onto the stack that is left, the stack's address into
 * from; the same in reverse order for to. A new stack is laid out as if entry's first instruction
 * had been about to run when it was left; above it lies an address of 0, where debuggers stop.
 */
#include "task/context.h"

#include <stdint.h>
#include <string.h>

#if defined(CONTEXT_IS_OWN) && defined(__x86_64__)

/* System V ABI, 3.2.1: rbx, rbp, r12 to r15, and the control words of both floating-point units. */
__asm__(".text\n"
        ".globl context_switch\n"
        ".hidden context_switch\n"
        ".type context_switch, @function\n"
        ".p2align 4\n"
        "context_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    subq $8, %rsp\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movq (%rsi), %rsp\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    addq $8, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size context_switch, . - context_switch\n");

/* Control words, six registers, the address that ret takes, and entry's own return address. */
enum { WORD_CONTROL = 0, WORD_ENTRY = 7, WORD_COUNT = 9 };

void context_make(struct context *context, void *stack, size_t size, void (*entry)(void))
{
    uint64_t words[WORD_COUNT] = {0};
    struct {
        uint32_t mxcsr;
        uint16_t x87;
    } control = {0};

    __asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(control.mxcsr), "=m"(control.x87));
    memcpy(&words[WORD_CONTROL], &control, sizeof(control));
    words[WORD_ENTRY] = (uint64_t)(uintptr_t)entry;
    context->sp = (char *)stack + size / 16 * 16 - sizeof(words); /* entry finds it 8 below that */
    memcpy(context->sp, words, sizeof(words));
}

#elif defined(CONTEXT_IS_OWN) && defined(__aarch64__)

/* AAPCS64, 6.1: x19 to x30, d8 to d15, and fpcr. */
__asm__(".text\n"
        ".globl context_switch\n"
        ".hidden context_switch\n"
        ".type context_switch, %function\n"
        ".p2align 4\n"
        "context_switch:\n"
        "    sub sp, sp, #176\n"
        "    mrs x9, fpcr\n"
        "    stp x19, x20, [sp]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    str x9, [sp, #160]\n"
        "    mov x10, sp\n"
        "    str x10, [x0]\n"
        "    ldr x10, [x1]\n"
        "    mov sp, x10\n"
        "    ldr x9, [sp, #160]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x19, x20, [sp]\n"
        "    msr fpcr, x9\n"
        "    add sp, sp, #176\n"
        "    ret\n"
        ".size context_switch, . - context_switch\n");

enum { WORD_RETURN = 11, WORD_FPCR = 20, WORD_COUNT = 22 }; /* x30; fpcr */

void context_make(struct context *context, void *stack, size_t size, void (*entry)(void))
{
    uint64_t words[WORD_COUNT] = {0};

    words[WORD_RETURN] = (uint64_t)(uintptr_t)entry;
    __asm__("mrs %0, fpcr" : "=r"(words[WORD_FPCR]));
    context->sp = (char *)stack + size / 16 * 16 - sizeof(words);
    memcpy(context->sp, words, sizeof(words));
}

#else

void context_make(struct context *context, void *stack, size_t size, void (*entry)(void))
{
    (void)getcontext(&context->user); /* does not fail */
    context->user.uc_stack.ss_sp = stack;
    context->user.uc_stack.ss_size = size;
    context->user.uc_link = NULL;
    makecontext(&context->user, entry, 0);
    /* Else ASan's swapcontext wipes the shadow of the whole stack at each switch. */
    context->user.uc_stack.ss_size = 0;
}

void context_switch(struct context *from, const struct context *to)
{
    (void)swapcontext(&from->user, &to->user); /* fails for want of stack only: never */
}

#endif
