/* SPDX-License-Identifier: ISC */
/* start: takes up what is in the folder. See doc/log-store.md. */
#include "log.h"

#include "checkpoint.h"
#include "name.h"

#include "../common/failure.h"
#include "../common/folder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct numbers {
    uint32_t *items;
    size_t count;
    size_t capacity;
};

/* What lies in the folder, in ascending order. */
struct found {
    const struct sluice_errors *errors;
    bool is_lenient; /* what is not of this store is explained, and left out */
    struct numbers numbers[NAME_KINDS];
    struct head *heads; /* of the segments that were begun */
    size_t head_count;
    struct numbers unused; /* segments that were not */
};

static void found_done(struct found *found)
{
    for (int kind = 0; kind < NAME_KINDS; kind++)
        free(found->numbers[kind].items);
    free(found->unused.items);
    free(found->heads);
}

/* ---- names ---------------------------------------------------------------------------------- */

static sluice_status add_number(struct numbers *numbers, uint32_t number,
                                const struct sluice_errors *errors)
{
    if (numbers->count == numbers->capacity) {
        size_t capacity = numbers->capacity * 2 + 64;
        uint32_t *items = realloc(numbers->items, capacity * sizeof(*items));

        if (items == NULL)
            return failure(errors, SLUICE_TEMP, "4.3.0", "no memory for the segments");
        numbers->items = items;
        numbers->capacity = capacity;
    }
    numbers->items[numbers->count++] = number;
    return SLUICE_OK;
}

static sluice_status visit_name(void *user, const char *name)
{
    struct found *found = user;
    enum name_kind kind;
    uint32_t number;
    sluice_status st;

    if (name_parse(name, &kind, &number))
        return add_number(&found->numbers[kind], number, found->errors);
    if (strcmp(name, FOLDER_LOCK) == 0 || strcmp(name, FOLDER_RESERVE) == 0 ||
        strcmp(name, FOLDER_ROOM) == 0 || strcmp(name, LARGE_FOLDER) == 0)
        return SLUICE_OK;
    st = folder_foreign(name, found->errors);
    return found->is_lenient ? SLUICE_OK : st;
}

