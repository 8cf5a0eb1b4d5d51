/* SPDX-License-Identifier: ISC */
/*
 * postmap: what the command line of postmap, or postalias, says, and what can be done with its tables.
 */
#ifndef CMD_POSTMAP_H
#define CMD_POSTMAP_H

#include "postmap_table.h"

#include "config/draft.h"

#include <limits.h>
#include <stdbool.h>

struct postmap {
    const char *program; /* "postmap", "postalias" */
    bool is_alias;       /* sources are aliases(5) */
    char config_path[PATH_MAX];
    const char *query;  /* -q; "-": keys from standard input */
    const char *remove; /* -d; the same */
    bool is_listing;
    bool is_incremental;
    bool must_replace;
    bool is_quiet; /* about duplicates */
    bool keeps_case;
    bool keeps_root;
    bool has_plain_mode;
    bool takes_any_text;      /* sources need not be UTF-8 */
    bool has_files;           /* values are the contents of files */
    bool asks_header;         /* -q -: keys are the header fields of a message ... */
    bool asks_body;           /* ... and the lines of its body */
    bool asks_parts;          /* ... and the headers of the parts that it has */
    bool has_nul, has_no_nul; /* asked for; else as the table's options say */
    bool is_ignored;          /* options without a meaning here */
    struct draft draft;
    struct postmap_table *tables;
    size_t table_count;
};

/* A last message; returns the exit code. */
int postmap_fatal(const struct postmap *postmap, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A message after which it goes on; user is the struct postmap. */
void postmap_warn(void *user, const char *text);
/*
 * Calls act with the key of the command line, or with each line of standard input if that is "-".
 * Returns the exit code: success if one was found. *ret_good: nothing went wrong.
 */
int postmap_each_key(const struct postmap *postmap, const char *key,
                     int (*act)(void *user, struct sluice_span key, bool *found), void *user,
                     bool *ret_good);

/* What each does to all tables, and the exit code; in the files of their names. */
int postmap_query(struct postmap *postmap); /* [task] */
int postmap_list(struct postmap *postmap);
int postmap_build(struct postmap *postmap);
int postmap_remove(struct postmap *postmap);

#endif
