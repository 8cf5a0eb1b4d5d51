/* SPDX-License-Identifier: ISC */
/*
 * values: typed values by key, as a plugin sees them (struct sluice_config) and as the core does.
 */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include "sluice/host.h"

#include <stdbool.h>

struct value {
    const char *key;
    int32_t type;  /* SLUICE_OPT_... */
    bool is_set;   /* has a value: set or by default */
    bool is_named; /* in the file */
    bool is_secret;
    const char *text;         /* STRING, PATH, ENUM */
    int64_t number;           /* INTEGER, BOOLEAN, DURATION in ms, SIZE */
    const char *const *items; /* LIST */
    size_t item_count;
    const char *origin; /* "sluice.conf:12", "default" */
};

struct values {
    struct sluice_config sdk;
    struct value *list;
    size_t count;
};

/* Sorts the list, which stays the caller's and must not move any more, nor the struct itself. */
void values_init(struct values *values, struct value *list, size_t count);
/* NULL if there is none of that key. */
const struct value *values_find(const struct values *values, const char *key);

#endif
