/* SPDX-License-Identifier: ISC */
/*
 * result: the values of a key, from entries and from those that they point to, as ldap_table(5) has it.
 */
#ifndef SLUICE_PLUGIN_LDAP_RESULT_H
#define SLUICE_PLUGIN_LDAP_RESULT_H

#include "directory.h"

#include "sluice/lookup.h"

/* Where the values of one key go. */
struct result {
    const struct settings *settings;
    struct sluice_span key;
    const struct sluice_lookup_sink *sink;
    const struct sluice_errors *errors;
    int64_t count; /* so far */
};

/* Formats one that an entry has, and passes it on unless it is none in that format. TEMP with a text: no
 * memory, or it is one too many. [any] */
sluice_status result_give(struct result *result, struct sluice_span value);

/* OK after at least one value, NOT_FOUND, or TEMP with a text. [task: waits] */
sluice_status result_find(struct directory *directory, const struct sluice_host *host,
                          struct sluice_span key, int64_t deadline_ms,
                          const struct sluice_lookup_sink *sink,
                          const struct sluice_errors *errors);

#endif /* SLUICE_PLUGIN_LDAP_RESULT_H */
