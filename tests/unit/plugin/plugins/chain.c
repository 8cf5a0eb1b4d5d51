/* SPDX-License-Identifier: ISC */
/*
 * A lookup that answers "greeting:key", and plugins that derive from it.
 *   BASE       derives from that plugin
 *   KEY VALUE  overrides the default of one option
 *   WITH_FIND  an operation of its own, which puts "find(...)" around the base's answer
 *   WITH_OPEN  an instance of its own, which says "open" in front
 */
#include "sluice/lookup.h"

#include <stdio.h>
#include <stdlib.h>

#ifndef MODE
#define MODE SLUICE_MODE_INLINE
#endif

#define TEXT_MAX 128

#ifndef BASE

struct sluice_lookup {
    char greeting[TEXT_MAX];
};

static sluice_status chain_open(const struct sluice_host *host, const struct sluice_config *config,
                                const char *name, const struct sluice_errors *errors,
                                struct sluice_lookup **ret_lookup)
{
    struct sluice_lookup *lookup;

    (void)host;
    if (strcmp(name, "broken") == 0) {
        errors->explain(errors, "4.3.5", "the table is broken");
        return SLUICE_CONFIG;
    }
    lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return SLUICE_TEMP;
    (void)snprintf(lookup->greeting, sizeof(lookup->greeting), "%s",
                   config->get_text(config, "greeting"));
    *ret_lookup = lookup;
    return SLUICE_OK;
}

static void chain_close(struct sluice_lookup *lookup)
{
    free(lookup);
}

static sluice_status chain_find(struct sluice_lookup *lookup, struct sluice_span key,
                                int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                const struct sluice_errors *errors)
{
    char text[2 * TEXT_MAX];

    (void)deadline_ms;
    (void)errors;
    (void)snprintf(text, sizeof(text), "%s:%.*s", lookup->greeting, (int)key.len, key.ptr);
    sink->value(sink, sluice_span_of(text));
    return SLUICE_OK;
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .open = chain_open,
    .close = chain_close,
    .find = chain_find,
};

static const struct sluice_option options[] = {
    {"greeting", SLUICE_OPT_STRING, 0, "hello", NULL, "what it says"},
    {"limit", SLUICE_OPT_INTEGER, 0, "5", "1..10", "a number"},
};
#define OPTION_COUNT 2

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

#else

#ifdef WITH_FIND

/* Puts the base's answer in brackets on its way to the caller's sink. */
struct wrapping_sink {
    struct sluice_lookup_sink sdk;
    const struct sluice_lookup_sink *to;
    const char *prefix;
};

static void wrap(const struct sluice_lookup_sink *sink, struct sluice_span value)
{
    const struct wrapping_sink *wrapping = (const struct wrapping_sink *)(const void *)sink;
    char text[2 * TEXT_MAX];

    (void)snprintf(text, sizeof(text), "%s(%.*s)", wrapping->prefix, (int)value.len, value.ptr);
    wrapping->to->value(wrapping->to, sluice_span_of(text));
}

static sluice_status find_wrapped(const struct sluice_base *base, const char *prefix,
                                  struct sluice_span key, int64_t deadline_ms,
                                  const struct sluice_lookup_sink *sink,
                                  const struct sluice_errors *errors)
{
    const struct sluice_lookup_ops *base_ops = base->ops;
    struct wrapping_sink wrapping = {
        .sdk = {.struct_size = sizeof(wrapping.sdk), .value = wrap}, .to = sink, .prefix = prefix};

    return base_ops->find(base->self, key, deadline_ms, &wrapping.sdk, errors);
}

#ifdef WITH_OPEN

struct sluice_lookup {
    const struct sluice_base *base;
};

static sluice_status own_open(const struct sluice_host *host, const struct sluice_config *config,
                              const char *name, const struct sluice_errors *errors,
                              struct sluice_lookup **ret_lookup)
{
    struct sluice_lookup *lookup;

    (void)config;
    if (strcmp(name, "derived is broken") == 0) {
        errors->explain(errors, NULL, "the derived side is broken");
        return SLUICE_CONFIG;
    }
    lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return SLUICE_TEMP;
    lookup->base = host->get_service(host, SLUICE_BASE_ID);
    *ret_lookup = lookup;
    return SLUICE_OK;
}

static void own_close(struct sluice_lookup *lookup)
{
    free(lookup);
}

static sluice_status own_find(struct sluice_lookup *lookup, struct sluice_span key,
                              int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                              const struct sluice_errors *errors)
{
    return find_wrapped(lookup->base, "open", key, deadline_ms, sink, errors);
}

static const struct sluice_lookup_ops own_ops = {
    .struct_size = sizeof(own_ops), .open = own_open, .close = own_close, .find = own_find};

#else

static sluice_status own_find(struct sluice_lookup *lookup, struct sluice_span key,
                              int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                              const struct sluice_errors *errors)
{
    return find_wrapped((const struct sluice_base *)(const void *)lookup, "find", key, deadline_ms,
                        sink, errors);
}

static const struct sluice_lookup_ops own_ops = {.struct_size = sizeof(own_ops), .find = own_find};

#endif
#endif

#ifdef KEY
static const struct sluice_override overrides[] = {{KEY, VALUE}};
#endif

static const struct sluice_derive derive = {
    .struct_size = sizeof(derive),
    .base = BASE,
    .interface = SLUICE_LOOKUP_ID,
#ifdef KEY
    .override_count = 1,
    .overrides = overrides,
#endif
#ifdef WITH_FIND
    .ops = &own_ops,
#endif
};

static const struct sluice_option options[] = {
    {"own", SLUICE_OPT_STRING, 0, NAME, NULL, "an option of its own"},
};
#define OPTION_COUNT 1

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_DERIVE_ID) == 0 ? &derive : NULL;
}

#endif

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "test/" NAME,
    .version = "1.0",
    .license = "ISC",
    .summary = "for tests",
    .mode = MODE,
    .option_size = sizeof(struct sluice_option),
    .option_count = OPTION_COUNT,
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
