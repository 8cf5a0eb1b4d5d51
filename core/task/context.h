/* SPDX-License-Identifier: ISC */
/*
 * context: the registers of what runs on a stack, and the switch from one to another.
 *
 * glibc's swapcontext saves the signal mask, with a system call at each switch. Ours saves what a
 * called function has to keep, and nothing else: 16 ns instead of 270, and ten to twenty switches a
 * message. For other machines, and where the processor keeps a second stack of return addresses, which
 * only the C library can change, context.c falls back on ucontext.
 *
 * The signal mask is the thread's: no fibre changes it. Knows nothing of sanitizers (fibre.c does).
 */
#ifndef TASK_CONTEXT_H
#define TASK_CONTEXT_H

#include <stddef.h>

#if !defined(CONTEXT_IS_PORTABLE) && !(defined(__CET__) && (__CET__ & 2)) &&                         \
    !defined(__ARM_FEATURE_GCS_DEFAULT) &&                                                         \
    ((defined(__x86_64__) && defined(__LP64__)) ||                                                 \
     (defined(__aarch64__) && !defined(__AARCH64EB__)))
#define CONTEXT_IS_OWN 1
#endif

#ifdef CONTEXT_IS_OWN
struct context {
    void *sp; /* where the registers are */
};
#else
#include <ucontext.h>
struct context {
    ucontext_t user;
};
#endif

/* Switching to it calls entry() on that stack (aligned to 16 bytes); entry never returns. */
void context_make(struct context *context, void *stack, size_t size, void (*entry)(void));
/* Leaves what runs now in from, and goes on with to; returns when somebody switches to from. */
void context_switch(struct context *from, const struct context *to);

#endif
