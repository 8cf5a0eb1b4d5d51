/* SPDX-License-Identifier: ISC */
/*
 * command_end: what the end of a command says about the mail that it was given. Texts and codes are
 * Postfix's; but a command that does not end in time is a temporary failure, and not a permanent one:
 * it says nothing about the mail.
 */
#ifndef SLUICE_TRANSPORT_COMMAND_END_H
#define SLUICE_TRANSPORT_COMMAND_END_H

#include "command.h"

enum command_end_kind {
    COMMAND_ENDED,       /* by itself; wait_status says how */
    COMMAND_NOT_STARTED, /* error: why */
    COMMAND_LATE,        /* killed */
    COMMAND_NO_INPUT,    /* killed: the mail cannot be read */
};

/* Zero it to initialise. */
struct command_end {
    enum command_end_kind kind;
    int wait_status; /* waitpid's */
    int error;
    char output[COMMAND_OUTPUT_MAX + 1]; /* what it has written first, one line of it */
    size_t output_len;
};

/* What is too much is dropped. White space becomes a blank, and what cannot be printed an underscore. */
void command_end_add_output(struct command_end *end, const char *bytes, size_t len);
void command_end_judge(const struct command_end *end, const char *name,
                       struct command_result *result);

#endif
