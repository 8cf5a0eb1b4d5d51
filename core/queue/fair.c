/* SPDX-License-Identifier: ISC */
/*
 * fair: a heap of sites for each pace; the best of their firsts that may have a place is next.
 */
#include "queue/fair.h"

#include "queue/site.h"

#include <assert.h>

#define SHARE_PARTS 8  /* of the places: slow sites have all but two, with unknown ones all but one */
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

static void set_attempt(struct fair *fair, struct site *site, int64_t attempt_ms)
{
    site->attempt_ms = attempt_ms;
    enum pace pace = pace_of(site);
    if (pace == site->pace)
        return;
    bool is_runnable = site->place == SITE_RUNNABLE;
    if (is_runnable)
        fair_remove(fair, site);
    fair->under_way[site->pace] -= site->in_flight;
    fair->under_way[pace] += site->in_flight;
    site->pace = pace;
    if (is_runnable)
        fair_put(fair, site);
}

void fair_learn(struct fair *fair, struct site *site, int64_t attempt_ms)
{
    if (attempt_ms > ATTEMPT_MAX_MS)
        attempt_ms = ATTEMPT_MAX_MS;
    if (attempt_ms < 1)
        attempt_ms = 1; /* 0: nothing is known */
    if (site->attempt_ms != 0)
        attempt_ms = site->attempt_ms + (attempt_ms - site->attempt_ms) / LEARN_PART;
    set_attempt(fair, site, attempt_ms);
}

void fair_restore(struct fair *fair, struct site *site, int64_t attempt_ms)
{
    set_attempt(fair, site, attempt_ms);
}

void fair_begin(struct fair *fair, struct site *site)
{
    site->in_flight++;
    fair->under_way[site->pace]++;
}

void fair_end(struct fair *fair, struct site *site)
{
    assert(site->in_flight > 0);
    site->in_flight--;
    fair->under_way[site->pace]--;
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
    if (site->node.place == 0)
        site->turn = fair->turn++;
    bool is_in = heap_put(&fair->sites[site->pace], &site->node,
                          ((int64_t)site->in_flight << TURN_BITS) + site->turn);
    assert(is_in); /* room was reserved */
    (void)is_in;
}

void fair_remove(struct fair *fair, struct site *site)
{
    heap_remove(&fair->sites[site->pace], &site->node);
}

/* What is left for sites of that pace. */
static size_t room_for(const struct fair *fair, enum pace pace, const struct places *places)
{
    size_t share = places->total - places->total * pace / SHARE_PARTS;
    size_t under_way = 0;

    if (pace == PACE_BRISK)
        return places->free;
    for (size_t i = pace; i < PACES; i++)
        under_way += fair->under_way[i];
    if (under_way >= share)
        return 0;
    return share - under_way < places->free ? share - under_way : places->free;
}

struct site *fair_next(const struct fair *fair, const struct places *places)
{
    struct heap_node *best = NULL;

    for (size_t i = 0; i < PACES; i++) {
        struct heap_node *first = heap_first(&fair->sites[i]);

        if (first == NULL || (best != NULL && best->due_ms < first->due_ms))
            continue;
        /* If the first may not go, none of its heap may: it has the fewest under way. */
        if (site_of(first)->in_flight < room_for(fair, i, places))
            best = first;
    }
    return best != NULL ? site_of(best) : NULL;
}
