/* SPDX-License-Identifier: ISC */
/*
 * obituary: how a process ended: what the kernel says, and the last words that its crash handler
 * (task/crash.h) has written into a pipe of the process's own.
 *
 * Order: obituary_open, the process with write_fd, obituary_started, its end, obituary_read,
 * obituary_done.
 */
#ifndef MASTER_OBITUARY_H
#define MASTER_OBITUARY_H

#include "base/error.h"

struct obituary {
    int read_fd;
    int write_fd; /* the process's ROLE_WORDS_FD */
    char task[64];
    char activity[128]; /* "transport/smtp relay" */
    char text[128];     /* "signal 11, stack overflow" */
};

/* TEMP with a text: no descriptors. */
sluice_status obituary_open(struct obituary *obituary, struct error *err);
/* The process has its end of the pipe, or there is none. */
void obituary_started(struct obituary *obituary);
/* After its end; wait_status: waitpid's. Words that were never said are empty. */
void obituary_read(struct obituary *obituary, int wait_status);
#define OBITUARY_SENTENCE_SIZE 384
/* "signal 11, memory fault in task 0123456789ABCDEF (transport/smtp relay)" */
const char *obituary_sentence(const struct obituary *obituary, char text[OBITUARY_SENTENCE_SIZE]);
void obituary_done(struct obituary *obituary);

#endif
