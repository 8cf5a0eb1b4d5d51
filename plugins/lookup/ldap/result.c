/* SPDX-License-Identifier: ISC */
/* result: see result.h. */
#include "result.h"

#include "explain.h"
#include "query.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* The answer of one search, and how far it is read. Searches inside one another are a list and not
 * calls, which would need a deep stack. */
struct level {
    struct answer answer;
    size_t entry, attribute, value; /* what is next */
    struct level *next;             /* whose value led here */
};

/* One look-up, however many searches it takes. */
struct finding {
    struct directory *directory;
    const struct attributes *attributes;
    const struct sluice_host *host;
    int64_t deadline_ms;
    struct result result;
    struct level *levels; /* the innermost first */
    int64_t depth;
    size_t bytes; /* of all levels */
    uint64_t connection; /* of the first search; 0: others have a say in what it found */
};

static sluice_status no_memory(const struct finding *finding)
{
    return explain(finding->result.errors, SLUICE_TEMP, "out of memory");
}

/* ---- searches --------------------------------------------------------------------------------- */

static void pop(struct finding *finding)
{
    struct level *level = finding->levels;

    LL_DELETE(finding->levels, level);
    finding->depth--;
    finding->bytes -= level->answer.bytes;
    answer_done(&level->answer);
    free(level);
}

static sluice_status push(struct finding *finding, const struct link_request *request)
{
    struct level *level = calloc(1, sizeof(*level));

    if (level == NULL)
        return no_memory(finding);
    LL_PREPEND(finding->levels, level);
    finding->depth++;
    sluice_status st =
        directory_search(finding->directory, finding->host, request, finding->deadline_ms,
                         &level->answer, finding->result.errors);
    finding->bytes += level->answer.bytes;
    if (st == SLUICE_OK && finding->bytes > ANSWER_BYTES_MAX)
        st = explain(finding->result.errors, SLUICE_TEMP, "more than %zu bytes for key: '%.*s'",
                     ANSWER_BYTES_MAX, (int)finding->result.key.len, finding->result.key.ptr);
    return st;
}

static sluice_status first_search(struct finding *finding)
{
    struct link_request request = {
        .scope = finding->result.settings->scope,
        .attributes = (char **)(uintptr_t)finding->attributes->names,
        .size_limit = finding->result.settings->number[SIZE_LIMIT],
    };
    char *base = NULL;
    char *filter = NULL;
    sluice_status st =
        query_base(finding->result.settings->text[SEARCH_BASE], finding->result.key, &base);

    if (st == SLUICE_OK)
        st = query_filter(finding->result.settings->text[QUERY_FILTER], finding->result.key,
                          &filter);
    if (st == SLUICE_TEMP)
        (void)no_memory(finding);
    if (st == SLUICE_OK) {
        request.base = base;
        request.filter = filter;
        st = push(finding, &request);
        if (st == SLUICE_NOT_FOUND)
            st = SLUICE_TEMP; /* where there is no base, nothing can be said of the key */
        if (finding->levels != NULL && finding->levels->answer.url_count == 0)
            finding->connection = finding->levels->answer.connection;
    }
    free(base);
    free(filter);
    return st;
}

/* The entry of that DN, or what the URL stands for (RFC 4516). */
static sluice_status search_for(struct finding *finding, const char *text)
{
    struct link_request request = {
        .base = text,
        .scope = LDAP_SCOPE_BASE,
        .filter = "(objectClass=*)",
        .attributes = (char **)(uintptr_t)finding->attributes->names,
        .size_limit = finding->result.settings->number[SIZE_LIMIT],
    };
    LDAPURLDesc *url = NULL;
    sluice_status st;

    if (finding->depth >= finding->result.settings->number[RECURSION_LIMIT])
        return explain(finding->result.errors, SLUICE_TEMP,
                       "Recursion limit exceeded for key: '%.*s'", (int)finding->result.key.len,
                       finding->result.key.ptr);
    if (ldap_is_ldap_url(text)) {
        if (ldap_url_parse(text, &url) != LDAP_URL_SUCCESS)
            return explain(finding->result.errors, SLUICE_TEMP, "a bad URL: \"%.200s\"", text);
        request.base = url->lud_dn;
        request.scope = url->lud_scope;
        request.filter = url->lud_filter;
        if (url->lud_attrs != NULL)
            request.attributes = url->lud_attrs;
    }
    st = push(finding, &request);
    ldap_free_urldesc(url);
    return st;
}

