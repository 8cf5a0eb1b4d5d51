/* SPDX-License-Identifier: ISC */
/* maps: see maps.h. */
#include "maps.h"

#include "sluice/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define KEY_MAX 4096

/* ---- open and close -------------------------------------------------------------------------- */

void maps_close(struct maps *maps)
{
    for (size_t i = 0; i < maps->count; i++)
        free(maps->names[i]);
    free(maps->names);
    free(maps->option);
    *maps = (struct maps){0};
}

sluice_status maps_open(struct maps *maps, const struct sluice_host *host,
                        const struct sluice_config *config, const char *option,
                        const struct sluice_errors *errors)
{
    size_t count = config->get_count(config, option);
    bool has_failed;

    *maps = (struct maps){
        .host = host,
        .tables = host->get_service(host, SLUICE_TABLES_ID),
        .option = strdup(option),
        .names = calloc(count + 1, sizeof(*maps->names)),
    };
    has_failed = maps->option == NULL || maps->names == NULL;
    for (size_t i = 0; i < count && !has_failed; i++) {
        maps->names[i] = strdup(config->get_item(config, option, i));
        has_failed = maps->names[i] == NULL;
        maps->count++;
    }
    if (!has_failed)
        return SLUICE_OK;
    maps_close(maps);
    errors->explain(errors, "4.3.0", "out of memory");
    return SLUICE_TEMP;
}

/* ---- one key --------------------------------------------------------------------------------- */

/* An answer on its way. */
struct answer {
    struct sluice_lookup_sink sink;
    struct sluice_errors errors;
    char *text; /* NULL: none, or no memory, or it is none */
    char reason[RESULT_TEXT_MAX];
};

static void keep(struct answer *answer, struct sluice_span value)
{
    bool is_text = value.len <= MAPS_VALUE_MAX &&
                   (value.len == 0 || memchr(value.ptr, '\0', value.len) == NULL);

    free(answer->text);
    answer->text = is_text ? strndup(value.len > 0 ? value.ptr : "", value.len) : NULL;
}

static void take_value(void *user, struct sluice_span value)
{
    keep(user, value);
}

static void take_from_sink(const struct sluice_lookup_sink *sink, struct sluice_span value)
{
    keep((struct answer *)(uintptr_t)sink, value);
}

static void take_reason(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    struct answer *answer = (struct answer *)((uintptr_t)errors - offsetof(struct answer, errors));

    (void)dsn; /* whatever a table says, it is 4.3.0 for this recipient */
    (void)snprintf(answer->reason, sizeof(answer->reason), "%s", text);
}

static sluice_status ask(const struct maps *maps, const char *name, struct sluice_span key,
                         bool is_part, int64_t deadline_ms, struct answer *answer)
{
    const struct sluice_tables *tables = maps->tables;

    if (tables == NULL || !SLUICE_HAS(struct sluice_tables, tables, find_for))
        return SLUICE_TEMP;
    if (is_part)
        return tables->find_part(maps->host, name, key, deadline_ms, answer, take_value,
                                 &answer->errors);
    return tables->find_for(maps->host, name, key, deadline_ms, &answer->sink, &answer->errors);
}

/* A path or a command must not come out of an address: no part of the key is put into the value. */
sluice_status maps_find(const struct maps *maps, struct sluice_span key, bool is_part,
                        int64_t deadline_ms, char **ret_value, struct result *result)
{
    struct answer answer = {
        .sink = {.struct_size = sizeof(answer.sink),
                 .value = take_from_sink,
                 .flags = SLUICE_SINK_NO_SUBSTITUTION},
        .errors = {.struct_size = sizeof(answer.errors), .explain = take_reason},
        .reason = "no answer",
    };
    sluice_status st = SLUICE_NOT_FOUND;

    for (size_t i = 0; i < maps->count && st == SLUICE_NOT_FOUND; i++)
        st = ask(maps, maps->names[i], key, is_part, deadline_ms, &answer);
    if (st == SLUICE_OK && answer.text != NULL) {
        *ret_value = answer.text;
        return SLUICE_OK;
    }
    free(answer.text);
    if (st == SLUICE_NOT_FOUND)
        return st;
    return result_set(result, SLUICE_TEMP, "4.3.0", "%s: lookup of %.*s failed: %s", maps->option,
                      (int)key.len, key.ptr, answer.reason);
}

/* ---- addresses ------------------------------------------------------------------------------- */

struct sluice_span maps_local_of(struct sluice_span address)
{
    size_t len = address.len;

    while (len > 0 && address.ptr[len - 1] != '@')
        len--;
    return (struct sluice_span){address.ptr, len > 0 ? len - 1 : address.len};
}

sluice_status maps_find_address(const struct maps *maps, struct sluice_span address,
                                const char *delimiters, int64_t deadline_ms, char **ret_value,
                                struct result *result)
{
    struct sluice_span local = maps_local_of(address);
    struct sluice_span at_domain = {address.ptr + local.len, address.len - local.len};
    size_t user_len = sluice_user_len(local, delimiters);
    sluice_status st = maps_find(maps, address, false, deadline_ms, ret_value, result);

    if (st == SLUICE_NOT_FOUND && user_len < local.len) {
        char key[KEY_MAX];
        int len = snprintf(key, sizeof(key), "%.*s%.*s", (int)user_len, local.ptr,
                           (int)at_domain.len, at_domain.ptr);

        if (len > 0 && (size_t)len < sizeof(key))
            st = maps_find(maps, (struct sluice_span){key, (size_t)len}, true, deadline_ms,
                           ret_value, result);
    }
    if (st == SLUICE_NOT_FOUND && at_domain.len > 0)
        st = maps_find(maps, at_domain, true, deadline_ms, ret_value, result);
    return st;
}
