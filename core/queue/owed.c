/* SPDX-License-Identifier: ISC */
/*
 * owed: see owed.h.
 */
#include "queue/owed.h"

#include "base/clock.h"

#include <stdlib.h>

#define BACKOFF_MIN_MS 1000

static struct owed *owed_of(struct heap_node *node)
{
    return (struct owed *)(void *)((char *)node - offsetof(struct owed, due));
}

struct owed *owed_find(const struct owed_table *all, uint64_t id)
{
    struct owed *owed;

    HASH_FIND(hh, all->table, &id, sizeof(id), owed);
    return owed;
}

void owed_drop(struct owed_table *all, struct owed *owed)
{
    heap_remove(&all->due, &owed->due);
    HASH_DEL(all->table, owed);
    free(owed);
}

struct owed *owed_get(struct owed_table *all, uint64_t id)
{
    struct owed *owed = owed_find(all, id);

    if (owed != NULL)
        return owed;
    owed = calloc(1, sizeof(*owed));
    if (owed == NULL)
        return NULL;
    owed->id = id;
    HASH_ADD(hh, all->table, id, sizeof(id), owed);
    if (!hash_has(owed) || !heap_put(&all->due, &owed->due, CLOCK_NEVER)) {
        if (hash_has(owed))
            HASH_DEL(all->table, owed);
        free(owed);
        return NULL;
    }
    return owed;
}

void owed_add(struct owed_table *all, struct owed *owed, enum report_kind kind, int64_t due_ms)
{
    owed->kinds[kind] = true;
    if (!owed->is_running && owed->backoff_ms == 0 && due_ms < owed->due.due_ms)
        (void)heap_put(&all->due, &owed->due, due_ms); /* moves: cannot fail */
}

struct owed *owed_take(struct owed_table *all, int64_t now_ms)
{
    struct heap_node *first = heap_first(&all->due);
    struct owed *owed;

    if (first == NULL || first->due_ms > now_ms)
        return NULL;
    owed = owed_of(first);
    owed->is_running = true;
    (void)heap_put(&all->due, &owed->due, CLOCK_NEVER);
    return owed;
}

int64_t owed_next_ms(const struct owed_table *all)
{
    const struct heap_node *first = heap_first(&all->due);

    return first != NULL ? first->due_ms : CLOCK_NEVER;
}

enum report_kind owed_first_kind(const struct owed *owed)
{
    int kind = REPORT_FAILURE;

    while (kind < REPORT_KINDS - 1 && !owed->kinds[kind])
        kind++;
    return (enum report_kind)kind;
}

static bool owes_nothing(const struct owed *owed)
{
    for (int kind = 0; kind < REPORT_KINDS; kind++) {
        if (owed->kinds[kind])
            return false;
    }
    return true;
}

void owed_settle(struct owed_table *all, struct owed *owed, sluice_status status,
                 int64_t backoff_max_ms, int64_t now_ms)
{
    owed->is_running = false;
    if (status == SLUICE_OK) {
        owed->backoff_ms = 0;
        owed->crashes = 0;
    } else {
        owed->backoff_ms = owed->backoff_ms > 0 ? 2 * owed->backoff_ms : BACKOFF_MIN_MS;
        if (owed->backoff_ms > backoff_max_ms)
            owed->backoff_ms = backoff_max_ms;
    }
    if (owes_nothing(owed))
        owed_drop(all, owed);
    else
        (void)heap_put(&all->due, &owed->due, now_ms + owed->backoff_ms);
}

void owed_done(struct owed_table *all)
{
    struct owed *owed;
    struct owed *next;

    HASH_ITER(hh, all->table, owed, next)
    owed_drop(all, owed);
    heap_done(&all->due);
}
