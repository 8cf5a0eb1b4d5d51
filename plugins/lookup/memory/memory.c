/* SPDX-License-Identifier: ISC */
/*
 * memory: a table that its own name spells out, as in "memory:customer.tld=etrn-only,isp.tld=smtp".
 *
 * For tests and for tables of a line. Entries are parted by commas; the key ends at the first "=".
 */
#include "sluice/lookup.h"

#include <stdio.h>
#include <stdlib.h>

struct entry {
    struct sluice_span key, value; /* in the table's text */
};

struct sluice_lookup {
    char *text;
    struct entry *entries;
    size_t entry_count;
};

static void memory_close(struct sluice_lookup *lookup)
{
    if (lookup == NULL)
        return;
    free(lookup->entries);
    free(lookup->text);
    free(lookup);
}

static size_t count_of(const char *text, char wanted)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == wanted ? 1 : 0;
    return count;
}

/* One "key=value" of that length. */
static sluice_status add_entry(struct sluice_lookup *lookup, const char *text, size_t len,
                               const struct sluice_errors *errors)
{
    const char *equals = memchr(text, '=', len);
    struct entry *entry = &lookup->entries[lookup->entry_count];
    char line[256];

    if (equals == NULL || equals == text) {
        (void)snprintf(line, sizeof(line), "memory: expected key=value, found \"%.*s\"",
                       len < 128 ? (int)len : 128, text);
        errors->explain(errors, "4.3.5", line);
        return SLUICE_CONFIG;
    }
    entry->key.ptr = text;
    entry->key.len = (size_t)(equals - text);
    entry->value.ptr = equals + 1;
    entry->value.len = len - entry->key.len - 1;
    lookup->entry_count++;
    return SLUICE_OK;
}

static sluice_status add_entries(struct sluice_lookup *lookup, const struct sluice_errors *errors)
{
    const char *at = lookup->text;
    sluice_status status = SLUICE_OK;

    while (*at != '\0' && status == SLUICE_OK) {
        size_t len = strcspn(at, ",");

        status = add_entry(lookup, at, len, errors);
        at += len + (at[len] == ',' ? 1 : 0);
    }
    return status;
}

static sluice_status memory_open(const struct sluice_host *host, const struct sluice_config *config,
                                 const char *name, const struct sluice_errors *errors,
                                 struct sluice_lookup **ret_lookup)
{
    struct sluice_lookup *lookup = calloc(1, sizeof(*lookup));
    sluice_status status;

    (void)host;
    (void)config;
    if (lookup != NULL) {
        lookup->text = strdup(name);
        lookup->entries = calloc(count_of(name, ',') + 1, sizeof(lookup->entries[0]));
    }
    if (lookup == NULL || lookup->text == NULL || lookup->entries == NULL) {
        memory_close(lookup);
        errors->explain(errors, "4.3.0", "memory: out of memory");
        return SLUICE_TEMP;
    }
    status = add_entries(lookup, errors);
    if (status != SLUICE_OK) {
        memory_close(lookup);
        return status;
    }
    *ret_lookup = lookup;
    return SLUICE_OK;
}

static sluice_status memory_find(struct sluice_lookup *lookup, struct sluice_span key,
                                 int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                 const struct sluice_errors *errors)
{
    (void)deadline_ms;
    (void)errors;
    for (size_t i = 0; i < lookup->entry_count; i++) {
        const struct entry *entry = &lookup->entries[i];

        if (entry->key.len == key.len && memcmp(entry->key.ptr, key.ptr, key.len) == 0) {
            sink->value(sink, entry->value);
            return SLUICE_OK;
        }
    }
    return SLUICE_NOT_FOUND;
}

/* The content is the name: it never changes. */
static sluice_status memory_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    (void)lookup;
    *ret_generation = 0;
    return SLUICE_OK;
}

static sluice_status memory_list(struct sluice_lookup *lookup,
                                 const struct sluice_lookup_entry_sink *sink,
                                 const struct sluice_errors *errors)
{
    (void)errors;
    for (size_t i = 0; i < lookup->entry_count; i++) {
        sluice_status status = sink->entry(sink, lookup->entries[i].key, lookup->entries[i].value);

        if (status != SLUICE_OK)
            return status;
    }
    return SLUICE_OK;
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .open = memory_open,
    .close = memory_close,
    .find = memory_find,
    .generation = memory_generation,
    .list = memory_list,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/memory",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "A table that its name spells out: memory:key=value,key=value",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
