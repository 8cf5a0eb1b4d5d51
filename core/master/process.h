/* SPDX-License-Identifier: ISC */
/*
 * process: our own executable, started again as a role: own address space, own user, hardly any
 * environment, and only the descriptors that are named here.
 *
 * It is the very file that the master runs, through a descriptor: replacing the file on disk does
 * not mix versions.
 */
#ifndef MASTER_PROCESS_H
#define MASTER_PROCESS_H

#include "base/error.h"
#include "master/limits.h"
#include "master/privileges.h"

#define PROCESS_ARGUMENTS_MAX 8

struct process;

struct process_spec {
    const char *arguments[PROCESS_ARGUMENTS_MAX]; /* behind "sluiced"; NULL ends them */
    int channel_fd;                               /* becomes ROLE_MASTER_FD */
    int lock_fd;                                  /* becomes ROLE_LOCK_FD; -1: none */
    int words_fd;                                 /* becomes ROLE_WORDS_FD; -1: none */
    int output_fd;                       /* becomes standard output and error; -1: the master's */
    const struct privileges *privileges; /* NULL: those that the master has */
    int ruleset;                         /* landlock.h; -1: none */
    const struct limits *limits; /* NULL: none; else it has a process group, which ends with it */
};

/* Opens the executable and watches for the end of processes. Once, on the loop. */
sluice_status processes_init(struct error *err);
void processes_done(void);
/* The executable's descriptor. */
int processes_executable(void);

/* What spec holds stays the caller's. [loop] */
sluice_status process_start(const struct process_spec *spec, struct process **ret_process,
                            struct error *err);
pid_t process_pid(const struct process *process);
/* Until it has ended: OK and waitpid's status. TEMP: deadline or cancelled. One task for each
 * process. [task: waits] */
sluice_status process_wait(struct process *process, int64_t deadline_ms, int *ret_status);
void process_kill(const struct process *process, int signal);
/* One that still runs is killed. Accepts NULL. */
void process_free(struct process *process);

#define PROCESS_END_SIZE 48
/* "exit status 78", "signal 9". */
const char *process_format_end(int status, char text[PROCESS_END_SIZE]);

#endif
