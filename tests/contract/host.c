/* SPDX-License-Identifier: ISC */
/*
 * host: see host.h. Options are read here by simple means of its own, so that the tests of the
 * plugins do not rest on core's reading of them.
 */
#include "host.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- services -------------------------------------------------------------------------------- */

static struct test_host *host_of(const struct sluice_host *host)
{
    union {
        const struct sluice_host *borrowed;
        struct test_host *owned; /* sdk is its first member, and the test's own object not const */
    } either = {.borrowed = host};

    return either.owned;
}

static void log_write(const struct sluice_host *host, int32_t level, const char *line)
{
    assert_in_range(level, SLUICE_LOG_ERROR, SLUICE_LOG_DEBUG);
    (void)snprintf(host_of(host)->log, TEST_TEXT_MAX, "%s", line);
}

static int64_t clock_wall(const struct sluice_host *host)
{
    return host_of(host)->wall_ms;
}

static int64_t clock_monotonic(const struct sluice_host *host)
{
    return host_of(host)->monotonic_ms;
}

static void *memory_alloc(const struct sluice_host *host, size_t size)
{
    (void)host;
    return malloc(size);
}

static void memory_free(const struct sluice_host *host, void *ptr)
{
    (void)host;
    free(ptr);
}

static int equals(struct sluice_span span, const char *text)
{
    return span.len == strlen(text) && memcmp(span.ptr, text, span.len) == 0;
}

static sluice_status dns_query(const struct sluice_host *host, struct sluice_span name,
                               uint32_t type, int64_t deadline_ms,
                               const struct sluice_dns_sink *sink,
                               const struct sluice_errors *errors)
{
    sluice_status st = SLUICE_NOT_FOUND;

    (void)deadline_ms;
    for (const struct test_record *at = host_of(host)->records; at->name != NULL; at++) {
        struct sluice_dns_record record = {.struct_size = sizeof(record),
                                           .type = type,
                                           .preference = at->preference,
                                           .target = sluice_span_of(at->target)};

        if (at->type != type || !equals(name, at->name))
            continue;
        if (at->target == NULL) {
            errors->explain(errors, "4.4.3", "no answer");
            return SLUICE_TEMP;
        }
        sink->record(sink, &record);
        st = SLUICE_OK;
    }
    return st;
}

static sluice_status tables_find(const struct sluice_host *host, const char *table,
                                 struct sluice_span key, int64_t deadline_ms, void *user,
                                 void (*value)(void *user, struct sluice_span value),
                                 const struct sluice_errors *errors)
{
    (void)deadline_ms;
    for (const struct test_entry *at = host_of(host)->entries; at->table != NULL; at++) {
        if (strcmp(at->table, table) != 0 || !equals(key, at->key))
            continue;
        if (at->value == NULL) {
            errors->explain(errors, "4.3.0", "cannot be asked");
            return SLUICE_TEMP;
        }
        value(user, sluice_span_of(at->value));
        return SLUICE_OK;
    }
    return SLUICE_NOT_FOUND;
}

static const void *get_service(const struct sluice_host *host, const char *id)
{
    static const struct sluice_log log = {.struct_size = sizeof(log), .write = log_write};
    static const struct sluice_clock clock = {
        .struct_size = sizeof(clock), .wall_ms = clock_wall, .monotonic_ms = clock_monotonic};
    static const struct sluice_memory memory = {
        .struct_size = sizeof(memory), .alloc = memory_alloc, .free = memory_free};
    static const struct sluice_dns dns = {.struct_size = sizeof(dns), .query = dns_query};
    static const struct sluice_tables tables = {
        .struct_size = sizeof(tables), .find = tables_find, .find_part = tables_find};

    if (strcmp(id, SLUICE_LOG_ID) == 0)
        return &log;
    if (strcmp(id, SLUICE_CLOCK_ID) == 0)
        return &clock;
    if (strcmp(id, SLUICE_MEMORY_ID) == 0)
        return &memory;
    if (strcmp(id, SLUICE_DNS_ID) == 0 && host_of(host)->records != NULL)
        return &dns;
    if (strcmp(id, SLUICE_TABLES_ID) == 0 && host_of(host)->entries != NULL)
        return &tables;
    return NULL;
}

