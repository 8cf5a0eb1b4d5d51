/* SPDX-License-Identifier: ISC */
/*
 * maintain: what a store does beside its batches, on the host's other thread.
 *
 * A table of steps, the most urgent one first. Each does one piece of its work and says whether there
 * was any. A step takes the store's lock for what it changes, and lets go of it while it waits for the
 * disk, so that batches go on.
 */
#include "log.h"

#include "../common/failure.h"

#include <time.h>
#include <unistd.h>

typedef sluice_status maintain_step(struct sluice_queue *queue, const struct sluice_errors *errors);

/* ---- segments that nobody needs -------------------------------------------------------------- */

/* Called with the lock, as all in this section. What the disk will not unlink is still there. */
static void unlink_segment(struct sluice_queue *queue, struct segment *segment)
{
    bool is_gone;

    segment->is_unlinked = true;
    pthread_mutex_unlock(&queue->lock);
    is_gone = segment_unlink(queue->folder, segment->number);
    pthread_mutex_lock(&queue->lock);
    segment->is_unlinked = is_gone;
    queue->has_unlinked |= is_gone;
}

static void unlink_useless(struct sluice_queue *queue)
{
    struct segment *segment;
    uint32_t after = 0;

    while ((segment = ledger_find_useless(&queue->ledger, queue->current, after)) != NULL) {
        after = segment->number;
        unlink_segment(queue, segment);
    }
}

/* A segment counts as there until the folder is synced: before that a power cut brings it back,
 * and whatever must outlive it must be there then. */
static bool forget_unlinked(struct sluice_queue *queue)
{
    bool is_synced;

    pthread_mutex_unlock(&queue->lock);
    is_synced = fsync(queue->folder) == 0;
    pthread_mutex_lock(&queue->lock);
    if (!is_synced)
        return false;
    pthread_rwlock_wrlock(&queue->guard);
    ledger_forget_unlinked(&queue->ledger);
    queue->has_unlinked = false;
    pthread_rwlock_unlock(&queue->guard);
    return true;
}

bool log_reap(struct sluice_queue *queue)
{
    bool has_reaped = false;

    if (queue->is_reaping)
        return false;
    queue->is_reaping = true;
    while (queue->ledger.may_reap) {
        queue->ledger.may_reap = false;
        unlink_useless(queue);
        if (!queue->has_unlinked)
            break;
        queue->ledger.may_reap = true; /* what these needed may be useless now */
        if (!forget_unlinked(queue))
            break;
        has_reaped = true;
    }
    queue->is_reaping = false;
    return has_reaped;
}

static sluice_status reap(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    bool has_reaped;

    (void)errors; /* what stays is tried again, and found by the next start */
    pthread_mutex_lock(&queue->lock);
    has_reaped = log_reap(queue);
    pthread_mutex_unlock(&queue->lock);
    return has_reaped ? SLUICE_OK : SLUICE_NOT_FOUND;
}

/* ---- the steps ------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Each step once. A step that fails is explained and holds up no other: the next may be what makes
 * room for it. */
static sluice_status take_steps(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    static maintain_step *const steps[] = {reap};
    sluice_status result = SLUICE_NOT_FOUND;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        sluice_status st = steps[i](queue, errors);

        if (st == SLUICE_OK || (st != SLUICE_NOT_FOUND && result == SLUICE_NOT_FOUND))
            result = st;
    }
    return result;
}

sluice_status log_maintain(struct sluice_queue *queue, int64_t budget_ms,
                           const struct sluice_errors *errors)
{
    int64_t deadline_ms = now_ms() + budget_ms;
    sluice_status st;

    pthread_mutex_lock(&queue->lock);
    queue->is_maintained = true;
    pthread_mutex_unlock(&queue->lock);
    do {
        st = take_steps(queue, errors);
    } while (st == SLUICE_OK && now_ms() < deadline_ms);
    return st;
}
