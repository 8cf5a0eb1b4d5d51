/* SPDX-License-Identifier: ISC */
/* front: see front.h. What is known for an outage is front_known.c's. */
#include "lookup/front_private.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "task/explain.h"
#include "task/pool.h"
#include "task/task.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SEARCHES_MAX 4000   /* under way in one table */

struct search {
    struct front *front;
    char *name; /* flags, key: what the answer depends on */
    size_t name_len;
    uint64_t flags;
    int64_t deadline_ms;
    bool is_outdated;  /* its answer is not kept, and nobody joins it any more */
    struct explanation *explanation; /* NULL: who began it wants none */
    size_t user_count;               /* its own task, and those who wait */
    struct task_queue waiting;
    bool is_done;
    sluice_status status;
    struct buffer value;
    struct error err;
    UT_hash_handle hh;
};

/* ---- counting -------------------------------------------------------------------------------- */

static void count_kept(const struct front *front)
{
    metric_set(front->counts.cache_entries, answers_count(front->answers));
    metric_set(front->counts.cache_bytes, answers_bytes(front->answers));
    metric_set(front->counts.searches, HASH_COUNT(front->searches));
}

/* Somebody has an answer. */
void front_note(struct front *front, enum answer_from from, sluice_status status)
{
    counts_add_lookup(&front->counts, from, status);
    explain_text("from", answer_from_name(from));
}

void front_set_since(struct metric *metric, int64_t *since_ms, bool is_so)
{
    if (is_so == (*since_ms != 0))
        return;
    *since_ms = is_so ? clock_wall_ms() : 0;
    metric_set(metric, (uint64_t)*since_ms / 1000);
}

/* ---- the set --------------------------------------------------------------------------------- */

sluice_status fronts_new(void (*idle)(void *user), void *user, struct fronts **ret_fronts)
{
    struct fronts *fronts = calloc(1, sizeof(*fronts));

    if (fronts == NULL)
        return SLUICE_TEMP;
    if (pool_new("last known", 1, &fronts->disk) != SLUICE_OK) {
        free(fronts);
        return SLUICE_TEMP;
    }
    fronts->idle = idle;
    fronts->user = user;
    *ret_fronts = fronts;
    return SLUICE_OK;
}

static void front_free(struct front *front)
{
    assert(front->searches == NULL);
    answers_free(front->answers);
    last_known_close(front->known);
    free(front);
}

void fronts_free(struct fronts *fronts)
{
    struct front *front;
    struct front *next;

    if (fronts == NULL)
        return;
    pool_free(fronts->disk);
    HASH_ITER(hh, fronts->by_name, front, next)
    {
        HASH_DEL(fronts->by_name, front);
        front_free(front);
    }
    free(fronts);
}

bool fronts_are_idle(const struct fronts *fronts)
{
    return fronts->hold_count == 0;
}

void fronts_hurry(struct fronts *fronts)
{
    fronts->is_in_hurry = true;
    task_queue_wake_all(&fronts->hurry);
}

sluice_status fronts_add(struct fronts *fronts, struct table *table,
                         const struct front_settings *settings)
{
    struct front *front = calloc(1, sizeof(*front));

    if (front == NULL)
        return SLUICE_TEMP;
    front->fronts = fronts;
    front->table = table;
    front->stale_after_ms = settings->stale_after_ms;
    front->positive_ms = settings->kept.positive_ms;
    front->negative_ms = settings->kept.negative_ms;
    counts_init(&front->counts, table_name(table));
    if (answers_new(settings->kept.bytes_max, &front->answers) == SLUICE_OK)
        HASH_ADD_KEYPTR(hh, fronts->by_name, table_name(table), strlen(table_name(table)), front);
    if (!hash_has(front)) {
        front_free(front);
        return SLUICE_TEMP;
    }
    front->known = settings->known;
    front_count_known(front);
    return SLUICE_OK;
}

struct front *fronts_find(const struct fronts *fronts, struct sluice_span name)
{
    struct front *front = NULL;

    HASH_FIND(hh, fronts->by_name, name.ptr, name.len, front);
    return front;
}

struct front *fronts_next(const struct fronts *fronts, const struct front *front)
{
    return front != NULL ? front->hh.next : fronts->by_name;
}

struct table *front_table(const struct front *front)
{
    return front->table;
}

void fronts_hold(struct fronts *fronts)
{
    fronts->hold_count++;
}

void fronts_release(struct fronts *fronts)
{
    if (--fronts->hold_count == 0)
        fronts->idle(fronts->user);
}

/* ---- searches -------------------------------------------------------------------------------- */

static void search_release(struct search *search)
{
    if (--search->user_count > 0)
        return;
    buffer_done(&search->value);
    explanation_free(search->explanation);
    free(search->name);
    free(search);
}

static struct sluice_span name_of(const struct search *search)
{
    return (struct sluice_span){.ptr = search->name, .len = search->name_len};
}

/* Nobody joins it any more. */
static void outdate(struct search *search)
{
    if (search->is_outdated)
        return;
    search->is_outdated = true;
    HASH_DEL(search->front->searches, search);
}

