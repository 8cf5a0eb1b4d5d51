/* SPDX-License-Identifier: ISC */
/*
 * domain_list: reading and matching lists of patterns.
 */
#include "route/domain_list.h"

#include "base/durable.h"
#include "base/span.h"
#include "config/options.h"
#include "task/explain.h"

#include <stdlib.h>
#include <string.h>

enum pattern_kind {
    PATTERN_NAME,
    PATTERN_NETWORK,
    PATTERN_TABLE,
    PATTERN_UNREADABLE, /* what a file has that could not be read: nobody knows */
};

struct domain_pattern {
    enum pattern_kind kind;
    bool is_negated;
    char *name; /* as it is written; PATTERN_UNREADABLE: why; NULL: PATTERN_TABLE */
    struct network network;
    struct table *table;
};

/* ---- reading -------------------------------------------------------------------------------- */

static sluice_status append(struct domain_list *list, const struct domain_pattern *pattern,
                            struct error *err)
{
    struct domain_pattern *more =
        realloc(list->patterns, (list->count + 1) * sizeof(struct domain_pattern));

    if (more == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for a list");
    list->patterns = more;
    list->patterns[list->count++] = *pattern;
    return SLUICE_OK;
}

static sluice_status append_named(struct domain_list *list, struct domain_pattern *pattern,
                                  struct sluice_span name, struct error *err)
{
    pattern->name = span_dup(name);
    if (pattern->name == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for a list");
    sluice_status st = append(list, pattern, err);
    if (st != SLUICE_OK)
        free(pattern->name);
    return st;
}

static sluice_status add_name(struct domain_list *list, struct domain_pattern *pattern,
                              struct sluice_span name, struct error *err)
{
    pattern->kind = PATTERN_NAME;
    return append_named(list, pattern, name, err);
}

static sluice_status add_network(struct domain_list *list, struct domain_pattern *pattern,
                                 struct sluice_span text, struct error *err)
{
    pattern->kind = PATTERN_NETWORK;
    sluice_status st = network_parse(text, &pattern->network, err);
    return st == SLUICE_OK ? append_named(list, pattern, text, err) : st;
}

static sluice_status add_unreadable(struct domain_list *list, struct sluice_span why,
                                    struct error *err)
{
    struct domain_pattern pattern = {.kind = PATTERN_UNREADABLE};

    return append_named(list, &pattern, why, err);
}

/* "hash:/etc/sluice/x": a type before the first colon; an IPv6 address has none of letters only. */
static bool is_table(struct sluice_span text)
{
    struct sluice_span type = span_first(text, span_find(text, ':'));
    struct network network;

    if (type.len == 0 || type.len == text.len || type.ptr[0] == '[')
        return false;
    return network_parse(text, &network, NULL) != SLUICE_OK;
}

/* Takes the "!" before it. */
static bool take_negation(struct sluice_span *pattern)
{
    bool is_negated = false;

    while (pattern->len > 0 && pattern->ptr[0] == '!') {
        is_negated = !is_negated;
        *pattern = span_trim(span_skip(*pattern, 1));
    }
    return is_negated;
}

static sluice_status add_plain(struct domain_list *list, struct tables *tables, bool is_negated,
                               struct sluice_span text, struct error *err)
{
    struct domain_pattern pattern = {.is_negated = take_negation(&text) != is_negated};

