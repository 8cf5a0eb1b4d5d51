/* SPDX-License-Identifier: ISC */
/*
 * crash: when the process dies by a fault or an abort, say which task was running, in what, and
 * whether its stack was too small. The words go to standard error as one line, and to the master
 * (crash_set_words) as three: task, activity, reason.
 *
 * Each thread says for itself what it is at: the loop's thread by task.c, a pool's threads by pool.c.
 */
#ifndef TASK_CRASH_H
#define TASK_CRASH_H

#include "task/fibre.h"

/* For the process, on the loop's thread. */
void crash_handler_start(void);
void crash_handler_stop(void);
/* Where the last words go, too; -1: nowhere. Stays the caller's. */
void crash_set_words(int fd);

/* A thread's own part: a stack to crash on. stop frees it. */
void crash_thread_start(void);
void crash_thread_stop(void);

/* What this thread runs from now on. name: of the task; NULL: of none. *activity is what it is in;
 * activity NULL: a place of the thread's own. fibre NULL: on the thread's own stack. */
void crash_watch(const struct fibre *fibre, const char *name, const char **activity);
/* Sets what this thread is in, and returns what it was in. */
const char *crash_set_activity(const char *activity);

/* If this thread dies of a fault it leaves an empty file of that name; NULL: none. Returns the one before. */
const char *crash_set_mark(const char *path);

#define CRASH_PLACE_SIZE 192
/* "task NAME (activity)" of this thread. Async-signal-safe. */
void crash_format_place(char text[CRASH_PLACE_SIZE]);
/* The abort that follows is because the thread hangs. Async-signal-safe. */
void crash_call_it_hang(void);

#endif
