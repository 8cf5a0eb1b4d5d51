/* SPDX-License-Identifier: ISC */
/*
 * settings: what a table of sqlite_table(5) is told, from a file in the syntax of main.cf, or from the
 * table's group in the configuration.
 */
#ifndef SLUICE_PLUGIN_SQLITE_SETTINGS_H
#define SLUICE_PLUGIN_SQLITE_SETTINGS_H

#include "source.h"

#include "sluice/host.h"

struct settings {
    char *dbpath;
    char *query;
    char *result_format;
    char *domain;            /* names parted by commas and white space; empty: any */
    int64_t expansion_limit; /* 0: none */
};

/* As watched_kind.read and watched_kind.free. */
sluice_status settings_read(struct source *source, const struct sluice_errors *errors,
                            void **ret_settings);
void settings_free(void *settings); /* accepts NULL */
/* CONFIG or TEMP with a text. */
sluice_status settings_of_group(const struct sluice_config *config,
                                const struct sluice_errors *errors, void **ret_settings);

#endif /* SLUICE_PLUGIN_SQLITE_SETTINGS_H */
