/* SPDX-License-Identifier: ISC */
/*
 * template: the queries and result formats of sqlite_table(5) and its sisters: %s, %u, %d, %1 to %9
 * and their upper-case forms. Any thread.
 */
#ifndef SLUICE_TABLE_TEMPLATE_H
#define SLUICE_TABLE_TEMPLATE_H

#include "sluice/types.h"

/* What the parts of a template stand for. */
struct template_words {
    struct sluice_span value; /* %s; %u and %d are its parts */
    struct sluice_span key;   /* %S, %U, %D, %1 to %9: the key, which is value in a query */
};

/* Takes the text in pieces, as it stands in the template or as what a part of it stands for. */
struct template_out {
    sluice_status (*literal)(void *user, struct sluice_span text);
    sluice_status (*word)(void *user, struct sluice_span text);
    void *user;
};

/* NULL, or what is wrong with the template: static text. */
const char *template_check(const char *text);
/* OK; NOT_FOUND: a part is asked for that the words do not have (%d of what has no @); or the status
 * of out other than OK. text has been checked. */
sluice_status template_expand(const char *text, const struct template_words *words,
                              const struct template_out *out);

#endif /* SLUICE_TABLE_TEMPLATE_H */
