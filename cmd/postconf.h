/* SPDX-License-Identifier: ISC */
/*
 * postconf: what its command line says, and the parameters of a configuration, each with its value as
 * it is written.
 */
#ifndef CMD_POSTCONF_H
#define CMD_POSTCONF_H

#include "config/draft.h"

#include <limits.h>
#include <stdbool.h>

struct postconf_item {
    const char *name;
    const char *value;             /* in the file, in Postfix's notation; NULL: it is not there */
    const char *fallback;          /* the default; not expanded, unless the machine says it */
    const struct setting *setting; /* NULL: it is not in the file */
    const struct sluice_option *option; /* NULL: a group of settings */
};

struct postconf {
    char config_path[PATH_MAX];
    char mode;          /* the option that says what to do: e, X, #, m; 0: show values */
    bool has_defaults;  /* -d */
    bool is_named_only; /* -n */
    bool is_expanded;   /* -x */
    bool is_folded;     /* -f */
    bool hides_names;   /* -h */
    bool hides_values;  /* -H */
    char **overrides;   /* -o, "name=value" */
    size_t override_count;
    struct draft draft;
    struct postconf_item *items; /* sorted by name */
    size_t item_count;
    unsigned depth; /* of references that are being followed */
};

/* A last message; returns the exit code. */
int postconf_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));
void postconf_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Fills in items, from a draft that has been read; loads the plugins that it names. */
void postconf_items(struct postconf *postconf);
/* NULL if there is none of that name. */
const struct postconf_item *postconf_find(const struct postconf *postconf, struct sluice_span name);
/* "name = value" or "name=value" in two. NULL, or what is wrong with it: static text. */
const char *postconf_split(const char *argument, struct sluice_span *ret_name,
                           struct sluice_span *ret_value);

/* What it can do; returns the exit code. */
int postconf_show(struct postconf *postconf, char **names);
int postconf_types(struct postconf *postconf);
int postconf_edit(struct postconf *postconf, char **arguments);

#endif
