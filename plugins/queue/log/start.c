/* SPDX-License-Identifier: ISC */
/* start: takes up what is in the folder. See doc/log-store.md. */
#include "log.h"

#include "name.h"

#include "../common/failure.h"
#include "../common/folder.h"

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

    if (name_parse(name, &kind, &number))
        return add_number(&found->numbers[kind], number, found->errors);
    if (strcmp(name, FOLDER_LOCK) == 0 || strcmp(name, FOLDER_RESERVE) == 0 ||
        strcmp(name, LARGE_FOLDER) == 0)
        return SLUICE_OK;
    return folder_foreign(name, found->errors);
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
    /* What a process that was killed made or deleted counts from here on. */
    if (st == SLUICE_OK && fsync(queue->folder) == -1)
        st = failure_errno(found->errors, "cannot sync", "the folder");
    return st;
}

/* ---- segments ------------------------------------------------------------------------------- */

/* Those that were never begun say nothing about the others. */
static sluice_status read_heads(struct sluice_queue *queue, struct found *found)
{
    const struct numbers *segments = &found->numbers[NAME_SEGMENT];
    sluice_status st = SLUICE_OK;

    found->heads = calloc(segments->count + 1, sizeof(*found->heads));
    if (found->heads == NULL)
        return failure(found->errors, SLUICE_TEMP, "4.3.0", "no memory for the segments");
    for (size_t i = 0; st == SLUICE_OK && i < segments->count; i++) {
        struct head *head = &found->heads[found->head_count];

        st = head_read(queue->folder, segments->items[i], found->errors, head);
        if (st == SLUICE_OK && head_is_unused(head))
            st = add_number(&found->unused, head->number, found->errors);
        else if (st == SLUICE_OK)
            found->head_count++;
    }
    return st;
}

static sluice_status replay(struct sluice_queue *queue, const struct found *found,
                            bool *ret_is_damaged)
{
    sluice_status st = SLUICE_OK;

    *ret_is_damaged = false;
    for (size_t i = 0; st == SLUICE_OK && i < found->head_count; i++) {
        const struct head *head = &found->heads[i];
        const struct head *next = i + 1 < found->head_count ? head + 1 : NULL;

        st = log_replay(queue, head, next, i > 0 ? head[-1].number : 0, found->errors,
                        ret_is_damaged);
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
        st = large_open(&queue->large, queue->folder, found->errors);
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
    pthread_mutex_lock(&queue->lock);
    (void)log_reap(queue);
    pthread_mutex_unlock(&queue->lock);
    queue->has_reserve = folder_reserve_fill(queue->folder, queue->reserve_size);
    return SLUICE_OK;
}

sluice_status log_start(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    struct found found = {.errors = errors};
    sluice_status st = take_up(queue, &found);

    found_done(&found);
    return st;
}
