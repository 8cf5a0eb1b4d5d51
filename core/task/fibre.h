/* SPDX-License-Identifier: ISC */
/*
 * fibre: a stack and the registers of what runs on it; the machine's side of a task.
 *
 * Only task.c uses this. The thread's own stack is a fibre too (fibre_init_thread). All on one
 * thread.
 */
#ifndef TASK_FIBRE_H
#define TASK_FIBRE_H

#include "task/context.h"

#include <stdbool.h>

#define FIBRE_STACK_SIZE ((size_t)256 * 1024) /* promised to plugins */

struct fibre {
    struct context context;
    char *mapping;        /* of guard and stack; NULL: the thread's own */
    void *fake_stack;     /* ASan's */
    const void *asan_bottom;
    size_t asan_size;
    void *tsan_fibre;
    struct fibre *next_idle;
};

/* Describes the calling thread's stack. */
void fibre_init_thread(struct fibre *fibre);
/* A fibre that will call entry(), which never returns; NULL: no memory. It lies on its own stack. */
struct fibre *fibre_new(void (*entry)(void));
/* Gives the stack back; some are kept for the next ones. Not the running one. */
void fibre_free(struct fibre *fibre);
/* Frees the stacks that are kept. */
void fibre_free_idle(void);

/* Goes on with to; returns when somebody switches back. is_last: from never runs again. */
void fibre_switch(struct fibre *from, struct fibre *to, bool is_last);
/* The first thing that entry() calls; from is who switched to it. */
void fibre_entered(struct fibre *from);

/* True if the address lies in the guard below the fibre's stack. Async-signal-safe. */
bool fibre_guards(const struct fibre *fibre, const void *address);

#endif
