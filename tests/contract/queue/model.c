/* SPDX-License-Identifier: ISC */
/* model: what a store must hold after a series of random batches. */
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ODD UINT64_C(0x9E3779B97F4A7C15)
#define ODD_INVERSE UINT64_C(0xF1DE83E19937733D) /* ODD * ODD_INVERSE == 1 */

_Static_assert(ODD *ODD_INVERSE == 1, "ids can be led back to their numbers");

static char wrong[1024];
static sluice_status wrong_status; /* of the read that it is about */

void model_done(struct model *model)
{
    free(model->doubts);
    *model = (struct model){0};
}

/* Scattered over all 64 bits, except 0. */
uint64_t model_id(size_t number)
{
    return number * ODD;
}

static uint64_t id_of(size_t number, const struct model_message *message)
{
    return model_id(number + (size_t)message->generation * MODEL_IDS);
}

uint64_t model_random(uint64_t *state)
{
    uint64_t z = (*state += ODD);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void model_fill(char *bytes, size_t size, uint64_t seed)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t value = model_random(&seed);
        size_t left = size - at;

        memcpy(bytes + at, &value, left < sizeof(value) ? left : sizeof(value));
    }
}

static size_t random_size(uint64_t *state)
{
    switch (model_random(state) % 12) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return 65536;
    case 3:
    case 4:
        return 65537 + model_random(state) % 20000;
    default:
        return model_random(state) % 6000;
    }
}

static void change_record(struct model_message *message, uint64_t *state)
{
    message->flags = (uint32_t)model_random(state);
    message->record_seed = model_random(state);
    message->record_size = (uint32_t)(model_random(state) % 700);
}

/* What happens to a message that the batch picked. */
static int32_t change_message(struct model_message *message, size_t number, uint64_t *state)
{
    if (!message->was_there) {
        change_record(message, state);
        message->is_there = true;
        message->was_there = true;
        message->content_size = number == 0 ? 0 : random_size(state);
        message->is_staged = message->content_size > 65536 && model_random(state) % 2 == 0;
        return SLUICE_QUEUE_PUT;
    }
    if (model_random(state) % 2 == 0 && number != 0) {
        message->is_there = false;
        return SLUICE_QUEUE_REMOVE;
    }
    change_record(message, state);
    return SLUICE_QUEUE_UPDATE;
}

void model_make(const struct model *model, uint64_t seed, size_t k, struct model_batch *batch)
{
    uint64_t state = seed * ODD + k;
    size_t count = 1 + model_random(&state) % MODEL_CHANGES_MAX;
    struct model_message now[MODEL_IDS];

    memcpy(now, model->messages, sizeof(now));
    *batch = (struct model_batch){0};
    for (size_t tries = 0; batch->count < count && tries < 100; tries++) {
        size_t number = model_random(&state) % MODEL_IDS;
        struct model_message *message = &now[number];

        if (message->is_doubtful || (message->was_there && !message->is_there))
            continue;
        batch->numbers[batch->count] = number;
        batch->kinds[batch->count] = change_message(message, number, &state);
        batch->messages[batch->count] = *message;
        batch->count++;
    }
}

#define TIDE_LIFE 3     /* batches that a message stays */
#define TIDE_TURN 22    /* the batch that removes the first message, and those after it */
#define TIDE_SIZE 60000 /* each third one is large */

static void add_put(const struct model *model, size_t number, uint64_t seed,
                    struct model_batch *batch)
{
    struct model_message message = {.is_there = true,
                                    .was_there = true,
                                    .record_size = 100,
                                    .record_seed = seed,
                                    .content_size = number % 3 == 0 ? 70000 : TIDE_SIZE};

    if (model->messages[number].was_there || model->messages[number].is_doubtful)
        return;
    batch->numbers[batch->count] = number;
    batch->kinds[batch->count] = SLUICE_QUEUE_PUT;
    batch->messages[batch->count++] = message;
}

static void add_remove(const struct model *model, size_t number, struct model_batch *batch)
{
    struct model_message message = model->messages[number];

    if (!message.is_there || message.is_doubtful)
        return;
    message.is_there = false;
    batch->numbers[batch->count] = number;
    batch->kinds[batch->count] = SLUICE_QUEUE_REMOVE;
    batch->messages[batch->count++] = message;
}