static int compare_numbers(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static bool has_number(const struct numbers *numbers, uint32_t number)
{
    return numbers->count > 0 && bsearch(&number, numbers->items, numbers->count, sizeof(number),
                                         compare_numbers) != NULL;
}

static sluice_status find_names(struct sluice_queue *queue, struct found *found)
{
    sluice_status st = folder_list(queue->folder, visit_name, found, found->errors);

    for (int kind = 0; st == SLUICE_OK && kind < NAME_KINDS; kind++) {
        struct numbers *numbers = &found->numbers[kind];

        if (numbers->count == 0)
            continue;
        qsort(numbers->items, numbers->count, sizeof(*numbers->items), compare_numbers);
        if (numbers->items[numbers->count - 1] > queue->last_number)
            queue->last_number = numbers->items[numbers->count - 1];
    }
    return st;
}

/* What a process that was killed made or deleted counts from here on. */
static sluice_status sync_names(const struct sluice_queue *queue,
                                const struct sluice_errors *errors)
{
    return fsync(queue->folder) == 0 ? SLUICE_OK
                                     : failure_errno(errors, "cannot sync", "the folder");
}

/* ---- segments ------------------------------------------------------------------------------- */

/* Those that were never begun say nothing about the others. */
static sluice_status read_heads(struct sluice_queue *queue, struct found *found)
{
    const struct numbers *segments = &found->numbers[NAME_SEGMENT];
    struct head_hints hints = {.may_search = found->is_lenient};
    sluice_status st = SLUICE_OK;

    found->heads = calloc(segments->count + 1, sizeof(*found->heads));
    if (found->heads == NULL)
        return failure(found->errors, SLUICE_TEMP, "4.3.0", "no memory for the segments");
    for (size_t i = 0; st == SLUICE_OK && i < segments->count; i++) {
        struct head *head = &found->heads[found->head_count];

        st = head_read(queue->folder, segments->items[i], &hints, found->errors, head);
        if (st == SLUICE_OK && head_is_unused(head))
            st = add_number(&found->unused, head->number, found->errors);
        else if (st == SLUICE_OK)
            hints.least = found->heads[found->head_count++].header.first;
        else if (found->is_lenient)
            st = SLUICE_OK;
    }
    return st;
}

/*
 * The last segment's header says how many messages there were when it was begun. Whoever of them was not
 * found in the segments before it has gone since, and then the last segment says so, or has been
 * copied to it; or else a segment is missing.
 */
static bool are_all_there(const struct sluice_queue *queue, const struct head *last,
                          uint64_t found_before, const struct sluice_errors *errors)
{
    uint64_t known = found_before + queue->ledger.strangers;

    if (last->is_made_up || last->header.messages <= known)
        return true;
    (void)failure(errors, SLUICE_TEMP, "4.3.0",
                  "%" PRIu64 " messages are missing: a segment is gone, or cannot be read",
                  last->header.messages - known);
    return false;
}

static sluice_status replay(struct sluice_queue *queue, const struct found *found,
                            bool *ret_is_damaged)
{
    sluice_status st = SLUICE_OK;
    uint64_t before = 0;

    *ret_is_damaged = false;
    for (size_t i = 0; st == SLUICE_OK && i < found->head_count; i++) {
        const struct head *head = &found->heads[i];
        const struct head *next = i + 1 < found->head_count ? head + 1 : NULL;

        before = queue->ledger.index.count;
        queue->ledger.strangers = 0;
        st = log_replay(queue, head, next, i > 0 ? head[-1].number : 0, found->errors,
                        ret_is_damaged);
        if (st == SLUICE_OK && next == NULL && !are_all_there(queue, head, before, found->errors))
            *ret_is_damaged = true;
    }
    return st;
}

/* ---- the rest ------------------------------------------------------------------------------- */

/* A large file is wanted if its message is there, and is large. */
static bool is_wanted(void *user, uint64_t id)
{
    const struct sluice_queue *queue = user;
    const struct index_entry *entry = index_find(&queue->ledger.index, id);

    return entry != NULL && entry->is_large;
}

/* In a damaged store what looks like an orphan may belong to a message that cannot be read. */
static bool is_wanted_by_all(void *user, uint64_t id)
{
    (void)user;
    (void)id;
    return true;
}

static void take_up_spares(struct sluice_queue *queue, const struct found *found)
{
    const struct numbers *spares = &found->numbers[NAME_SPARE];

    for (size_t i = 0; i < spares->count; i++) {
        if (has_number(&found->numbers[NAME_SEGMENT], spares->items[i]))
            (void)name_unlink(queue->folder, NAME_SPARE, spares->items[i]);
        else
            spare_found(queue, spares->items[i]);
    }
    for (size_t i = 0; i < found->unused.count; i++)
        spare_found_unused(queue, found->unused.items[i]);
}

static void drop_orphans(const struct sluice_queue *queue, const struct found *found)
{
    const struct numbers *checkpoints = &found->numbers[NAME_CHECKPOINT];

    for (size_t i = 0; i < checkpoints->count; i++) {
        if (!has_number(&found->numbers[NAME_SEGMENT], checkpoints->items[i]))
            (void)name_unlink(queue->folder, NAME_CHECKPOINT, checkpoints->items[i]);
    }
}

static sluice_status take_up(struct sluice_queue *queue, struct found *found)
{
    bool is_damaged;
    sluice_status st = find_names(queue, found);

    if (st == SLUICE_OK)
        st = sync_names(queue, found->errors);
    if (st == SLUICE_OK)
        st = large_open(&queue->large, queue->folder, LOG_CONTENT_MAX, found->errors);
    if (st == SLUICE_OK)
        st = read_heads(queue, found);
    if (st == SLUICE_OK)
        st = replay(queue, found, &is_damaged);
    if (st == SLUICE_OK)
        st = large_sweep(&queue->large, is_damaged ? is_wanted_by_all : is_wanted, queue,
                         found->errors);
    if (st != SLUICE_OK)
        return st;
    take_up_spares(queue, found);
    drop_orphans(queue, found);
    log_lock(queue);
    (void)log_reap(queue);
    (void)log_keep_back(queue); /* or later */
    log_unlock(queue);
    return SLUICE_OK;
}

sluice_status log_start(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    struct found found = {.errors = errors};
    sluice_status st = take_up(queue, &found);

    found_done(&found);
    return st;
}

/* ---- only to look at it --------------------------------------------------------------------- */

/* A wrong one is passed over by log_start(), and so would never be noticed. */
static sluice_status check_checkpoints(const struct sluice_queue *queue, const struct found *found)
{
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; st == SLUICE_OK && i < found->head_count; i++) {
        const struct head *head = &found->heads[i];
        struct checkpoint checkpoint;

        if (!has_number(&found->numbers[NAME_CHECKPOINT], head->number))
            continue;
        st = checkpoint_open(queue->folder, head->number, head->header.salt, &checkpoint);
        if (st == SLUICE_OK)
            checkpoint_close(&checkpoint);
        else if (st == SLUICE_NOT_FOUND)
            (void)failure(found->errors, SLUICE_TEMP, "4.3.0",
                          "%08x.chk is damaged at 0: it is not that of the segment", head->number);
        if (st == SLUICE_NOT_FOUND)
            st = SLUICE_OK;
    }
    return st;
}

static sluice_status examine(struct sluice_queue *queue, struct found *found)
{
    bool is_damaged;
    sluice_status st = find_names(queue, found);

    large_open_to_read(&queue->large, queue->folder);
    if (st == SLUICE_OK)
        st = read_heads(queue, found);
    if (st == SLUICE_OK)
        st = replay(queue, found, &is_damaged);
    if (st == SLUICE_OK)
        st = check_checkpoints(queue, found);
    return st;
}

sluice_status log_examine(const char *folder, const struct sluice_errors *errors,
                          struct sluice_queue **ret_queue)
{
    struct found found = {.errors = errors, .is_lenient = true};
    struct sluice_queue *queue = log_new();
    sluice_status st;

    if (queue == NULL)
        return failure(errors, SLUICE_TEMP, "4.3.0", "no memory for the store");
    queue->is_examined = true;
    st = folder_open_to_read(folder, errors, &queue->folder, &queue->folder_lock);
    if (st == SLUICE_OK)
        st = examine(queue, &found);
    found_done(&found);
    if (st != SLUICE_OK) {
        log_close(queue);
        return st;
    }
    *ret_queue = queue;
    return SLUICE_OK;
}