    if (text.len == 0)
        return error_set(err, SLUICE_CONFIG, "an empty pattern");
    if (is_table(text)) {
        char *name = span_dup(text);
        if (name == NULL)
            return error_set(err, SLUICE_TEMP, "no memory for a list");
        pattern.kind = PATTERN_TABLE;
        sluice_status st = tables_get(tables, name, &pattern.table, err);
        free(name);
        return st == SLUICE_OK ? append(list, &pattern, err) : st;
    }
    if (list->kind == DOMAIN_LIST_NETWORKS)
        return add_network(list, &pattern, text, err);
    return add_name(list, &pattern, text, err);
}

static sluice_status add_lines(struct domain_list *list, struct tables *tables, bool is_negated,
                               struct sluice_span text, struct error *err)
{
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK && text.len > 0) {
        struct sluice_span line = span_first(text, span_find(text, '\n'));
        struct sluice_span item;

        text = span_skip(text, line.len + 1);
        while (st == SLUICE_OK && list_next(&line, &item) && item.ptr[0] != '#')
            st = add_plain(list, tables, is_negated, item, err);
    }
    return st;
}

static sluice_status add_file(struct domain_list *list, struct tables *tables, bool is_negated,
                              const char *path, struct error *err)
{
    char *bytes;
    size_t len;

    struct error why = ERROR_INIT;

    sluice_status st = durable_read_file(path, DOMAIN_LIST_FILE_MAX, &bytes, &len, &why);
    if (st != SLUICE_OK)
        return add_unreadable(list, sluice_span_of(why.text), err);
    st = add_lines(list, tables, is_negated, (struct sluice_span){.ptr = bytes, .len = len}, err);
    free(bytes);
    if (st != SLUICE_OK)
        error_prefix(err, "%s", path);
    return st;
}

bool domain_list_is_file(const char *pattern)
{
    return pattern[strspn(pattern, "!")] == '/';
}

sluice_status domain_list_add(struct domain_list *list, struct tables *tables, const char *pattern,
                              struct error *err)
{
    struct sluice_span text = span_trim(sluice_span_of(pattern));

    if (!domain_list_is_file(pattern))
        return add_plain(list, tables, false, text, err);
    bool is_negated = take_negation(&text);
    return add_file(list, tables, is_negated, text.ptr, err);
}

const char *domain_list_unreadable(const struct domain_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->patterns[i].kind == PATTERN_UNREADABLE)
            return list->patterns[i].name;
    }
    return NULL;
}

sluice_status domain_list_add_state(const struct domain_list *list, struct table_state *state)
{
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; st == SLUICE_OK && i < list->count; i++) {
        if (list->patterns[i].kind == PATTERN_TABLE)
            st = table_state_add(state, list->patterns[i].table);
    }
    return st;
}

bool domain_list_parents_match(const struct config *config, const char *parameter)
{
    return config_has_item(config, "parent_domain_matches_subdomains", parameter);
}

sluice_status domain_list_read(struct domain_list *list, struct tables *tables,
                               const struct config *config, const char *parameter,
                               enum domain_list_kind kind, struct error *err)
{
    size_t count = config_count(config, parameter);

    *list = (struct domain_list){.kind = kind,
                                 .with_parents = domain_list_parents_match(config, parameter),
                                 .parameter = parameter};
    for (size_t i = 0; i < count; i++) {
        sluice_status st = domain_list_add(list, tables, config_item(config, parameter, i), err);
        if (st != SLUICE_OK) {
            error_prefix(err, "%s: %s", config_origin(config, parameter), parameter);
            return st;
        }
    }
    return SLUICE_OK;
}

void domain_list_done(struct domain_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->patterns[i].name);
    free(list->patterns);
    list->patterns = NULL;
    list->count = 0;
}

/* ---- matching ------------------------------------------------------------------------------- */

static bool is_below(struct sluice_span domain, struct sluice_span parent)
{
    return domain.len > parent.len + 1 && span_ends_case(domain, parent) &&
           domain.ptr[domain.len - parent.len - 1] == '.';
}

static bool name_matches(const struct domain_list *list, const char *name,
                         struct sluice_span domain)
{
    struct sluice_span pattern = sluice_span_of(name);

    if (list->kind == DOMAIN_LIST_EXACT_NAMES)
        return span_equal_case(pattern, domain);
    if (pattern.ptr[0] == '.')
        return !list->with_parents && is_below(domain, span_skip(pattern, 1));
    if (span_equal_case(pattern, domain))
        return true;
    return list->with_parents && is_below(domain, pattern);
}