void model_make_tide(const struct model *model, uint64_t seed, size_t k, struct model_batch *batch)
{
    *batch = (struct model_batch){0};
    add_put(model, k + 1, seed + k, batch);
    if (k > TIDE_LIFE)
        add_remove(model, k + 1 - TIDE_LIFE, batch);
    if (k >= TIDE_TURN)
        add_remove(model, 1, batch);
}

#define SAND_PUTS 4      /* in each batch, ... */
#define SAND_LIFE 3      /* ... of which so many batches later one stays, */
#define SAND_CHANGED 2   /* whose record is changed before */
#define SAND_SIZE 15000

static void add_update(const struct model *model, size_t number, uint64_t seed,
                       struct model_batch *batch)
{
    struct model_message message = model->messages[number];

    if (!message.is_there || message.is_doubtful)
        return;
    message.record_seed = seed;
    batch->numbers[batch->count] = number;
    batch->kinds[batch->count] = SLUICE_QUEUE_UPDATE;
    batch->messages[batch->count++] = message;
}

void model_make_sand(const struct model *model, uint64_t seed, size_t k, struct model_batch *batch)
{
    *batch = (struct model_batch){0};
    for (size_t i = 0; i < SAND_PUTS; i++) {
        add_put(model, 1 + k * SAND_PUTS + i, seed + k, batch);
        if (batch->count > 0)
            batch->messages[batch->count - 1].content_size = SAND_SIZE;
    }
    if (k >= SAND_CHANGED)
        add_update(model, 1 + (k - SAND_CHANGED) * SAND_PUTS, seed + k, batch);
    for (size_t i = 1; k >= SAND_LIFE && i < SAND_PUTS; i++)
        add_remove(model, 1 + (k - SAND_LIFE) * SAND_PUTS + i, batch);
}

#define WALK_TURN 40 /* batches that mostly bring, and then as many that mostly take away */

static uint64_t walk_size(uint64_t *state)
{
    return model_random(state) % 40 == 0 ? 65536 + model_random(state) % 400000
                                         : random_size(state);
}

static bool is_in(const struct model_batch *batch, size_t number)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->numbers[i] == number)
            return true;
    }
    return false;
}

static int32_t walk_message(struct model_message *message, size_t number, bool is_ebb,
                            uint64_t *state)
{
    if (message->is_there) {
        if (number != 0 && model_random(state) % 8 < (is_ebb ? 7 : 2)) {
            message->is_there = false;
            return SLUICE_QUEUE_REMOVE;
        }
        change_record(message, state);
        return SLUICE_QUEUE_UPDATE;
    }
    message->generation += message->was_there;
    change_record(message, state);
    message->is_there = true;
    message->was_there = true;
    message->content_size = number == 0 ? 0 : walk_size(state);
    message->is_staged = message->content_size > 65536 && model_random(state) % 2 == 0;
    return SLUICE_QUEUE_PUT;
}

void model_make_walk(const struct model *model, uint64_t seed, size_t k, struct model_batch *batch)
{
    uint64_t state = seed * ODD + k;
    bool is_ebb = k / WALK_TURN % 2 == 1;
    size_t count = 1 + model_random(&state) % MODEL_CHANGES_MAX;
    struct model_message now[MODEL_IDS];

    memcpy(now, model->messages, sizeof(now));
    *batch = (struct model_batch){0};
    for (size_t tries = 0; batch->count < count && tries < 100; tries++) {
        size_t number = model_random(&state) % MODEL_IDS;
        struct model_message *message = &now[number];

        if (message->is_doubtful || (!message->is_there && is_in(batch, number)))
            continue;
        if (is_ebb && !message->is_there && model_random(&state) % 16 != 0)
            continue;
        batch->numbers[batch->count] = number;
        batch->kinds[batch->count] = walk_message(message, number, is_ebb, &state);
        batch->messages[batch->count] = *message;
        batch->count++;
    }
}

/* ---- sending -------------------------------------------------------------------------------- */

static struct sluice_span filled(size_t size, uint64_t seed)
{
    char *bytes = malloc(size + 1);

    if (bytes == NULL)
        abort();
    model_fill(bytes, size, seed);
    return (struct sluice_span){bytes, size};
}

