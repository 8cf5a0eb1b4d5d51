/* SPDX-License-Identifier: ISC */
/*
 * crash: when the process dies by a memory fault, say which task was running and whether its stack
 * was too small. Only task.c uses this; on the loop's thread.
 */
#ifndef TASK_CRASH_H
#define TASK_CRASH_H

#include "task/fibre.h"

void crash_handler_start(void);
void crash_handler_stop(void);
/* What runs from now on; *activity is read when it crashes and may be NULL. NULL: no task. */
void crash_watch(const struct fibre *fibre, const char *name, const char *const *activity);

#endif
