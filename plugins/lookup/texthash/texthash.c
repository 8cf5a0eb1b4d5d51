/* SPDX-License-Identifier: ISC */
/*
 * texthash: a table in the text that postmap would build it from: "texthash:/etc/sluice/transport".
 *
 * For tables that are small enough to be kept in memory. A line that is no entry is left out with a
 * warning, as by postmap; so is a key that is there already.
 */
#include "../common/entries.h"
#include "../common/explain.h"
#include "../common/source.h"
#include "../common/watched.h"

#include <string.h>

/* A table is no more than what its file has. */
static struct watched *watched_of(struct sluice_lookup *lookup)
{
    return (struct watched *)(void *)lookup;
}

static sluice_status read_all(struct source *source, const struct sluice_errors *errors,
                              struct entries *entries)
{
    struct sluice_span key, value;
    sluice_status st;

    while ((st = source_entry(source, errors, &key, &value)) == SLUICE_OK) {
        sluice_status added = entries_add(entries, key, value, false);

        if (added == SLUICE_NOT_FOUND)
            source_warn(source, "%s, line %lu: duplicate entry: \"%.*s\"", source->name,
                        source->line_number, key.len < EXPLAIN_MAX ? (int)key.len : EXPLAIN_MAX,
                        key.ptr);
        else if (added != SLUICE_OK)
            return explain(errors, SLUICE_TEMP, "read %s: out of memory", source->name);
    }
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

static sluice_status read_entries(struct source *source, const struct sluice_errors *errors,
                                  void **ret_content)
{
    struct entries *entries = entries_new();
    sluice_status st;

    if (entries == NULL)
        return explain(errors, SLUICE_TEMP, "read %s: out of memory", source->name);
    st = read_all(source, errors, entries);
    if (st == SLUICE_OK)
        *ret_content = entries;
    else
        entries_free(entries);
    return st;
}

static void free_entries(void *content)
{
    entries_free(content);
}

static sluice_status texthash_open(const struct sluice_host *host,
                                   const struct sluice_config *config, const char *name,
                                   const struct sluice_errors *errors,
                                   struct sluice_lookup **ret_lookup)
{
    static const struct watched_kind kind = {
        .type = "texthash", .read = read_entries, .free = free_entries};
    struct watched *watched;
    sluice_status st = watched_open(host, &kind, name, errors, &watched);

    (void)config; /* no options */
    if (st == SLUICE_OK)
        *ret_lookup = (struct sluice_lookup *)(void *)watched;
    return st;
}

static void texthash_close(struct sluice_lookup *lookup)
{
    watched_close(watched_of(lookup));
}

static sluice_status texthash_find(struct sluice_lookup *lookup, struct sluice_span key,
                                   int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                   const struct sluice_errors *errors)
{
    const void *entries;
    sluice_status st = watched_get(watched_of(lookup), errors, &entries);

    (void)deadline_ms; /* does not wait */
    return st == SLUICE_OK ? entries_find(entries, key, sink) : st;
}

static sluice_status texthash_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    return watched_generation(watched_of(lookup), ret_generation);
}

static sluice_status texthash_list(struct sluice_lookup *lookup,
                                   const struct sluice_lookup_entry_sink *sink,
                                   const struct sluice_errors *errors)
{
    const void *entries;
    sluice_status st = watched_get(watched_of(lookup), errors, &entries);

    return st == SLUICE_OK ? entries_list(entries, sink) : st;
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .open = texthash_open,
    .close = texthash_close,
    .find = texthash_find,
    .generation = texthash_generation,
    .list = texthash_list,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/texthash",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Tables in the text that postmap builds others from, kept in memory",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
