/* SPDX-License-Identifier: ISC */
/*
 * rules: tables of patterns, line by line in Postfix's notation, of which the first that matches
 * answers. An engine knows what a pattern is: regexp, pcre, cidr.
 *
 *   /pattern/flags  value         !/pattern/flags  value        192.0.2.0/24  value
 *   if /pattern/flags             if !192.0.2.0/24
 *   ...                           ...
 *   endif                         endif
 *
 * In values of delimited patterns $1, ${1} and $(1) are what matched in parentheses, $$ is a dollar.
 * A rule that cannot be understood makes the whole table unusable: without it another one would
 * answer. The name of a table is a file or, in braces, the rules themselves, each in braces.
 */
#ifndef SLUICE_TABLE_RULES_H
#define SLUICE_TABLE_RULES_H

#include "sluice/lookup.h"

#include <stdbool.h>

#define RULES_PARTS_MAX 100 /* the whole match and $1 to $99 */
#define RULES_WHY_MAX 200

struct rules_pattern; /* the engine's own */

/* What is looked for, and what the engine makes of it once for all patterns. */
struct rules_key {
    struct sluice_span text; /* with a NUL behind it; may have others in it */
    int family;
    unsigned char address[16];
};

enum rules_verdict {
    RULES_DIFFERS,
    RULES_MATCHES,
    RULES_NEITHER, /* cannot be compared: "!" makes no match of it */
    RULES_FAILED,
};

struct rules_engine {
    const char *type;  /* "regexp" */
    bool is_delimited; /* patterns have delimiters and flags, values may refer to parts */
    /* NULL with the reason in why. *ret_parts: how many parts a value may refer to. */
    struct rules_pattern *(*compile)(const char *pattern, const char *flags, size_t *ret_parts,
                                     char why[RULES_WHY_MAX]);
    void (*free)(struct rules_pattern *pattern);
    /* False: no pattern can match such a key. May be NULL. */
    bool (*prepare)(struct rules_key *key);
    /* Parts 0 to part_count - 1 are wanted; one that did not take part is to have len 0. */
    enum rules_verdict (*match)(struct rules_pattern *pattern, const struct rules_key *key,
                                struct sluice_span *parts, size_t part_count);
};

/* The plugin's own. */
extern const struct rules_engine rules_engine;

/* For the descriptor: the operations of a table of that engine's patterns. */
extern const struct sluice_lookup_ops rules_ops;

#endif /* SLUICE_TABLE_RULES_H */
