/* SPDX-License-Identifier: ISC */
/*
 * domain: the index of recipient domains.
 */
#include "queue/domain.h"

#include "base/span.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

struct sluice_span domain_fold(struct sluice_span name, char out[DOMAIN_NAME_SIZE])
{
    name = span_first(name, DOMAIN_NAME_SIZE - 1);
    if (name.len > 0)
        memcpy(out, name.ptr, name.len);
    span_fold(out, name.len);
    return (struct sluice_span){.ptr = out, .len = name.len};
}

struct sluice_span domain_of(struct sluice_span address, char out[DOMAIN_NAME_SIZE])
{
    size_t at = span_find_last(address, '@');

    return domain_fold(span_skip(address, at + 1), out);
}

struct domain *domain_find(const struct domains *domains, struct sluice_span name)
{
    struct domain *domain;

    if (name.len == 0)
        name.ptr = "";
    HASH_FIND(hh, domains->table, name.ptr, name.len, domain);
    return domain;
}

static size_t count_labels(struct sluice_span name)
{
    size_t labels = 1;

    for (size_t i = 0; i < name.len; i++)
        labels += name.ptr[i] == '.';
    return labels;
}

/* The name that this one hangs below; empty: none. An address literal has no parents. */
static struct sluice_span parent_name(struct sluice_span name)
{
    size_t labels = count_labels(name);

    if (labels == 1 || name.ptr[0] == '[')
        return SPAN_EMPTY;
    do {
        name = span_skip(name, span_find(name, '.') + 1);
        labels--;
    } while (labels > DOMAIN_LABELS_MAX);
    return name;
}

static struct domain *add_to_table(struct domains *domains, struct sluice_span name)
{
    struct domain *domain = calloc(1, sizeof(*domain) + name.len);

    if (domain == NULL)
        return NULL;
    if (name.len > 0)
        memcpy(domain->name, name.ptr, name.len);
    domain->name_len = name.len;
    HASH_ADD_KEYPTR(hh, domains->table, domain->name, name.len, domain);
    if (!hash_has(domain)) {
        free(domain);
        return NULL;
    }
    return domain;
}

/* Frees the domain if nothing needs it, and then its parent, and so on. */
static void drop_unused(struct domains *domains, struct domain *domain)
{
    while (domain != NULL && domain->unit_count == 0 && domain->children == NULL &&
           domain->last_pass_ms == 0) {
        struct domain *parent = domain->parent;

        if (parent != NULL)
            DL_DELETE(parent->children, domain);
        HASH_DEL(domains->table, domain);
        free(domain);
        domain = parent;
    }
}

/* Makes the domain and all that it hangs below: at most DOMAIN_LABELS_MAX + 1 steps. */
static struct domain *get(struct domains *domains, struct sluice_span name)
{
    struct domain *domain = domain_find(domains, name);
    struct domain *child = NULL;
    struct domain *wanted = NULL;

    if (domain != NULL)
        return domain;
    for (;;) {
        bool is_there = (domain = domain_find(domains, name)) != NULL;
        if (!is_there)
            domain = add_to_table(domains, name);
        if (domain == NULL) {
            drop_unused(domains, wanted); /* takes along what was made above it */
            return NULL;
        }
        if (wanted == NULL)
            wanted = domain;
        if (child != NULL) {
            child->parent = domain;
            DL_APPEND(domain->children, child);
        }
        name = parent_name((struct sluice_span){domain->name, domain->name_len});
        if (is_there || name.len == 0)
            return wanted;
        child = domain;
    }
}

struct domain *domain_add_unit(struct domains *domains, struct sluice_span name)
{
    struct domain *domain = get(domains, name);

    if (domain != NULL)
        domain->unit_count++;
    return domain;
}

void domain_remove_unit(struct domains *domains, struct domain *domain)
{
    assert(domain->unit_count > 0);
    domain->unit_count--;
    drop_unused(domains, domain);
}

/* Another unit of the message that waits for the same domain. */
static bool has_sibling(const struct unit *unit)
{
    for (const struct unit *u = unit->message->units; u != NULL; u = u->next_of_message) {
        if (u != unit && u->domain == unit->domain && unit_is_waiting(u))
            return true;
    }
    return false;
}

void domain_wait(struct unit *unit)
{
    DL_APPEND2(unit->domain->units, unit, domain_prev, domain_next);
    if (!has_sibling(unit))
        unit->domain->message_count++;
}

void domain_unwait(struct unit *unit)
{
    DL_DELETE2(unit->domain->units, unit, domain_prev, domain_next);
    if (!has_sibling(unit))
        unit->domain->message_count--;
}

struct domain *domain_next(const struct domain *root, const struct domain *domain)
{
    if (domain->children != NULL)
        return domain->children;
    while (domain != root && domain->next == NULL)
        domain = domain->parent;
    return domain != root ? domain->next : NULL;
}

static void unlink_pass(struct domains *domains, struct domain *domain)
{
    if (domain->last_pass_ms != 0)
        DL_DELETE2(domains->passed, domain, pass_prev, pass_next);
    domain->last_pass_ms = 0;
}

void domain_passed(struct domains *domains, struct domain *domain, int64_t now_ms)
{
    unlink_pass(domains, domain);
    domain->last_pass_ms = now_ms;
    DL_APPEND2(domains->passed, domain, pass_prev, pass_next);
}

bool domain_set_pass(struct domains *domains, struct sluice_span name, int64_t last_pass_ms,
                     enum domain_pass postponed)
{
    struct domain *domain = get(domains, name);

    if (domain == NULL)
        return false;
    domain_passed(domains, domain, last_pass_ms);
    domain->postponed = postponed;
    return true;
}

void domain_forget_pass(struct domains *domains, struct domain *domain)
{
    unlink_pass(domains, domain);
    domain->postponed = PASS_NONE;
    drop_unused(domains, domain);
}
