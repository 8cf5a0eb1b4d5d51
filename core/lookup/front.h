/* SPDX-License-Identifier: ISC */
/*
 * front: what stands before a table in its home. An answer is kept for a while (answers.h), and who asks
 * what is being searched for already waits for that search.
 *
 * A search is a task of its own: it goes on when those who wait for it give up. While the table gives no
 * answer its last known ones do (last_known.h), where there is one, and say that they are old: no recipient is
 * unknown because of a directory that is down.
 */
#ifndef LOOKUP_FRONT_H
#define LOOKUP_FRONT_H

#include "base/buffer.h"
#include "base/error.h"
#include "lookup/last_known.h"
#include "route/table.h"

struct front;
struct fronts;

struct front_settings {
    struct {
        int64_t positive_ms; /* how long a value counts; 0: not at all */
        int64_t negative_ms; /* the same for "there is none" */
        size_t bytes_max;    /* answers.h */
    } kept;
    struct last_known *known; /* NULL: nothing stands in */
    int64_t stale_after_ms;   /* how long an answer is waited for before it does */
};

/* idle: called after the last search has ended, what is known is written, and nobody holds them. TEMP: no memory. */
sluice_status fronts_new(void (*idle)(void *user), void *user, struct fronts **ret_fronts);
void fronts_free(struct fronts *fronts); /* accepts NULL; nothing may be under way */
bool fronts_are_idle(const struct fronts *fronts);
/* They are not idle until whoever holds them has released them. */
void fronts_hold(struct fronts *fronts);
void fronts_release(struct fronts *fronts);
/* From now on what is known is written without delay. */
void fronts_hurry(struct fronts *fronts);
/* The table must outlive it; settings->known is taken over. TEMP: no memory, and it is the caller's. */
sluice_status fronts_add(struct fronts *fronts, struct table *table,
                         const struct front_settings *settings);
/* The front of the table with that name; NULL: there is none. */
struct front *fronts_find(const struct fronts *fronts, struct sluice_span name);

/* The one after that; NULL: the first one, or there is no other. */
struct front *fronts_next(const struct fronts *fronts, const struct front *front);

struct table *front_table(const struct front *front);

struct front_answer {
    struct buffer *value; /* is added to */
    bool is_old;          /* the table gives no answer now; false at first */
    int64_t keep_until_ms; /* until then it is kept here; 0, as at first: it is not */
};

/* What is kept: OK or NOT_FOUND; TEMP: the table is to be asked. The key comes folded. [any] */
sluice_status front_known(struct front *front, struct sluice_span key, uint64_t flags,
                          struct front_answer *answer);

/*
 * As table_find_for; the key comes folded. Who joins a search gets what its deadline, that of who
 * began it, allows. [task: may wait]
 */
sluice_status front_find(struct front *front, struct sluice_span key, uint64_t flags,
                         int64_t deadline_ms, struct front_answer *answer, struct error *err);

/* The table may answer otherwise from now on: what is kept counts no more, and what is being searched for
 * now is not kept, nor joined. */
void front_changed(struct front *front);

/* How things stand. Times are of the wall clock. */
struct front_state {
    int64_t failing_since_ms; /* the table gives no answer since then; 0: it does */
    int64_t stale_since_ms;   /* what was last known stands in since then; 0: it does not */
    const char *trouble;      /* why the last search that failed did, the front's; empty: none */
};

void front_look(const struct front *front, struct front_state *ret_state);
/* Forgets what is kept: the answers to a key, which need not be folded, or to all (empty). How many they
 * were. What is being searched for now is not kept. */
size_t front_forget(struct front *front, struct sluice_span key);
/* The same for what is known for an outage, which is gone from the disk on OK. TEMP with a text: it may
 * not be. [task: waits for the disk] */
sluice_status front_forget_known(struct front *front, struct sluice_span key, struct error *err);

#endif
