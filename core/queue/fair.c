/* SPDX-License-Identifier: ISC */
/*
 * fair: a heap of sites for each pace; the best of their firsts that may have a place is next.
 */
#include "queue/fair.h"

#include "queue/site.h"

#include <assert.h>

#define RESERVE_PART 8 /* of the places; an unknown site leaves one part, a slow one two */
#define LEARN_PART 4   /* of what an attempt tells goes into the average */
#define ATTEMPT_MAX_MS ((int64_t)10 * FAIR_SLOW_MS) /* so that a slow site can become a brisk one */
#define TURN_BITS 40

static struct site *site_of(struct heap_node *node)
{
    return (struct site *)(void *)((char *)node - offsetof(struct site, node));
}

static enum pace pace_of(const struct site *site)
{
    if (site->attempt_ms == 0)
        return PACE_UNKNOWN;
    return site->attempt_ms > FAIR_SLOW_MS ? PACE_SLOW : PACE_BRISK;
}

void fair_learn(struct site *site, int64_t attempt_ms)
{
    if (attempt_ms > ATTEMPT_MAX_MS)
        attempt_ms = ATTEMPT_MAX_MS;
    if (attempt_ms < 1)
        attempt_ms = 1; /* 0: nothing is known */
    if (site->attempt_ms == 0)
        site->attempt_ms = attempt_ms;
    else
        site->attempt_ms += (attempt_ms - site->attempt_ms) / LEARN_PART;
}

void fair_done(struct fair *fair)
{
    for (size_t i = 0; i < PACES; i++)
        heap_done(&fair->sites[i]);
}

bool fair_reserve(struct fair *fair, size_t count)
{
    for (size_t i = 0; i < PACES; i++) {
        if (!heap_reserve(&fair->sites[i], count))
            return false;
    }
    return true;
}

void fair_put(struct fair *fair, struct site *site)
{
    enum pace pace = pace_of(site);

    if (site->node.place == 0)
        site->turn = fair->turn++;
    else if (pace != site->pace)
        fair_remove(fair, site);
    site->pace = pace;
    bool is_in = heap_put(&fair->sites[pace], &site->node,
                          ((int64_t)site->in_flight << TURN_BITS) + site->turn);
    assert(is_in); /* room was reserved */
    (void)is_in;
}

void fair_remove(struct fair *fair, struct site *site)
{
    heap_remove(&fair->sites[site->pace], &site->node);
}

static bool may_have_place(const struct site *site, const struct places *places)
{
    size_t reserve = places->total * site->pace / RESERVE_PART;

    return places->free > reserve && site->in_flight < places->free - reserve;
}

struct site *fair_next(const struct fair *fair, const struct places *places)
{
    struct heap_node *best = NULL;

    for (size_t i = 0; i < PACES; i++) {
        struct heap_node *first = heap_first(&fair->sites[i]);

        /* If the first may not, none of its heap may: it has the fewest under way. */
        if (first != NULL && may_have_place(site_of(first), places) &&
            (best == NULL || first->due_ms < best->due_ms))
            best = first;
    }
    return best != NULL ? site_of(best) : NULL;
}
