/* SPDX-License-Identifier: ISC */
/*
 * lease: the mark, and the record that holds it.
 */
#include "queue/lease.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "queue/intake.h"
#include "queue/state.h"

#define TAG_MARK 1

sluice_status lease_restore(struct lease *lease, struct sluice_span record)
{
    struct codec_field field;
    sluice_status st;

    while ((st = codec_next(&record, &field)) == SLUICE_OK) {
        if (field.tag == TAG_MARK)
            lease->mark = codec_number(field.bytes);
    }
    lease->is_stored = true;
    return st == SLUICE_NOT_FOUND && lease->mark > 0 ? SLUICE_OK : SLUICE_PERM;
}

void lease_start(struct lease *lease, struct queue *queue)
{
    lease->queue = queue;
    lease->next =
        lease->mark > 0 ? lease->mark : (uint64_t)(clock_wall_ms() / 1000) << LEASE_TIME_SHIFT;
}

static void on_raised(struct store_change *change, sluice_status status, const struct error *err)
{
    struct lease *lease = (struct lease *)(void *)((char *)change - offsetof(struct lease, change));

    lease->is_raising = false;
    /* PERM for a PUT: a former one, of which nobody could tell, has come about. */
    lease->is_stored = lease->is_stored || status == SLUICE_OK || status == SLUICE_PERM;
    if (status != SLUICE_OK) { /* tried again within a second */
        log_error("no message ids: the mark cannot be stored: %s", err->text);
        return;
    }
    lease->mark = lease->wanted_mark;
    intake_grant_leases(lease->queue);
}

static void raise_mark(struct lease *lease)
{
    if (lease->is_raising)
        return;
    lease->wanted_mark = lease->next + (uint64_t)LEASE_IDS * LEASE_RESERVE_RANGES;
    buffer_clear(&lease->record);
    codec_put_number(&lease->record, TAG_MARK, lease->wanted_mark);
    if (buffer_failed(&lease->record))
        return; /* tried again within a second */
    lease->is_raising = true;
    lease->change = (struct store_change){
        .change = {.kind = lease->is_stored ? SLUICE_QUEUE_UPDATE : SLUICE_QUEUE_PUT,
                   .content_fd = -1,
                   .record = buffer_span(&lease->record)},
        .done = on_raised,
    };
    store_submit(lease->queue->store, &lease->change);
}

bool lease_take(struct lease *lease, uint64_t *ret_first, uint64_t *ret_count)
{
    if (lease->mark < lease->next + LEASE_IDS) {
        raise_mark(lease);
        return false;
    }
    *ret_first = lease->next;
    *ret_count = LEASE_IDS;
    lease->next += LEASE_IDS;
    return true;
}

void lease_done(struct lease *lease)
{
    buffer_done(&lease->record);
}
