/* SPDX-License-Identifier: 0BSD */
/*
 * subdomains: a table that has one domain and all that is below it.
 *
 *   relay_domains = [ "subdomains:customer.tld" ];
 *
 * The template of a lookup plugin: change the name, the summary and find(), keep the rest. It
 * shows an option, an answer, a miss, and what to do when memory is short.
 */
#include <sluice/lookup.h>

#include <stdlib.h>

/* One table. The type is declared by lookup.h; what is in it is ours. */
struct sluice_lookup {
    char *domain;
    char *value;
};

static void close_table(struct sluice_lookup *lookup)
{
    if (lookup == NULL) /* close() accepts NULL, and a table that is half open */
        return;
    free(lookup->domain);
    free(lookup->value);
    free(lookup);
}

/* name is what follows the colon: "customer.tld". The options have been checked by the host; what
 * is needed later is copied, as they are gone when open() returns. */
static sluice_status open_table(const struct sluice_host *host, const struct sluice_config *config,
                                const char *name, const struct sluice_errors *errors,
                                struct sluice_lookup **ret_lookup)
{
    struct sluice_lookup *lookup;

    (void)host; /* its services are not needed: no log, no clock */
    if (name[0] == '\0') {
        errors->explain(errors, NULL, "subdomains: needs a domain, as in subdomains:customer.tld");
        return SLUICE_CONFIG; /* somebody must act */
    }
    lookup = calloc(1, sizeof(*lookup));
    if (lookup != NULL) {
        lookup->domain = strdup(name);
        lookup->value = strdup(config->get_text(config, "value"));
    }
    if (lookup == NULL || lookup->domain == NULL || lookup->value == NULL) {
        close_table(lookup);
        errors->explain(errors, "4.3.0", "subdomains: out of memory");
        return SLUICE_TEMP; /* never more than that for a reason that may pass */
    }
    *ret_lookup = lookup;
    return SLUICE_OK;
}

/* The key is a span, without a NUL at its end, and has been folded to lower case by the host. */
static sluice_status find(struct sluice_lookup *lookup, struct sluice_span key, int64_t deadline_ms,
                          const struct sluice_lookup_sink *sink, const struct sluice_errors *errors)
{
    size_t len = strlen(lookup->domain);

    (void)deadline_ms; /* for plugins that wait */
    (void)errors;      /* cannot fail; a server that does not answer would be SLUICE_TEMP */
    if (key.len < len || memcmp(key.ptr + key.len - len, lookup->domain, len) != 0)
        return SLUICE_NOT_FOUND;
    if (key.len > len && key.ptr[key.len - len - 1] != '.')
        return SLUICE_NOT_FOUND;
    sink->value(sink, sluice_span_of(lookup->value)); /* copied before it returns */
    return SLUICE_OK;
}

/* Declared, not parsed: the host reads the configuration and shows this in the manual. */
static const struct sluice_option options[] = {
    {"value", SLUICE_OPT_STRING, 0, "OK", NULL, "What the table answers"},
};

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .open = open_table,
    .close = close_table,
    .find = find,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/subdomains", /* place and file name */
    .version = "1.0.0",
    .license = "0BSD",
    .summary = "A domain and all that is below it",
    .mode = SLUICE_MODE_INLINE, /* short and never waits; see SLUICE_MODE_... in plugin.h */
    .option_size = sizeof(options[0]),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
