/* SPDX-License-Identifier: ISC */
/*
 * pick: a look at the credit of each deliver process; there are few.
 */
#include "queue/pick.h"

#include "queue/dispatch.h"
#include "queue/state.h"

#include <utlist.h>

static uint64_t credit_left(const struct deliver_link *link)
{
    return link->credit_messages > link->used_messages
               ? link->credit_messages - link->used_messages
               : 0;
}

static bool has_room(const struct deliver_link *link)
{
    return link->channel != NULL && credit_left(link) > 0 &&
           (link->used_bytes == 0 || link->used_bytes + CONTENT_MEMORY_MAX <= link->credit_bytes);
}

static bool is_of_crew(const struct deliver_link *link, unsigned crew)
{
    return !link->is_isolated && link->crew == crew;
}

struct places pick_places(const struct queue *queue, unsigned crew)
{
    struct places places = {.crew = crew};
    const struct deliver_link *link;

    DL_FOREACH(queue->delivers, link)
    {
        if (!is_of_crew(link, crew) || link->channel == NULL)
            continue;
        places.total += link->credit_messages;
        places.free += credit_left(link);
    }
    return places;
}

struct deliver_link *pick_any(const struct queue *queue, unsigned crew)
{
    struct deliver_link *best = NULL;
    struct deliver_link *link;

    DL_FOREACH(queue->delivers, link)
    {
        if (is_of_crew(link, crew) && has_room(link) &&
            (best == NULL || credit_left(link) > credit_left(best)))
            best = link;
    }
    return best;
}

struct deliver_link *pick_current(const struct queue *queue, unsigned crew)
{
    struct deliver_link *found = NULL;
    struct deliver_link *link;

    DL_FOREACH(queue->delivers, link)
    {
        if (link->channel != NULL && !link->is_isolated && link->crew == crew &&
            link->generation == queue->role->generation &&
            (found == NULL || link->index < found->index))
            found = link;
    }
    return found;
}

/* The process that has the site's connections, or NULL. */
static struct deliver_link *find_connected(const struct queue *queue, const struct site *site,
                                           int64_t now_ms)
{
    struct deliver_link *link = NULL;

    if (site->in_flight > 1 || now_ms < site->connected_until_ms)
        DL_SEARCH_SCALAR(queue->delivers, link, pid, site->deliver_pid);
    return link;
}

struct deliver_link *pick_for_site(struct queue *queue, struct site *site, int64_t now_ms)
{
    struct deliver_link *connected = find_connected(queue, site, now_ms);

    if (connected != NULL && is_of_crew(connected, site->limits.crew) && has_room(connected))
        return connected;
    struct deliver_link *link = pick_any(queue, site->limits.crew);
    DL_DELETE(queue->delivers, link);
    DL_APPEND(queue->delivers, link); /* the others come first next time */
    if (connected == NULL) /* else it keeps the site, for when it has room again */
        site->deliver_pid = link->pid;
    return link;
}

void pick_kept(const struct queue *queue, struct site *site, int64_t now_ms)
{
    site->connected_until_ms = now_ms + queue->settings.connection_cache_ms;
}

struct deliver_link *pick_isolated(const struct queue *queue, int64_t now_ms)
{
    struct deliver_link *link;

    DL_FOREACH(queue->delivers, link)
    {
        if (link->is_isolated && link->crew == queue->suspects.crew && has_room(link))
            break;
    }
    return link != NULL && suspects_can_take(&queue->suspects, now_ms) ? link : NULL;
}
