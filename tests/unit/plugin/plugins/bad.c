/* SPDX-License-Identifier: ISC */
/*
 * A lookup that keeps every promise; each definition of the build breaks one, and may leave another
 * part without use.
 */
#include "sluice/lookup.h"

#ifndef ENTRY
#define ENTRY sluice_plugin_entry_v1
#endif
#ifndef RETURNED
#define RETURNED &desc
#endif
#ifndef DESC_SIZE
#define DESC_SIZE sizeof(desc)
#endif
#ifndef PLUGIN_NAME
#define PLUGIN_NAME "test/" NAME
#endif
#ifndef VERSION
#define VERSION "1.0"
#endif
#ifndef LICENSE
#define LICENSE "ISC"
#endif
#ifndef MODE
#define MODE SLUICE_MODE_INLINE
#endif
#ifndef GET_INTERFACE
#define GET_INTERFACE get_interface
#endif
#ifndef OPTIONS
#define OPTIONS (const struct sluice_option *)(const void *)options
#endif
#ifndef OPTION_COUNT
#define OPTION_COUNT 2
#endif
#ifndef OPTION_SIZE
#define OPTION_SIZE sizeof(options[0])
#endif
#ifndef FALLBACK
#define FALLBACK "7"
#endif
#ifndef OPS_SIZE
#define OPS_SIZE sizeof(ops)
#endif
#ifndef FIND
#define FIND lookup_find
#endif

struct sluice_lookup {
    int unused;
};

static struct sluice_lookup the_lookup;

#ifdef UNDEFINED
int test_function_of_nobody(void);
#endif

static sluice_status lookup_open(const struct sluice_host *host, const struct sluice_config *config,
                                 const char *name, const struct sluice_errors *errors,
                                 struct sluice_lookup **ret_lookup)
{
    (void)host;
    (void)config;
    (void)name;
    (void)errors;
#ifdef UNDEFINED
    (void)test_function_of_nobody();
#endif
    *ret_lookup = &the_lookup;
    return SLUICE_OK;
}

static void lookup_close(struct sluice_lookup *lookup)
{
    (void)lookup;
}

__attribute__((unused)) static sluice_status
lookup_find(struct sluice_lookup *lookup, struct sluice_span key, int64_t deadline_ms,
            const struct sluice_lookup_sink *sink, const struct sluice_errors *errors)
{
    (void)lookup;
    (void)key;
    (void)deadline_ms;
    (void)sink;
    (void)errors;
    return SLUICE_NOT_FOUND;
}

static const struct sluice_lookup_ops ops = {
    .struct_size = OPS_SIZE,
    .open = lookup_open,
    .close = lookup_close,
    .find = FIND,
};

/* With WIDE as a later minor version of the SDK would have it. */
static const struct {
    struct sluice_option option;
#ifdef WIDE
    const char *more;
#endif
} options[] __attribute__((unused)) = {
    {{"first", SLUICE_OPT_INTEGER, 0, FALLBACK, "1..10", "a number"}},
    {{"second", SLUICE_OPT_STRING, 0, "text", NULL, "a text"}},
};

__attribute__((unused)) static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = DESC_SIZE,
    .abi_minor = SLUICE_ABI_MINOR,
    .name = PLUGIN_NAME,
    .version = VERSION,
    .license = LICENSE,
    .summary = "for tests",
    .mode = MODE,
    .option_size = OPTION_SIZE,
    .option_count = OPTION_COUNT,
    .options = OPTIONS,
    .get_interface = GET_INTERFACE,
};

SLUICE_EXPORT const struct sluice_plugin_desc *ENTRY(void);

SLUICE_EXPORT const struct sluice_plugin_desc *ENTRY(void)
{
    (void)desc;
    return RETURNED;
}