/* ---- values ----------------------------------------------------------------------------------- */

sluice_status result_give(struct result *result, struct sluice_span value)
{
    int64_t limit = result->settings->number[EXPANSION_LIMIT];
    size_t len;
    char *text;
    sluice_status st =
        query_result(result->settings->text[RESULT_FORMAT], value, result->key, &text, &len);

    if (st == SLUICE_NOT_FOUND)
        return SLUICE_OK; /* a value without what the format wants is none */
    if (st != SLUICE_OK)
        return explain(result->errors, SLUICE_TEMP, "out of memory");
    result->count++;
    if (limit > 0 && result->count > limit)
        st = explain(result->errors, SLUICE_TEMP, "Expansion limit exceeded for key: '%.*s'",
                     (int)result->key.len, result->key.ptr);
    else
        result->sink->value(result->sink, (struct sluice_span){text, len});
    free(text);
    return st;
}

static sluice_status give(struct finding *finding, const struct berval *value)
{
    return result_give(&finding->result, (struct sluice_span){value->bv_val, value->bv_len});
}

/* An entry that is referred to and gone is as good as one without values. */
static sluice_status give_special(struct finding *finding, const struct berval *value)
{
    char *text = strndup(value->bv_val, value->bv_len);
    sluice_status st = text != NULL ? search_for(finding, text) : no_memory(finding);

    free(text);
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

/* What the values of an attribute count for, in this entry. */
static bool counts(const struct finding *finding, const struct answer_entry *entry,
                   enum attribute_kind kind)
{
    const struct attributes *attributes = finding->attributes;

    if (attributes_have(attributes, ATTRIBUTE_TERMINAL, entry))
        return kind == ATTRIBUTE_TERMINAL;
    if (kind == ATTRIBUTE_LEAF)
        return !attributes_have(attributes, ATTRIBUTE_SPECIAL, entry);
    return kind == ATTRIBUTE_PLAIN || kind == ATTRIBUTE_SPECIAL;
}

/* The next value of the innermost answer: false, and there is none left. */
static bool next_value(const struct finding *finding, struct level *level,
                       enum attribute_kind *ret_kind, const struct berval **ret_value)
{
    for (; level->entry < level->answer.count; level->entry++, level->attribute = 0) {
        const struct answer_entry *entry = &level->answer.entries[level->entry];

        for (; level->attribute < entry->count; level->attribute++, level->value = 0) {
            const struct answer_attribute *attribute = &entry->attributes[level->attribute];

            *ret_kind = attributes_kind(finding->attributes, attribute->name);
            *ret_value = attribute->values[level->value];
            if (*ret_value != NULL && counts(finding, entry, *ret_kind)) {
                level->value++;
                return true;
            }
        }
    }
    return false;
}

static sluice_status read_levels(struct finding *finding)
{
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK && finding->levels != NULL) {
        enum attribute_kind kind;
        const struct berval *value;

        if (!next_value(finding, finding->levels, &kind, &value))
            pop(finding);
        else
            st = kind == ATTRIBUTE_SPECIAL ? give_special(finding, value) : give(finding, value);
    }
    return st;
}

sluice_status result_find(struct directory *directory, const struct sluice_host *host,
                          struct sluice_span key, int64_t deadline_ms,
                          const struct sluice_lookup_sink *sink, const struct sluice_errors *errors)
{
    struct finding finding = {
        .directory = directory,
        .attributes = directory_attributes(directory),
        .host = host,
        .deadline_ms = deadline_ms,
        .result = {.settings = directory_settings(directory),
                   .key = key,
                   .sink = sink,
                   .errors = errors},
    };
    sluice_status st = first_search(&finding);

    if (st == SLUICE_OK)
        st = read_levels(&finding);
    while (finding.levels != NULL)
        pop(&finding);
    if (st == SLUICE_OK && finding.connection != 0)
        st = directory_believe(directory, host, finding.connection, finding.result.count > 0,
                               deadline_ms, errors);
    if (st == SLUICE_OK && finding.result.count == 0)
        return SLUICE_NOT_FOUND;
    return st;
}