void test_host_init(struct test_host *host, const char *instance)
{
    memset(host, 0, sizeof(*host));
    host->sdk.struct_size = sizeof(host->sdk);
    host->sdk.abi_minor = SLUICE_ABI_MINOR;
    host->sdk.version = "test";
    host->sdk.instance = instance;
    host->sdk.get_service = get_service;
    host->wall_ms = INT64_C(1700000000000);
    host->monotonic_ms = 1000000;
}

/* ---- the plugin ------------------------------------------------------------------------------ */

const struct sluice_plugin_desc *test_plugin_load(const char *path)
{
    void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* stays open: code is never unloaded */
    const struct sluice_plugin_desc *(*entry)(void);
    void *symbol;

    if (file == NULL)
        fail_msg("%s", dlerror());
    symbol = dlsym(file, "sluice_plugin_entry_v1");
    if (symbol == NULL)
        fail_msg("%s: %s", path, dlerror());
    memcpy(&entry, &symbol, sizeof(entry));
    return entry();
}

const void *test_plugin_interface(const struct sluice_plugin_desc *desc, const char *id)
{
    const void *ops = desc->get_interface(id);

    if (ops == NULL)
        fail_msg("%s does not offer %s", desc->name, id);
    return ops;
}

/* ---- configuration --------------------------------------------------------------------------- */

#define ITEMS_MAX 16

struct value {
    const struct sluice_option *option;
    char *text; /* NULL: not set */
    int64_t number;
    char *items[ITEMS_MAX];
    size_t item_count;
};

struct test_config {
    struct sluice_config sdk;
    struct value *values;
    size_t value_count;
};

static const struct value *value_find(const struct sluice_config *config, const char *key)
{
    const struct test_config *own = (const struct test_config *)(const void *)config;

    for (size_t i = 0; i < own->value_count; i++) {
        if (strcmp(own->values[i].option->key, key) == 0)
            return &own->values[i];
    }
    fail_msg("asked for the option \"%s\", which is not declared", key);
    return NULL;
}

static int32_t config_is_set(const struct sluice_config *config, const char *key)
{
    return value_find(config, key)->text != NULL ? 1 : 0;
}

static const char *config_get_text(const struct sluice_config *config, const char *key)
{
    return value_find(config, key)->text;
}

static int64_t config_get_number(const struct sluice_config *config, const char *key)
{
    return value_find(config, key)->number;
}

static size_t config_get_count(const struct sluice_config *config, const char *key)
{
    return value_find(config, key)->item_count;
}

static const char *config_get_item(const struct sluice_config *config, const char *key,
                                   size_t index)
{
    const struct value *value = value_find(config, key);

    assert_true(index < value->item_count);
    return value->items[index];
}

static int64_t unit_of(int32_t type, const char *suffix)
{
    static const struct {
        int32_t type;
        const char *suffix;
        int64_t factor;
    } units[] = {
        {SLUICE_OPT_INTEGER, "", 1},           {SLUICE_OPT_SIZE, "", 1},
        {SLUICE_OPT_SIZE, "K", 1 << 10},       {SLUICE_OPT_SIZE, "M", 1 << 20},
        {SLUICE_OPT_SIZE, "G", 1 << 30},       {SLUICE_OPT_DURATION, "", 1000},
        {SLUICE_OPT_DURATION, "s", 1000},      {SLUICE_OPT_DURATION, "m", 60000},
        {SLUICE_OPT_DURATION, "h", 3600000},   {SLUICE_OPT_DURATION, "d", 86400000},
        {SLUICE_OPT_DURATION, "w", 604800000},
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].type == type && strcmp(units[i].suffix, suffix) == 0)
            return units[i].factor;
    }
    return 0;
}

