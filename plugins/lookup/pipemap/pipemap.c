/* SPDX-License-Identifier: ISC */
/*
 * pipemap: tables one behind the other: "pipemap:{type:name, type:name}". What one answers is looked
 * up in the next; a key that is missing in one of them is missing.
 */
#include "../common/explain.h"
#include "../common/others.h"

#include <stdlib.h>
#include <string.h>

static sluice_status pipemap_open(const struct sluice_host *host, const struct sluice_config *config,
                                  const char *name, const struct sluice_errors *errors,
                                  struct sluice_lookup **ret_lookup)
{
    (void)config; /* no options */
    return others_open("pipemap", host, name, errors, ret_lookup);
}

/* Keeps one answer. */
struct keeper {
    struct sluice_lookup_sink sdk;
    struct answer {
        char *text; /* NULL: none, or no memory */
        size_t len;
    } *answer;
};

static void keep(const struct sluice_lookup_sink *sink, struct sluice_span value)
{
    struct answer *answer = ((const struct keeper *)(const void *)sink)->answer;

    free(answer->text);
    answer->len = value.len;
    answer->text = malloc(value.len + 1);
    if (answer->text != NULL && value.len > 0)
        memcpy(answer->text, value.ptr, value.len);
}

/* What the table of that index says of the answer of the one before, in its place. */
static sluice_status pass(const struct sluice_lookup *lookup, size_t index, int64_t deadline_ms,
                          const struct sluice_lookup_sink *sink, const struct sluice_errors *errors,
                          struct answer *answer)
{
    struct answer next = {NULL, 0};
    const struct keeper keeper = {
        .sdk = {.struct_size = sizeof(keeper.sdk),
                .value = keep,
                .flags = sluice_sink_has(sink, SLUICE_SINK_NO_SUBSTITUTION) != 0
                             ? SLUICE_SINK_NO_SUBSTITUTION
                             : 0},
        .answer = &next,
    };
    struct sluice_span key = {answer->text, answer->len};
    sluice_status st = others_find(lookup, index, key, deadline_ms, &keeper.sdk, errors);

    if (st == SLUICE_OK && next.text == NULL)
        st = explain(errors, SLUICE_TEMP, "pipemap: out of memory");
    free(answer->text);
    *answer = next;
    return st;
}

static sluice_status pipemap_find(struct sluice_lookup *lookup, struct sluice_span key,
                                  int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                  const struct sluice_errors *errors)
{
    struct answer answer = {malloc(key.len + 1), key.len};
    sluice_status st = SLUICE_OK;

    if (answer.text == NULL)
        return explain(errors, SLUICE_TEMP, "pipemap: out of memory");
    if (key.len > 0)
        memcpy(answer.text, key.ptr, key.len);
    for (size_t i = 0; i < lookup->count && st == SLUICE_OK; i++)
        st = pass(lookup, i, deadline_ms, sink, errors, &answer);
    if (st == SLUICE_OK)
        sink->value(sink, (struct sluice_span){answer.text, answer.len});
    free(answer.text);
    return st;
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .flags = SLUICE_LOOKUP_EXACT | SLUICE_LOOKUP_OF_TABLES, /* each of them folds its own keys */
    .open = pipemap_open,
    .close = others_close,
    .find = pipemap_find,
    .generation = others_generation,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/pipemap",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Tables one behind the other: pipemap:{type:name, type:name}",
    .mode = SLUICE_MODE_TASK,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
