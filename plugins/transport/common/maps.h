/* SPDX-License-Identifier: ISC */
/*
 * maps: the tables that an option names, asked one after the other: on the task, through the host.
 */
#ifndef SLUICE_TRANSPORT_MAPS_H
#define SLUICE_TRANSPORT_MAPS_H

#include "result.h"

#include "sluice/host.h"

#include <stdbool.h>

#define MAPS_VALUE_MAX ((size_t)1024 * 1024) /* of one key */

struct maps {
    const struct sluice_host *host;
    const struct sluice_tables *tables; /* NULL: this host has none */
    char *option;                       /* for texts */
    char **names;
    size_t count;
};

/* TEMP, explained: no memory. [main] */
sluice_status maps_open(struct maps *maps, const struct sluice_host *host,
                        const struct sluice_config *config, const char *option,
                        const struct sluice_errors *errors);
void maps_close(struct maps *maps); /* of one that is zero, too */

/* A key as it is. is_part: of what is looked for, so that tables of patterns are not asked. OK with a
 * value that the caller frees; NOT_FOUND; TEMP with the result. [task: waits] */
sluice_status maps_find(const struct maps *maps, struct sluice_span key, bool is_part,
                        int64_t deadline_ms, char **ret_value, struct result *result);
/* user+extension@domain, user@domain, @domain; each in all tables before the next. [task: waits] */
sluice_status maps_find_address(const struct maps *maps, struct sluice_span address,
                                const char *delimiters, int64_t deadline_ms, char **ret_value,
                                struct result *result);

/* The local part of an address: what is before the last @. */
struct sluice_span maps_local_of(struct sluice_span address);

#endif
