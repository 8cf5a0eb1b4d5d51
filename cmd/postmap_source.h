/* SPDX-License-Identifier: ISC */
/*
 * postmap_source: the text that tables are built from, in Postfix's notation: a key, white space, a
 * value on each line; a line that begins with white space continues the one before; "#" begins a
 * comment. What is no entry is reported to warn and left out.
 *
 * Order: postmap_source_init -> postmap_source_read* -> postmap_source_done.
 */
#ifndef CMD_POSTMAP_SOURCE_H
#define CMD_POSTMAP_SOURCE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdio.h>

#define POSTMAP_LINE_MAX ((size_t)1024 * 1024) /* of a line with its continuations */

struct postmap_source {
    FILE *file;
    const char *name; /* for messages */
    void (*warn)(void *user, const char *text);
    void *user;
    char *ahead; /* the physical line that was read last */
    size_t ahead_size, ahead_len;
    bool has_ahead;           /* it is still to be used */
    unsigned long ahead_line; /* its number */
    unsigned long entry_line; /* where the entry began that was read last */
    struct buffer entry;
};

/* file and name stay the caller's. */
void postmap_source_init(struct postmap_source *source, FILE *file, const char *name,
                         void (*warn)(void *user, const char *text), void *user);
void postmap_source_done(struct postmap_source *source);

/* The next entry, valid until the next call. NOT_FOUND at the end; TEMP if the file cannot be read.
 * [main] */
sluice_status postmap_source_read(struct postmap_source *source, struct sluice_span *ret_key,
                                  struct sluice_span *ret_value, struct error *err);

#endif