int test_parse_number(int32_t type, const char *text, int64_t *ret_number)
{
    char *end;
    int64_t number, unit;

    if (type == SLUICE_OPT_BOOLEAN) {
        *ret_number = strcmp(text, "true") == 0 ? 1 : 0;
        return *ret_number != 0 || strcmp(text, "false") == 0;
    }
    errno = 0;
    number = strtoll(text, &end, 10);
    unit = unit_of(type, end);
    if (errno != 0 || end == text || unit == 0 || number > INT64_MAX / unit ||
        number < INT64_MIN / unit)
        return 0;
    *ret_number = number * unit;
    return 1;
}

static void value_split(struct value *value)
{
    const char *at = value->text;

    while (*at != '\0') {
        size_t len = strcspn(at, ", ");

        if (len > 0) {
            assert_true(value->item_count < ITEMS_MAX);
            value->items[value->item_count++] = strndup(at, len);
        }
        at += len + (at[len] != '\0' ? 1 : 0);
    }
}

static void value_set(struct value *value, const char *text)
{
    int32_t type = value->option->type;

    value->text = strdup(text);
    assert_non_null(value->text);
    if (type == SLUICE_OPT_LIST)
        value_split(value);
    else if (type != SLUICE_OPT_STRING && type != SLUICE_OPT_PATH && type != SLUICE_OPT_ENUM &&
             test_parse_number(type, text, &value->number) == 0)
        fail_msg("%s = \"%s\": not of its type", value->option->key, text);
}

static const char *given(const char *const *key_values, const char *key)
{
    for (size_t i = 0; key_values != NULL && key_values[i] != NULL; i += 2) {
        if (strcmp(key_values[i], key) == 0)
            return key_values[i + 1];
    }
    return NULL;
}

static const struct sluice_option *option_at(const struct sluice_plugin_desc *desc, size_t index)
{
    const char *base = (const char *)desc->options;

    return (const struct sluice_option *)(const void *)(base + index * desc->option_size);
}

struct sluice_config *test_config_new(const struct sluice_plugin_desc *desc,
                                      const char *const *key_values)
{
    struct test_config *config = calloc(1, sizeof(*config));
    size_t used = 0;

    assert_non_null(config);
    config->sdk = (struct sluice_config){
        .struct_size = sizeof(config->sdk),
        .is_set = config_is_set,
        .get_text = config_get_text,
        .get_number = config_get_number,
        .get_count = config_get_count,
        .get_item = config_get_item,
    };
    config->value_count = desc->option_count;
    config->values = calloc(desc->option_count + 1, sizeof(config->values[0]));
    assert_non_null(config->values);
    for (size_t i = 0; i < config->value_count; i++) {
        struct value *value = &config->values[i];
        const char *text;

        value->option = option_at(desc, i);
        text = given(key_values, value->option->key);
        used += text != NULL ? 1 : 0;
        text = text != NULL ? text : value->option->fallback;
        if (text != NULL)
            value_set(value, text);
    }
    for (size_t i = 0; key_values != NULL && key_values[2 * i] != NULL; i++)
        assert_true(i < used); /* else one of the keys is none of the plugin's */
    return &config->sdk;
}

void test_config_free(struct sluice_config *sdk)
{
    struct test_config *config = (struct test_config *)(void *)sdk;

    if (config == NULL)
        return;
    for (size_t i = 0; i < config->value_count; i++) {
        free(config->values[i].text);
        for (size_t j = 0; j < config->values[i].item_count; j++)
            free(config->values[i].items[j]);
    }
    free(config->values);
    free(config);
}

/* ---- explanations ---------------------------------------------------------------------------- */

static void explain(const struct sluice_errors *sdk, const char *dsn, const char *text)
{
    union {
        const struct sluice_errors *borrowed;
        struct test_errors *owned; /* as in host_of() */
    } either = {.borrowed = sdk};

    either.owned->count++;
    (void)snprintf(either.owned->dsn, TEST_TEXT_MAX, "%s", dsn != NULL ? dsn : "");
    (void)snprintf(either.owned->text, TEST_TEXT_MAX, "%s", text);
}

void test_errors_init(struct test_errors *errors)
{
    memset(errors, 0, sizeof(*errors));
    errors->sdk.struct_size = sizeof(errors->sdk);
    errors->sdk.explain = explain;
}