static void keep(const struct search *search)
{
    const struct front *front = search->front;
    int64_t now_ms = clock_monotonic_ms();
    const struct answers_kept kept = {
        .status = search->status,
        .value = buffer_span(&search->value),
        .since_ms = now_ms,
        .until_ms = now_ms + (search->status == SLUICE_OK ? front->positive_ms : front->negative_ms),
    };

    answers_put(front->answers, name_of(search), &kept);
}

/* What the table has said is known from now on. */
static void take_result(struct search *search)
{
    struct front *front = search->front;
    bool is_answer = search->status == SLUICE_OK || search->status == SLUICE_NOT_FOUND;

    if (is_answer && !search->is_outdated) {
        keep(search);
        front_remember(front, name_of(search), search->status, buffer_span(&search->value));
    }
    if (is_answer) {
        front->is_late = false;
        complain_over(&front->stale, "%s: its own answers count again", table_name(front->table));
        front_set_since(front->counts.stale_since, &front->stale_since_ms, false);
    } else {
        front->trouble = search->err;
    }
    front_set_since(front->counts.failing_since, &front->failing_since_ms, !is_answer);
}

static void run_search(void *arg)
{
    struct search *search = arg;
    struct front *front = search->front;
    struct sluice_span key = span_skip(name_of(search), sizeof(search->flags));
    int64_t start_us = clock_monotonic_us();

    task_set_explanation(search->explanation);
    search->status = table_ask(front->table, key, search->flags, search->deadline_ms,
                               &search->value, &search->err);
    task_set_explanation(NULL);
    counts_add_search(&front->counts, clock_monotonic_us() - start_us);
    take_result(search);
    search->is_done = true;
    outdate(search);
    count_kept(front);
    task_queue_wake_all(&search->waiting);
    search_release(search);
    fronts_release(front->fronts);
}

static struct search *search_new(struct front *front, struct sluice_span name, uint64_t flags,
                                 int64_t deadline_ms)
{
    struct search *search = calloc(1, sizeof(*search));

    if (search == NULL)
        return NULL;
    search->name = span_dup(name);
    if (search->name == NULL) {
        free(search);
        return NULL;
    }
    search->name_len = name.len;
    search->front = front;
    search->flags = flags;
    search->deadline_ms = deadline_ms;
    search->user_count = 1;
    return search;
}

/* NULL: no memory, or there are too many: those that nobody waits for any more count too. */
static struct search *search_start(struct front *front, struct sluice_span name, uint64_t flags,
                                   int64_t deadline_ms)
{
    struct search *search = NULL;

    if (HASH_COUNT(front->searches) < SEARCHES_MAX)
        search = search_new(front, name, flags, deadline_ms);
    if (search == NULL)
        return NULL;
    if (task_explanation() != NULL)
        (void)explanation_new(&search->explanation); /* else it has less to say */
    HASH_ADD_KEYPTR(hh, front->searches, search->name, search->name_len, search);
    if (hash_has(search) &&
        task_start(table_name(front->table), run_search, search, NULL) == SLUICE_OK) {
        fronts_hold(front->fronts);
        count_kept(front);
        return search;
    }
    if (hash_has(search))
        HASH_DEL(front->searches, search);
    search_release(search);
    return NULL;
}

static void wait_for(struct search *search, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;

    while (!search->is_done && st == SLUICE_OK)
        st = task_queue_wait(&search->waiting, deadline_ms);
}

static bool is_answered(const struct search *search)
{
    return search->is_done && search->status != SLUICE_TEMP;
}

/* Until when nothing stands in. Of a table that is late it does at once: who asks for one thing after the other
 * waits once. */
static int64_t end_of_patience(const struct front *front, int64_t deadline_ms)
{
    int64_t soon_ms = clock_monotonic_ms() + (front->is_late ? 0 : front->stale_after_ms);

    return front->known != NULL && soon_ms < deadline_ms ? soon_ms : deadline_ms;
}

/* Until when what a search has found is kept: it may have been forgotten since. */
static int64_t end_of_keeping(const struct front *front, struct sluice_span name)
{
    struct answers_kept kept;

    return answers_find(front->answers, name, clock_monotonic_ms(), &kept) != SLUICE_TEMP
               ? kept.until_ms
               : 0;
}

/* Whoever asks has a use of it. */
static sluice_status take_answer(struct search *search, enum answer_from from, int64_t deadline_ms,
                                 struct front_answer *answer, struct error *err)
{
    struct front *front = search->front;

