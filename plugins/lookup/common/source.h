/* SPDX-License-Identifier: ISC */
/*
 * source: texts in the notation of Postfix's tables. A line that begins with white space continues
 * the one before; empty lines and those that begin with "#" are comments, wherever they stand.
 *
 * source_entry() reads what postmap builds tables from: a key, white space, a value on each line;
 * what is no entry is reported to warn and left out. source_line() reads lines of any other sense.
 *
 * Order: source_init -> (source_line | source_entry | source_setting)* -> source_done. Links nothing: for plugins and
 * for postmap. Any thread.
 */
#ifndef SLUICE_TABLE_SOURCE_H
#define SLUICE_TABLE_SOURCE_H

#include "sluice/types.h"

#include <stdbool.h>
#include <stdio.h>

#define SOURCE_LINE_MAX ((size_t)1024 * 1024) /* of a line with its continuations */

struct source {
    FILE *file;
    const char *name; /* for messages */
    void (*warn)(void *user, const char *text);
    void *user;
    bool takes_any_text; /* entries need not be UTF-8; false at first */
    char *ahead;         /* the physical line that was read last */
    size_t ahead_size, ahead_len;
    bool has_ahead; /* it is still to be used */
    unsigned long ahead_number;
    char *line; /* with all that continues it, and a NUL */
    size_t line_size, line_len;
    unsigned long line_number; /* where it began */
};

/* file and name stay the caller's. */
void source_init(struct source *source, FILE *file, const char *name,
                 void (*warn)(void *user, const char *text), void *user);
void source_done(struct source *source);

/* The next line, without white space at its end; a NUL follows it, and its bytes may be changed until
 * the next call. NOT_FOUND at the end; TEMP if the file cannot be read. [waits for the disk] */
sluice_status source_line(struct source *source, const struct sluice_errors *errors);
/* The next entry, valid until the next call. Answers as source_line. [waits for the disk] */
sluice_status source_entry(struct source *source, const struct sluice_errors *errors,
                           struct sluice_span *ret_key, struct sluice_span *ret_value);

/* False after a warning: the line of the latest source_line() is not UTF-8, and should be. */
bool source_is_text(const struct source *source);
/* The next "name = value" of a table's own settings, valid until the next call; the value may be empty.
 * Answers as source_line, and CONFIG for a line that is none. [waits for the disk] */
sluice_status source_setting(struct source *source, const struct sluice_errors *errors,
                             const char **ret_name, const char **ret_value);

/* A warning in printf's way, cut off if need be; what cannot be printed is a question mark. */
void source_warn(const struct source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* White space as everywhere in such texts. */
static inline bool source_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

#endif /* SLUICE_TABLE_SOURCE_H */
