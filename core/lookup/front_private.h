/* SPDX-License-Identifier: ISC */
/*
 * front_private: what a front is, for front.c (asking) and front_known.c (what stands in) alone.
 */
#ifndef LOOKUP_FRONT_PRIVATE_H
#define LOOKUP_FRONT_PRIVATE_H

#include "lookup/front.h"

#include "base/hash.h"
#include "base/log.h"
#include "lookup/counts.h"
#include "route/answers.h"
#include "task/task.h"

struct pool;
struct search;

struct fronts {
    struct front *by_name;
    size_t hold_count; /* by searches, by writers, and from outside */
    struct pool *disk; /* where what is known is written */
    bool is_in_hurry;
    struct task_queue hurry; /* writers wait for it */
    void (*idle)(void *user);
    void *user;
};

struct front {
    struct fronts *fronts;
    struct table *table;
    struct answers *answers;
    int64_t positive_ms; /* how long they count */
    int64_t negative_ms;
    struct search *searches;  /* under way */
    struct last_known *known; /* NULL: nothing stands in */
    int64_t stale_after_ms;
    bool is_writing; /* or about to */
    struct complaint stale;
    struct complaint full;
    struct {
        int64_t wall_ms;
        struct error err;
    } writer;             /* of a write that is under way: its thread's */
    struct error written; /* how the last write ended */
    struct task_queue write_ended;
    bool is_late; /* something stood in for what was waited for, and no answer has come since */
    struct counts counts;
    int64_t failing_since_ms; /* of the wall clock: no search has ended well since; 0: the last one did */
    int64_t stale_since_ms;   /* something stands in since then; 0: nothing does */
    struct error trouble;     /* why the last search failed */
    UT_hash_handle hh;
};

/* Somebody has an answer. */
void front_note(struct front *front, enum answer_from from, sluice_status status);
/* Since when something is so; a gauge of it. */
void front_set_since(struct metric *metric, int64_t *since_ms, bool is_so);

/* The table has said so. */
void front_remember(struct front *front, struct sluice_span name, sluice_status status,
                    struct sluice_span value);
/* Instead of an answer that does not come: OK, NOT_FOUND; TEMP: nothing stands in. */
sluice_status front_stand_in(struct front *front, struct sluice_span name,
                             struct front_answer *answer);
void front_count_known(const struct front *front);
/* What an answer may be for: a key has one for each. */
#define FRONT_USES 2
/* The name of that answer, below FRONT_USES, instead of what is in name; the key need not be folded. False: no
 * memory. */
bool front_name_use(const struct front *front, struct sluice_span key, unsigned use,
                    struct buffer *name);

#endif