    wait_for(search, end_of_patience(front, deadline_ms));
    if (!is_answered(search)) {
        sluice_status st = front_stand_in(front, name_of(search), answer);

        front->is_late = front->is_late || (answer->is_old && !search->is_done);
        if (answer->is_old)
            return st;
    }
    wait_for(search, deadline_ms);
    front_note(front, from, search->is_done ? search->status : SLUICE_TEMP);
    if (search->is_done && search->explanation != NULL)
        explain_take(explanation_json(search->explanation));
    if (!search->is_done)
        return error_set(err, SLUICE_TEMP, "%s: no answer in time", table_name(front->table));
    buffer_add_span(answer->value, buffer_span(&search->value));
    answer->keep_until_ms = end_of_keeping(front, name_of(search));
    *err = search->err;
    return search->status;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* What an answer depends on. */
static void put_name(struct buffer *name, struct sluice_span key, uint64_t flags)
{
    flags &= TABLE_SINK_FLAGS;
    buffer_add(name, &flags, sizeof(flags));
    buffer_add_span(name, key);
}

static sluice_status known(struct front *front, struct sluice_span name,
                           struct front_answer *answer)
{
    int64_t now_ms = clock_monotonic_ms();
    struct answers_kept kept;
    sluice_status st = answers_find(front->answers, name, now_ms, &kept);

    if (st == SLUICE_TEMP)
        return st;
    buffer_add_span(answer->value, kept.value);
    answer->keep_until_ms = kept.until_ms;
    front_note(front, FROM_CACHE, st);
    explain_number("age", (now_ms - kept.since_ms) / 1000);
    return buffer_failed(answer->value) ? SLUICE_TEMP : st;
}

sluice_status front_known(struct front *front, struct sluice_span key, uint64_t flags,
                          struct front_answer *answer)
{
    struct buffer name = BUFFER_INIT;

    put_name(&name, key, flags);
    sluice_status st =
        !buffer_failed(&name) ? known(front, buffer_span(&name), answer) : SLUICE_TEMP;
    buffer_done(&name);
    return st;
}

static sluice_status find(struct front *front, struct sluice_span name, uint64_t flags,
                          int64_t deadline_ms, struct front_answer *answer, struct error *err)
{
    struct search *search = NULL;
    enum answer_from from = FROM_JOINED;
    bool is_fresh = (flags & TABLE_FRESH) != 0;
    sluice_status st = is_fresh ? SLUICE_TEMP : known(front, name, answer);

    if (st != SLUICE_TEMP)
        return st;
    HASH_FIND(hh, front->searches, name.ptr, name.len, search);
    if (search != NULL && is_fresh) {
        outdate(search);
        search = NULL;
    }
    if (search == NULL) {
        from = FROM_SEARCH;
        search = search_start(front, name, flags, deadline_ms);
    }
    if (search == NULL) {
        st = front_stand_in(front, name, answer);
        return answer->is_old ? st
                              : error_set(err, SLUICE_TEMP,
                                          "%s: too many searches, or no memory for one",
                                          table_name(front->table));
    }
    search->user_count++;
    st = take_answer(search, from, deadline_ms, answer, err);
    search_release(search);
    return st;
}

sluice_status front_find(struct front *front, struct sluice_span key, uint64_t flags,
                         int64_t deadline_ms, struct front_answer *answer, struct error *err)
{
    struct buffer name = BUFFER_INIT;
    sluice_status st;

    put_name(&name, key, flags);
    if (buffer_failed(&name))
        st = error_set(err, SLUICE_TEMP, "%s: no memory for a look-up", table_name(front->table));
    else
        st = find(front, buffer_span(&name), flags, deadline_ms, answer, err);
    if (st == SLUICE_OK && buffer_failed(answer->value))
        st = error_set(err, SLUICE_TEMP, "%s: no memory for a value", table_name(front->table));
    buffer_done(&name);
    return st;
}

void front_changed(struct front *front)
{
    while (front->searches != NULL)
        outdate(front->searches);
    (void)answers_forget_all(front->answers);
    count_kept(front);
}

/* ---- for operators --------------------------------------------------------------------------- */

void front_look(const struct front *front, struct front_state *ret_state)
{
    *ret_state = (struct front_state){
        .failing_since_ms = front->failing_since_ms,
        .stale_since_ms = front->stale_since_ms,
        .trouble = front->trouble.text,
    };
}

bool front_name_use(const struct front *front, struct sluice_span key, unsigned use,
                    struct buffer *name)
{
    static const uint64_t uses[FRONT_USES] = {0, SLUICE_SINK_NO_SUBSTITUTION};
    char *folded = span_dup(key);

    if (folded == NULL)
        return false;
    if (!table_is_exact(front->table))
        span_fold(folded, key.len);
    buffer_clear(name);
    put_name(name, (struct sluice_span){.ptr = folded, .len = key.len}, uses[use]);
    free(folded);
    return !buffer_failed(name);
}

static size_t forget_name(struct front *front, struct sluice_span name)
{
    struct search *search = NULL;

    HASH_FIND(hh, front->searches, name.ptr, name.len, search);
    if (search != NULL)
        outdate(search);
    return answers_forget(front->answers, name);
}

size_t front_forget(struct front *front, struct sluice_span key)
{
    struct buffer name = BUFFER_INIT;
    size_t count = key.len == 0 ? answers_count(front->answers) : 0;

    if (key.len == 0)
        front_changed(front);
    for (unsigned i = 0; key.len > 0 && i < FRONT_USES; i++) {
        if (front_name_use(front, key, i, &name))
            count += forget_name(front, buffer_span(&name));
    }
    buffer_done(&name);
    count_kept(front);
    return count;
}
