/* SPDX-License-Identifier: ISC */
/*
 * options: what a pipe transport is configured to do.
 */
#ifndef SLUICE_PIPE_OPTIONS_H
#define SLUICE_PIPE_OPTIONS_H

#include "arguments.h"
#include "letter.h"

struct options {
    const char **words; /* of argv; NULL at the end */
    char *directory;    /* NULL: none */
    char *null_sender;
    char *delimiters;
    char *time_zone; /* "TZ=...", NULL: none */
    uint64_t size;   /* 0: any */
    unsigned process_limit;
    struct letter_format letter;
    struct arguments_format arguments;
    bool is_final; /* the command is where the mail stays */
};

/* For the plugin's descriptor. */
#define OPTIONS_COUNT 10
extern const struct sluice_option options_table[OPTIONS_COUNT];

/* CONFIG or TEMP with a text. [main] */
sluice_status options_read(struct options *options, const struct sluice_config *config,
                           const struct sluice_errors *errors);
void options_done(struct options *options);
/* Its lines name the recipient, and so each needs a command of his own. */
bool options_are_for_one(const struct options *options);

#endif