static sluice_status stage(struct sluice_queue *queue, struct change *change)
{
    struct sluice_span content = change->base.content;
    sluice_status st = subject_stage(queue, change->base.id, &change->base.content_fd);

    if (st != SLUICE_OK)
        return st;
    change->base.content = (struct sluice_span){NULL, 0};
    for (size_t at = 0; at < content.len;) {
        ssize_t wrote = write(change->base.content_fd, content.ptr + at, content.len - at);

        if (wrote <= 0) {
            st = SLUICE_TEMP;
            break;
        }
        at += (size_t)wrote;
    }
    free((char *)(uintptr_t)content.ptr);
    return st;
}

static sluice_status build(const struct model_batch *batch, struct sluice_queue *queue,
                           struct change *changes)
{
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; i < batch->count; i++) {
        const struct model_message *message = &batch->messages[i];
        struct sluice_queue_change *change = &changes[i].base;

        changes[i] = change_remove(id_of(batch->numbers[i], message));
        change->kind = batch->kinds[i];
        if (change->kind == SLUICE_QUEUE_REMOVE)
            continue;
        change->flags = message->flags;
        change->record = filled(message->record_size, message->record_seed);
        if (change->kind != SLUICE_QUEUE_PUT)
            continue;
        change->content = filled((size_t)message->content_size, change->id);
        if (st == SLUICE_OK && message->is_staged && subject_can_stage())
            st = stage(queue, &changes[i]);
    }
    return st;
}

sluice_status model_send(const struct model_batch *batch, struct sluice_queue *queue)
{
    struct change changes[MODEL_CHANGES_MAX];
    sluice_status st = build(batch, queue, changes);

    if (st == SLUICE_OK)
        st = subject_apply(queue, changes, batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        free((char *)(uintptr_t)changes[i].base.record.ptr);
        free((char *)(uintptr_t)changes[i].base.content.ptr);
        if (changes[i].base.content_fd != -1)
            close(changes[i].base.content_fd);
    }
    return st;
}

void model_accept(struct model *model, const struct model_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        model->messages[batch->numbers[i]] = batch->messages[i];
}

void model_doubt(struct model *model, const struct model_batch *batch)
{
    struct model_batch *doubts = realloc(model->doubts, (model->doubt_count + 1) * sizeof(*doubts));

    if (doubts == NULL)
        abort();
    model->doubts = doubts;
    model->doubts[model->doubt_count++] = *batch;
    for (size_t i = 0; i < batch->count; i++)
        model->messages[batch->numbers[i]].is_doubtful = true;
}

/* Ids are never used again, also those of messages that were refused. */
static void spend_ids(struct model *model, const struct model_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct model_message *message = &model->messages[batch->numbers[i]];

        if (batch->kinds[i] != SLUICE_QUEUE_PUT)
            continue;
        message->generation = batch->messages[i].generation;
        message->was_there = true;
    }
}

void model_settle(struct model *model, const bool *is_done)
{
    for (size_t i = 0; i < model->doubt_count; i++) {
        const struct model_batch *batch = &model->doubts[i];

        for (size_t j = 0; j < batch->count; j++)
            model->messages[batch->numbers[j]].is_doubtful = false;
        if (is_done[i])
            model_accept(model, batch);
        else
            spend_ids(model, batch);
    }
    free(model->doubts);
    model->doubts = NULL;
    model->doubt_count = 0;
}

/* ---- comparing ------------------------------------------------------------------------------ */

static bool is_filled(const char *bytes, size_t size, size_t wanted, uint64_t seed)
{
    struct sluice_span want = filled(wanted, seed);
    bool is_same = size == wanted && memcmp(bytes, want.ptr, size) == 0;

    free((char *)(uintptr_t)want.ptr);
    return is_same;
}

static bool is_record(const struct found *found, const struct model_message *message)
{
    return found->flags == message->flags && found->content_size == message->content_size &&
           is_filled(found->record, found->record_size, message->record_size, message->record_seed);
}

