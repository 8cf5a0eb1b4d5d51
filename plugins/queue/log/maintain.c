/* SPDX-License-Identifier: ISC */
/*
 * maintain: what a store does beside its batches, on the host's other thread.
 *
 * A table of steps, the most urgent one first. Each does one piece of its work and says whether there
 * was any. A step takes the store's lock for what it changes, and lets go of it while it waits for the
 * disk, so that batches go on.
 */
#include "log.h"

#include "checkpoint.h"
#include "name.h"

#include "../common/failure.h"
#include "../common/folder.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

typedef sluice_status maintain_step(struct sluice_queue *queue, const struct sluice_errors *errors);

/* ---- segments that nobody needs -------------------------------------------------------------- */

/* Called with the lock, as all in this section. What cannot be moved away is still there. */
static void retire(struct sluice_queue *queue, struct segment *segment)
{
    segment->is_retired = true;
    segment->is_retired = spare_retire(queue, segment->number, segment->size);
    queue->has_retired |= segment->is_retired;
}

static void retire_useless(struct sluice_queue *queue)
{
    struct segment *segment;
    uint32_t after = 0;

    while ((segment = ledger_find_useless(&queue->ledger, queue->current, after)) != NULL) {
        after = segment->number;
        retire(queue, segment);
    }
}

/* A segment counts as there until the folder is synced: before that a power cut brings it back,
 * and whatever must outlive it must be there then. */
static bool forget_retired(struct sluice_queue *queue)
{
    bool is_synced;

    log_unlock(queue);
    is_synced = fsync(queue->folder) == 0;
    log_lock(queue);
    if (!is_synced)
        return false;
    pthread_rwlock_wrlock(&queue->guard);
    ledger_forget_retired(&queue->ledger);
    spare_settle(queue);
    queue->has_retired = false;
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
        retire_useless(queue);
        if (!queue->has_retired)
            break;
        queue->ledger.may_reap = true; /* what these needed may be useless now */
        if (!forget_retired(queue))
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
    log_lock(queue);
    has_reaped = log_reap(queue);
    log_unlock(queue);
    return has_reaped ? SLUICE_OK : SLUICE_NOT_FOUND;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* The oldest that lacks one, but not the segment that was left last: where mail does not wait, most of
 * that will not be needed for long. And not before the next header is on disk: it says what counts. */
static struct segment *find_without_checkpoint(const struct ledger *ledger)
{
    struct segment *segment;

    for (segment = ledger->segments; segment != NULL; segment = segment->hh.next) {
        const struct segment *next = segment->hh.next;

        if (next == NULL || next->hh.next == NULL)
            return NULL;
        if (!segment->has_checkpoint && !segment->has_no_checkpoint && !segment->is_damaged &&
            !segment->is_retired && segment->frames > 0)
            return segment;
    }
    return NULL;
}

static struct checkpoint_header known_of(const struct segment *segment)
{
    return (struct checkpoint_header){.number = segment->number,
                                      .salt = segment->salt,
                                      .last = segment->last,
                                      .end = segment->end,
                                      .count = segment->frames};
}

static sluice_status write_checkpoint(const struct sluice_queue *queue,
                                      const struct checkpoint_header *known,
                                      const struct sluice_errors *errors)
{
    sluice_status st;
    int fd;

    st = segment_open(queue->folder, known->number, O_RDONLY, errors, &fd);
    if (st != SLUICE_OK)
        return st;
    st = checkpoint_write(queue->folder, fd, known, errors);
    close(fd);
    return st;
}

/* Meanwhile a batch that could not wait may have given the segment up. */
static sluice_status note_checkpoint(struct sluice_queue *queue, uint32_t number, sluice_status st)
{
    struct segment *segment = ledger_find_segment(&queue->ledger, number);

    if (segment == NULL || segment->is_retired) {
        (void)name_unlink(queue->folder, NAME_CHECKPOINT, number);
        return SLUICE_NOT_FOUND;
    }
    segment->has_checkpoint = st == SLUICE_OK;
    segment->has_no_checkpoint = st != SLUICE_OK;
    return st;
}

static sluice_status checkpoint(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    const struct segment *segment;
    sluice_status st = SLUICE_NOT_FOUND;

    log_lock(queue);
    segment = find_without_checkpoint(&queue->ledger);
    if (segment != NULL && folder_free_bytes(queue->folder) >= segment->size) {
        struct checkpoint_header known = known_of(segment);

        log_unlock(queue);
        st = write_checkpoint(queue, &known, errors);
        log_lock(queue);
        st = note_checkpoint(queue, known.number, st);
    }
    log_unlock(queue);
    return st;
}

/* ---- what is kept back ----------------------------------------------------------------------- */

/* What is kept back comes first when there is room again. */
static sluice_status keep_back(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    bool was_whole;
    bool is_whole;

    (void)errors;
    log_lock(queue);
    was_whole = queue->reserve.is_whole && queue->room.is_whole;
    is_whole = log_keep_back(queue);
    log_unlock(queue);
    return is_whole && !was_whole ? SLUICE_OK : SLUICE_NOT_FOUND;
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
    static maintain_step *const steps[] = {keep_back, spare_prepare, reap, checkpoint, log_compact};
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

    log_lock(queue);
    queue->is_maintained = true;
    log_unlock(queue);
    do {
        st = take_steps(queue, errors);
    } while (st == SLUICE_OK && now_ms() < deadline_ms);
    return st;
}
