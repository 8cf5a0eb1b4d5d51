/* SPDX-License-Identifier: ISC */
/*
 * arguments: the command of a pipe transport with its macros replaced, as Postfix's pipe(8) does it:
 * an argument that names the recipient becomes as many as there are recipients.
 */
#ifndef SLUICE_PIPE_ARGUMENTS_H
#define SLUICE_PIPE_ARGUMENTS_H

#include "sluice/transport.h"

#include <stdbool.h>

/* Of the option flags: how addresses are written in arguments. */
#define ARGUMENTS_FOLD_LOCAL (1u << 0)  /* u */
#define ARGUMENTS_FOLD_DOMAIN (1u << 1) /* h */
#define ARGUMENTS_QUOTE (1u << 2)       /* q */

/* As configured. */
struct arguments_format {
    const char *const *words; /* NULL at the end */
    unsigned flags;           /* ARGUMENTS_... */
    const char *null_sender;
    const char *delimiters; /* recipient_delimiter */
};

/* What they are made for. */
struct arguments_mail {
    const struct sluice_message *message;
    const struct sluice_recipient *recipients;
    size_t count;
    size_t recipient_size;
};

/* The name of a macro in word that there is not, or what is wrong with it; NULL: it is fine. Points
 * into word. */
const char *arguments_fault(const char *word);
/* A list with NULL at its end, for arguments_free. NULL: no memory. */
char **arguments_new(const struct arguments_format *format, const struct arguments_mail *mail);
void arguments_free(char **arguments); /* accepts NULL */

/* An address whose local part begins with "-": the command might take it for an option. */
bool arguments_look_like_option(struct sluice_span address);

#endif
