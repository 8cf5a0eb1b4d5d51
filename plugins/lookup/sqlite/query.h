/* SPDX-License-Identifier: ISC */
/*
 * query: the SQL of one look-up, made so that a key cannot be more than a text in it.
 */
#ifndef SLUICE_PLUGIN_SQLITE_QUERY_H
#define SLUICE_PLUGIN_SQLITE_QUERY_H

#include "sluice/types.h"

/* The text of a template that is being filled. Zero it to initialise; free(text) at the end. */
struct filled {
    char *text; /* with a NUL, or NULL for nothing */
    size_t len, size;
    char quote; /* of the SQL literal that it is in, or 0 */
};

/*
 * A query: what a word brings is quoted for the literal that it stands in, and where it stands in none
 * it becomes one. OK, NOT_FOUND as template_expand, or TEMP: no memory. The key has no NUL byte.
 */
sluice_status query_fill(const char *query, struct sluice_span key, struct filled *ret_filled);
/* A result: the words as they are. */
sluice_status result_fill(const char *format, struct sluice_span value, struct sluice_span key,
                          struct filled *ret_filled);

#endif /* SLUICE_PLUGIN_SQLITE_QUERY_H */