/* Whether reading the message gives exactly what the model says. */
static bool is_same(struct sluice_queue *queue, size_t number, const struct model_message *message)
{
    struct found found;
    uint64_t id = id_of(number, message);
    sluice_status st = subject_read(queue, id, &found);
    bool result = st == SLUICE_NOT_FOUND && found.messages == 0;

    if (message->is_there)
        result = st == SLUICE_OK && found.messages == 1 && found.contents == 1 &&
                 is_record(&found, message) &&
                 is_filled(found.content, found.content_read, (size_t)message->content_size, id);
    wrong_status = st;
    if (!result)
        (void)snprintf(wrong, sizeof(wrong),
                       "message %zu (%016" PRIX64 "): should be %s, read gives %d, %d, %d, flags "
                       "%x for %x, record %zu for %u, content %zu for %llu; %s",
                       number, id, message->is_there ? "there" : "absent", st, found.messages,
                       found.contents, found.flags, message->flags, found.record_size,
                       message->record_size, found.content_read,
                       (unsigned long long)message->content_size, explained.text);
    found_done(&found);
    return result;
}

/* The message as the whole batch leaves it: the last change to it counts. */
static const struct model_message *after_batch(const struct model_batch *batch, size_t i)
{
    const struct model_message *after = &batch->messages[i];

    for (size_t j = i + 1; j < batch->count; j++) {
        if (batch->numbers[j] == batch->numbers[i])
            after = &batch->messages[j];
    }
    return after;
}

bool model_is_done(const struct model *model, size_t i, struct sluice_queue *queue)
{
    const struct model_batch *batch = &model->doubts[i];

    for (size_t j = 0; j < batch->count; j++) {
        if (!is_same(queue, batch->numbers[j], after_batch(batch, j)))
            return false;
    }
    return true;
}

/* As before the batch; where it brings a new message that is not there. */
static bool is_undone(const struct model *model, const struct model_batch *batch,
                      struct sluice_queue *queue)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct model_message before = model->messages[batch->numbers[i]];

        if (before.generation != batch->messages[i].generation)
            before = (struct model_message){.generation = batch->messages[i].generation};
        if (!is_same(queue, batch->numbers[i], &before))
            return false;
    }
    return true;
}

struct census {
    const struct model *model;
    size_t seen[MODEL_IDS];
    const char *error;
};

static void count_message(void *user, const struct found *found)
{
    struct census *census = user;
    size_t number = (size_t)(found->id * ODD_INVERSE % MODEL_IDS);
    const struct model_message *message = &census->model->messages[number];

    census->seen[number]++;
    if (message->is_doubtful)
        return;
    if (!message->was_there || found->id != id_of(number, message))
        census->error = "scan gives an id that was never put, or went long ago";
    else if (!is_record(found, message))
        census->error = "scan gives a record, flags or a size that are not the message's";
}

static const char *compare_scan(const struct model *model, struct sluice_queue *queue)
{
    struct census census = {.model = model};
    sluice_status st = subject_scan(queue, count_message, &census);

    if (st != SLUICE_OK || explained.count > 0) {
        (void)snprintf(wrong, sizeof(wrong), "scan gives %d: %s", st, explained.text);
        return wrong;
    }
    for (size_t i = 0; i < MODEL_IDS; i++) {
        const struct model_message *message = &model->messages[i];

        if (census.seen[i] > 1)
            return "scan gives a message twice";
        if (!message->is_doubtful && census.seen[i] != message->is_there)
            return message->is_there ? "scan misses a message" : "scan gives a removed message";
    }
    return census.error;
}

const char *model_compare_one(const struct model *model, size_t number, bool may_be_temp,
                              struct sluice_queue *queue)
{
    const struct model_message *message = &model->messages[number];

    if (message->is_doubtful || is_same(queue, number, message))
        return NULL;
    return may_be_temp && wrong_status == SLUICE_TEMP ? NULL : wrong;
}

const char *model_compare(const struct model *model, struct sluice_queue *queue)
{
    const char *error = compare_scan(model, queue);

    if (error != NULL)
        return error;
    for (size_t i = 0; i < MODEL_IDS; i++) {
        if (!model->messages[i].is_doubtful && !is_same(queue, i, &model->messages[i]))
            return wrong;
    }
    for (size_t i = 0; i < model->doubt_count; i++) {
        if (!model_is_done(model, i, queue) && !is_undone(model, &model->doubts[i], queue))
            return wrong;
    }
    return NULL;
}
