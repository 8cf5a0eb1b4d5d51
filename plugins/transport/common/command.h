/* SPDX-License-Identifier: ISC */
/*
 * command: runs a command that reads a message, without a shell, and says how it ended. As Postfix's
 * pipe_command: a session and process group of its own, hardly any environment, standard output and
 * error together, of which the beginning is kept; <sysexits.h> or an enhanced status code at the
 * beginning of the output say what became of the mail.
 *
 * For plugins of mode "task": nothing blocks, hundreds may run at a time.
 */
#ifndef SLUICE_TRANSPORT_COMMAND_H
#define SLUICE_TRANSPORT_COMMAND_H

#include "dsn.h"
#include "rights.h"

#include "sluice/transport.h"

#define COMMAND_PIECE_MAX ((size_t)64 * 1024) /* of what it reads, at a time */
#define COMMAND_OUTPUT_MAX 900                /* bytes that are kept; a report has 1,000 */
#define COMMAND_TEXT_MAX 1024
#define COMMAND_PATH "/usr/bin:/bin" /* where one without a slash is looked for */

/* What it reads: up to size bytes into piece; OK with 0 at the end. */
struct command_input {
    sluice_status (*read)(struct command_input *input, char *piece, size_t size, size_t *ret_len);
};

struct command {
    const char *name;               /* for texts: the command as configured */
    const char *const *arguments;   /* NULL at the end; the first is executed */
    const char *const *environment; /* NULL at the end; without PATH, which is COMMAND_PATH */
    const char *directory;          /* where it runs; NULL: / */
    const struct rights *rights;    /* NULL: those of the process */
    struct command_input *input;
};

struct command_result {
    sluice_status status;
    char dsn[DSN_MAX];
    char text[COMMAND_TEXT_MAX]; /* OK: what it has written; else why it failed */
};

/*
 * Runs it and waits for its end. At the deadline, or when the task is cancelled, its process group is
 * killed, which takes up to a second of that time, and the result is TEMP; so it is for a command that
 * a signal has ended or that cannot be executed. [task: waits]
 */
void command_run(const struct command *command, const struct sluice_host *host, int64_t deadline_ms,
                 struct command_result *result);

#endif
