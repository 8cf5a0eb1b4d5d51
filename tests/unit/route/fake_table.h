/* SPDX-License-Identifier: ISC */
/*
 * fake_table: a table with the entries that a test gives, that counts what it is asked.
 */
#ifndef FAKE_TABLE_H
#define FAKE_TABLE_H

#include "route/table.h"

#include <stdio.h>

struct fake_entry {
    const char *key; /* NULL ends the list; "FAIL" makes every look-up fail */
    const char *value;
};

struct fake_table {
    const struct fake_entry *entries;
    char asked[512]; /* "key1 key2 " */
};

static inline sluice_status fake_find(struct sluice_lookup *self, struct sluice_span key,
                                      int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                      const struct sluice_errors *errors)
{
    struct fake_table *table = (struct fake_table *)self;
    size_t len = strlen(table->asked);

    (void)deadline_ms;
    (void)snprintf(table->asked + len, sizeof(table->asked) - len, "%.*s ", (int)key.len, key.ptr);
    for (const struct fake_entry *e = table->entries; e->key != NULL; e++) {
        if (strcmp(e->key, "FAIL") == 0) {
            errors->explain(errors, "4.3.0", "fake: is broken");
            return SLUICE_TEMP;
        }
        if (strlen(e->key) != key.len || memcmp(e->key, key.ptr, key.len) != 0)
            continue;
        sink->value(sink, sluice_span_of(e->value));
        return SLUICE_OK;
    }
    return SLUICE_NOT_FOUND;
}

static inline void fake_close(struct sluice_lookup *self)
{
    (void)self; /* the test's */
}

static const struct sluice_lookup_ops fake_ops = {
    .struct_size = sizeof(fake_ops),
    .close = fake_close,
    .find = fake_find,
};

/* A test that changes the entries changes this. */
static uint64_t fake_number;

static inline sluice_status fake_generation(struct sluice_lookup *self, uint64_t *ret_generation)
{
    (void)self;
    *ret_generation = fake_number;
    return SLUICE_OK;
}

static inline sluice_status fake_list(struct sluice_lookup *self,
                                      const struct sluice_lookup_entry_sink *sink,
                                      const struct sluice_errors *errors)
{
    const struct fake_table *table = (const struct fake_table *)self;
    sluice_status st = SLUICE_OK;

    (void)errors;
    for (const struct fake_entry *e = table->entries; st == SLUICE_OK && e->key != NULL; e++)
        st = sink->entry(sink, sluice_span_of(e->key), sluice_span_of(e->value));
    return st;
}

static const struct sluice_lookup_ops fake_listed_ops = {
    .struct_size = sizeof(fake_listed_ops),
    .close = fake_close,
    .find = fake_find,
    .generation = fake_generation,
    .list = fake_list,
};

static const struct sluice_lookup_ops fake_pattern_ops = {
    .struct_size = sizeof(fake_pattern_ops),
    .flags = SLUICE_LOOKUP_PATTERNS | SLUICE_LOOKUP_EXACT,
    .close = fake_close,
    .find = fake_find,
};

static inline struct sluice_lookup *fake_self(struct fake_table *table)
{
    return (struct sluice_lookup *)table;
}

#endif
