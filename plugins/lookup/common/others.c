/* SPDX-License-Identifier: ISC */
/* others: see others.h. */
#include "others.h"

#include "braces.h"
#include "explain.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void others_close(struct sluice_lookup *lookup)
{
    if (lookup == NULL)
        return;
    for (size_t i = 0; i < lookup->count; i++)
        free(lookup->names[i]);
    free(lookup->names);
    free(lookup);
}

static bool is_table(struct sluice_span name)
{
    size_t len = 0;

    while (len < name.len &&
           (isalnum((unsigned char)name.ptr[len]) || name.ptr[len] == '-' || name.ptr[len] == '_'))
        len++;
    return len > 0 && len + 1 < name.len && name.ptr[len] == ':';
}

static const char *add_name(struct sluice_lookup *lookup, struct sluice_span name)
{
    if (!is_table(name))
        return "bad syntax";
    char **names = reallocarray(lookup->names, lookup->count + 1, sizeof(*names));
    if (names == NULL)
        return "out of memory";
    lookup->names = names;
    names[lookup->count] = strndup(name.ptr, name.len);
    if (names[lookup->count] == NULL)
        return "out of memory";
    lookup->count++;
    return NULL;
}

/* NULL, or what is wrong. */
static const char *add_names(struct sluice_lookup *lookup, const char *text)
{
    struct sluice_span rest, item;
    const char *wrong = braces_strip(sluice_span_of(text), &rest);

    if (wrong != NULL)
        return "bad syntax";
    while (wrong == NULL && braces_next(&rest, &item))
        wrong = add_name(lookup, item);
    return wrong == NULL && lookup->count == 0 ? "bad syntax" : wrong;
}

sluice_status others_open(const char *type, const struct sluice_host *host, const char *name,
                          const struct sluice_errors *errors, struct sluice_lookup **ret_lookup)
{
    struct sluice_lookup *lookup = calloc(1, sizeof(*lookup));
    const char *wrong = lookup != NULL ? add_names(lookup, name) : "out of memory";

    if (wrong != NULL) {
        others_close(lookup);
        return explain(errors, SLUICE_CONFIG, "%s: \"%s:%s\"; need \"%s:{type:name...}\"", wrong,
                       type, name, type);
    }
    lookup->host = host;
    lookup->tables = host->get_service(host, SLUICE_TABLES_ID);
    *ret_lookup = lookup;
    return SLUICE_OK;
}

sluice_status others_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    const struct sluice_tables *tables = lookup->tables;
    uint64_t all = 0;

    if (tables == NULL || !SLUICE_HAS(struct sluice_tables, tables, generation))
        return SLUICE_TEMP;
    for (size_t i = 0; i < lookup->count; i++) {
        uint64_t one;
        sluice_status st = tables->generation(lookup->host, lookup->names[i], &one);

        if (st != SLUICE_OK)
            return st;
        all = (all ^ one) * UINT64_C(1099511628211); /* as FNV-1a does with bytes */
    }
    *ret_generation = all;
    return SLUICE_OK;
}

sluice_status others_find(const struct sluice_lookup *lookup, size_t index, struct sluice_span key,
                          int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                          const struct sluice_errors *errors)
{
    const struct sluice_tables *tables = lookup->tables;

    if (tables == NULL || !SLUICE_HAS(struct sluice_tables, tables, find_for))
        return explain(errors, SLUICE_TEMP, "%s: there is nobody to ask", lookup->names[index]);
    return tables->find_for(lookup->host, lookup->names[index], key, deadline_ms, sink, errors);
}