static sluice_status ask(struct table *table, struct sluice_span key, int64_t deadline_ms,
                         struct error *err)
{
    struct buffer value = BUFFER_INIT;

    sluice_status st = table_find(table, key, deadline_ms, &value, err);
    buffer_done(&value);
    return st;
}

/* The domain, then its parents: "tld", or ".tld" where only that form means sub-domains. */
static sluice_status table_matches(const struct domain_list *list, struct table *table,
                                   struct sluice_span domain, int64_t deadline_ms,
                                   struct error *err)
{
    sluice_status st = ask(table, domain, deadline_ms, err);
    bool has_parents = list->kind == DOMAIN_LIST_NAMES && domain.len > 0 && domain.ptr[0] != '[' &&
                       !table_has_patterns(table);

    while (st == SLUICE_NOT_FOUND && has_parents) {
        size_t dot = span_find(span_skip(domain, 1), '.') + 1;
        if (dot >= domain.len)
            break;
        domain = span_skip(domain, dot);
        st = ask(table, list->with_parents ? span_skip(domain, 1) : domain, deadline_ms, err);
    }
    return st;
}

static sluice_status verdict(const struct domain_pattern *pattern)
{
    explain_text("pattern", pattern->name);
    explain_flag("is_negated", pattern->is_negated);
    return pattern->is_negated ? SLUICE_NOT_FOUND : SLUICE_OK;
}

static sluice_status match(const struct domain_list *list, struct sluice_span domain,
                           int64_t deadline_ms, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct domain_pattern *pattern = &list->patterns[i];
        if (pattern->kind == PATTERN_NAME) {
            if (name_matches(list, pattern->name, domain))
                return verdict(pattern);
            continue;
        }
        if (pattern->kind == PATTERN_UNREADABLE)
            return error_set(err, SLUICE_TEMP, "%s", pattern->name);
        sluice_status st = table_matches(list, pattern->table, domain, deadline_ms, err);
        if (st == SLUICE_OK)
            return verdict(pattern);
        if (st != SLUICE_NOT_FOUND)
            return st;
    }
    return SLUICE_NOT_FOUND;
}

static sluice_status match_address(const struct domain_list *list, const struct address *address,
                                   struct sluice_span text, int64_t deadline_ms, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct domain_pattern *pattern = &list->patterns[i];
        if (pattern->kind == PATTERN_NETWORK) {
            if (network_contains(&pattern->network, address))
                return verdict(pattern);
            continue;
        }
        if (pattern->kind == PATTERN_UNREADABLE)
            return error_set(err, SLUICE_TEMP, "%s", pattern->name);
        sluice_status st = ask(pattern->table, text, deadline_ms, err);
        if (st == SLUICE_OK)
            return verdict(pattern);
        if (st != SLUICE_NOT_FOUND)
            return st;
    }
    return SLUICE_NOT_FOUND;
}

static void begin(const struct domain_list *list, struct sluice_span key)
{
    explain_begin("list");
    explain_text("parameter", list->parameter);
    explain_span("key", key);
}

sluice_status domain_list_match(const struct domain_list *list, struct sluice_span domain,
                                int64_t deadline_ms, struct error *err)
{
    if (list->count == 0)
        return SLUICE_NOT_FOUND;
    begin(list, domain);
    sluice_status st = match(list, domain, deadline_ms, err);
    explain_end(st, err);
    return st;
}

sluice_status domain_list_match_address(const struct domain_list *list,
                                        const struct address *address, int64_t deadline_ms,
                                        struct error *err)
{
    char memory[ADDRESS_TEXT_SIZE];

    if (list->count == 0)
        return SLUICE_NOT_FOUND;
    struct sluice_span text = sluice_span_of(address_format(address, memory));
    begin(list, text);
    sluice_status st = match_address(list, address, text, deadline_ms, err);
    explain_end(st, err);
    return st;
}
