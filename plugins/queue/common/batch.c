/* SPDX-License-Identifier: ISC */
/* batch: the changes of one apply(), looked at as a whole before any of them is made. */
#include "batch.h"

#include "failure.h"

#include <inttypes.h>
#include <stdlib.h>

/* A change by id, then by its place in the batch: what happens to each id lies together. */
struct touch {
    uint64_t id;
    size_t index;
};

const struct sluice_queue_change *batch_get(const struct batch *batch, size_t index)
{
    const char *first = (const char *)batch->changes;

    return (const struct sluice_queue_change *)(const void *)(first + index * batch->change_size);
}

bool batch_has_put(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch_get(batch, i)->kind == SLUICE_QUEUE_PUT)
            return true;
    }
    return false;
}

uint64_t batch_bytes(const struct batch *batch)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < batch->count; i++) {
        const struct sluice_queue_change *change = batch_get(batch, i);

        if (change->kind != SLUICE_QUEUE_REMOVE)
            bytes += change->record.len;
        if (change->kind == SLUICE_QUEUE_PUT && change->content_fd == -1)
            bytes += change->content.len;
    }
    return bytes;
}

static int touch_compare(const void *left, const void *right)
{
    const struct touch *a = left;
    const struct touch *b = right;

    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

enum presence { ABSENT, PRESENT, REMOVED };

/* One change to an id; *presence becomes what it is afterwards. An id that was removed never comes
 * back: ids are not used again. */
static sluice_status check_change(const struct sluice_queue_change *change, enum presence *presence,
                                  const struct sluice_errors *errors)
{
    bool is_put = change->kind == SLUICE_QUEUE_PUT;

    if (change->kind < SLUICE_QUEUE_PUT || change->kind > SLUICE_QUEUE_REMOVE)
        return failure(errors, SLUICE_UNSUPPORTED, NULL, "change of unknown kind %d", change->kind);
    if (*presence != (is_put ? ABSENT : PRESENT))
        return failure(errors, SLUICE_PERM, NULL, "message %016" PRIX64 " is %s", change->id,
                       is_put ? "there already" : "not there");
    *presence = change->kind == SLUICE_QUEUE_REMOVE ? REMOVED : PRESENT;
    return SLUICE_OK;
}

static sluice_status check_touches(const struct batch *batch, const struct touch *touches,
                                   batch_exists *exists, void *user,
                                   const struct sluice_errors *errors)
{
    enum presence presence = ABSENT;

    for (size_t i = 0; i < batch->count; i++) {
        sluice_status st;

        if (i == 0 || touches[i].id != touches[i - 1].id) {
            st = exists(user, touches[i].id);
            if (st != SLUICE_OK && st != SLUICE_NOT_FOUND)
                return failure(errors, st, "4.3.0", "message %016" PRIX64 " cannot be looked up",
                               touches[i].id);
            presence = st == SLUICE_OK ? PRESENT : ABSENT;
        }
        st = check_change(batch_get(batch, touches[i].index), &presence, errors);
        if (st != SLUICE_OK)
            return st;
    }
    return SLUICE_OK;
}

sluice_status batch_check(const struct batch *batch, batch_exists *exists, void *user,
                          const struct sluice_errors *errors)
{
    struct touch *touches;
    sluice_status st;

    if (batch->count == 0)
        return SLUICE_OK;
    touches = calloc(batch->count, sizeof(*touches));
    if (touches == NULL)
        return failure(errors, SLUICE_TEMP, "4.3.0", "no memory for a batch");
    for (size_t i = 0; i < batch->count; i++)
        touches[i] = (struct touch){batch_get(batch, i)->id, i};
    qsort(touches, batch->count, sizeof(*touches), touch_compare);
    st = check_touches(batch, touches, exists, user, errors);
    free(touches);
    return st;
}
