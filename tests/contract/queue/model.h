/* SPDX-License-Identifier: ISC */
/*
 * model: what a store must hold after a series of random batches.
 *
 * Batch k of a seed depends only on the seed, k and how the batches before it ended, so that a test
 * can follow what a process did that was killed. A batch whose end is not known (TEMP, or
 * the process died in it) puts its ids in doubt: later batches leave them alone, and the
 * store must show all of it or nothing.
 */
#ifndef SLUICE_TEST_MODEL_H
#define SLUICE_TEST_MODEL_H

#include "subject.h"

#define MODEL_IDS 320
#define MODEL_CHANGES_MAX 8

struct model_message {
    bool is_there;
    bool was_there;
    bool is_doubtful;
    bool is_staged; /* its content comes through stage() */
    uint32_t generation; /* how many messages had this place in the model before it */
    uint32_t flags;
    uint32_t record_size;
    uint64_t record_seed;
    uint64_t content_size;
};

struct model_batch {
    size_t count;
    int32_t kinds[MODEL_CHANGES_MAX];
    size_t numbers[MODEL_CHANGES_MAX];                /* of the messages in the model */
    struct model_message messages[MODEL_CHANGES_MAX]; /* as each change leaves them */
};

struct model {
    struct model_message messages[MODEL_IDS];
    struct model_batch *doubts;
    size_t doubt_count;
};

void model_done(struct model *model);

uint64_t model_id(size_t number); /* of the first generation */

/* The next number of a series; *state is its seed. */
uint64_t model_random(uint64_t *state);
/* Fills bytes that depend on the seed alone. */
void model_fill(char *bytes, size_t size, uint64_t seed);

/* Batch k of a seed, as the model stands now. */
typedef void model_maker(const struct model *model, uint64_t seed, size_t k,
                         struct model_batch *batch);

model_maker model_make; /* anything */
/* Messages come and are removed a few batches later, but for the first one, which keeps what the
 * store needs until it goes: then most of the store can go at once. */
model_maker model_make_tide;
/* Many come, and most are removed a few batches later, but one in four stays: what holds little is worth
 * being compacted. */
model_maker model_make_sand;
/* Anything, without end: who is gone makes room for another message, with an id of its own. Now and then
 * a content of some 100 KB, and times in which more goes than comes. */
model_maker model_make_walk;

/* Applies it to the store. */
sluice_status model_send(const struct model_batch *batch, struct sluice_queue *queue);

void model_accept(struct model *model, const struct model_batch *batch);
void model_doubt(struct model *model, const struct model_batch *batch);
/* What the store has made of doubt number i: from now on it must stay. */
bool model_is_done(const struct model *model, size_t i, struct sluice_queue *queue);
/* No doubts any more: is_done says of each whether it was done. */
void model_settle(struct model *model, const bool *is_done);

/* These give NULL if the store holds what it must, or else what is wrong, in a static buffer. */
/* One message; without an opinion on what is in doubt. */
const char *model_compare_one(const struct model *model, size_t number, bool may_be_temp,
                              struct sluice_queue *queue);
const char *model_compare(const struct model *model, struct sluice_queue *queue);

#endif
