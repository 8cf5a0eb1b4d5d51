/* SPDX-License-Identifier: ISC */
/* front: see front.h. */
#include "lookup/front.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "lookup/counts.h"
#include "task/explain.h"
#include "task/pool.h"
#include "task/task.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SEARCHES_MAX 4000   /* under way in one table */
#define WRITE_DELAY_MS 2000 /* answers of this time go to the disk together */

struct fronts {
    struct front *by_name;
    size_t task_count; /* searches, and writers */
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
    struct search *searches;  /* under way */
    struct last_known *known; /* NULL: nothing stands in */
    int64_t stale_after_ms;
    bool is_writing; /* or about to */
    struct complaint stale;
    struct complaint full;
    bool is_late; /* something stood in for what was waited for, and no answer has come since */
    struct counts counts;
    int64_t failing_since_ms; /* of the wall clock: no search has ended well since; 0: the last one did */
    int64_t stale_since_ms;   /* something stands in since then; 0: nothing does */
    struct error trouble;     /* why the last search failed */
    UT_hash_handle hh;
};

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

static void count_known(const struct front *front)
{
    struct last_known_size size;

    if (front->known == NULL)
        return;
    last_known_measure(front->known, &size);
    metric_set(front->counts.known_entries, size.entries);
    metric_set(front->counts.known_bytes, size.bytes);
    metric_set(front->counts.known_oldest, (uint64_t)size.oldest_ms / 1000);
}

/* Somebody has an answer. */
static void note(struct front *front, enum answer_from from, sluice_status status)
{
    counts_add_lookup(&front->counts, from, status);
    explain_text("from", answer_from_name(from));
}

static void set_since(struct metric *metric, int64_t *since_ms, bool is_so)
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
    return fronts->task_count == 0;
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
    counts_init(&front->counts, table_name(table));
    if (answers_new(&settings->kept, &front->answers) == SLUICE_OK)
        HASH_ADD_KEYPTR(hh, fronts->by_name, table_name(table), strlen(table_name(table)), front);
    if (!hash_has(front)) {
        front_free(front);
        return SLUICE_TEMP;
    }
    front->known = settings->known;
    count_known(front);
    return SLUICE_OK;
}

struct front *fronts_find(const struct fronts *fronts, struct sluice_span name)
{
    struct front *front = NULL;

    HASH_FIND(hh, fronts->by_name, name.ptr, name.len, front);
    return front;
}

struct table *front_table(const struct front *front)
{
    return front->table;
}

static void task_ended(struct fronts *fronts)
{
    if (--fronts->task_count == 0)
        fronts->idle(fronts->user);
}

/* ---- what is known --------------------------------------------------------------------------- */

struct writing {
    struct last_known *known;
    int64_t wall_ms;
    struct error err;
};

static sluice_status write_known(void *arg)
{
    struct writing *writing = arg;

    return last_known_write(writing->known, writing->wall_ms, &writing->err);
}

static void write_once(struct front *front)
{
    struct writing *writing = calloc(1, sizeof(*writing));
    sluice_status st;

    if (writing == NULL || !last_known_begin_write(front->known)) {
        free(writing);
        return;
    }
    writing->known = front->known;
    writing->wall_ms = clock_wall_ms();
    if (pool_run(front->fronts->disk, write_known, free, writing, CLOCK_NEVER, &st) != SLUICE_OK)
        return; /* the process leaves: the thread may still have it */
    last_known_end_write(front->known);
    count_known(front);
    if (st != SLUICE_OK)
        complain(&front->full, LOG_LEVEL_WARNING, "%s", writing->err.text);
    else
        complain_over(&front->full, "what %s answers is written again", table_name(front->table));
    free(writing);
}

static void run_writer(void *arg)
{
    struct front *front = arg;
    int64_t start_ms = clock_monotonic_ms() + WRITE_DELAY_MS;

    while (!front->fronts->is_in_hurry && clock_monotonic_ms() < start_ms && !task_is_cancelled())
        (void)task_queue_wait(&front->fronts->hurry, start_ms);
    front->is_writing = false; /* what comes from now on has a writer of its own */
    write_once(front);
    task_ended(front->fronts);
}

static void remember(struct front *front, struct sluice_span name, sluice_status status,
                     struct sluice_span value)
{
    if (front->known == NULL)
        return;
    last_known_put(front->known, name, status, value, clock_wall_ms());
    if (!front->is_writing && last_known_has_waiting(front->known) &&
        task_start("last known", run_writer, front, NULL) == SLUICE_OK) {
        front->is_writing = true;
        front->fronts->task_count++;
    }
}

/* Instead of an answer that does not come: OK, NOT_FOUND; TEMP: nothing stands in. */
static sluice_status stand_in(struct front *front, struct sluice_span name,
                              struct front_answer *answer)
{
    sluice_status st = SLUICE_TEMP;

    if (front->known != NULL)
        st = last_known_find(front->known, name, clock_wall_ms(), answer->value);
    if (st == SLUICE_TEMP)
        return st;
    answer->is_old = true;
    complain(&front->stale, LOG_LEVEL_WARNING,
             "%s gives no answer: the last known good ones stand in", table_name(front->table));
    set_since(front->counts.stale_since, &front->stale_since_ms, true);
    note(front, FROM_LAST_KNOWN, st);
    return st;
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

/* What the table has said is known from now on. */
static void take_result(struct search *search)
{
    struct front *front = search->front;
    bool is_answer = search->status == SLUICE_OK || search->status == SLUICE_NOT_FOUND;

    if (is_answer && !search->is_outdated) {
        answers_put(front->answers, name_of(search), search->status, buffer_span(&search->value),
                    clock_monotonic_ms());
        remember(front, name_of(search), search->status, buffer_span(&search->value));
    }
    if (is_answer) {
        front->is_late = false;
        complain_over(&front->stale, "%s: its own answers count again", table_name(front->table));
        set_since(front->counts.stale_since, &front->stale_since_ms, false);
    } else {
        front->trouble = search->err;
    }
    set_since(front->counts.failing_since, &front->failing_since_ms, !is_answer);
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
    task_ended(front->fronts);
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
        front->fronts->task_count++;
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

/* Whoever asks has a use of it. */
static sluice_status take_answer(struct search *search, enum answer_from from, int64_t deadline_ms,
                                 struct front_answer *answer, struct error *err)
{
    struct front *front = search->front;

    wait_for(search, end_of_patience(front, deadline_ms));
    if (!is_answered(search)) {
        sluice_status st = stand_in(front, name_of(search), answer);

        front->is_late = front->is_late || (answer->is_old && !search->is_done);
        if (answer->is_old)
            return st;
    }
    wait_for(search, deadline_ms);
    note(front, from, search->is_done ? search->status : SLUICE_TEMP);
    if (search->is_done && search->explanation != NULL)
        explain_take(explanation_json(search->explanation));
    if (!search->is_done)
        return error_set(err, SLUICE_TEMP, "%s: no answer in time", table_name(front->table));
    buffer_add_span(answer->value, buffer_span(&search->value));
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

static sluice_status known(struct front *front, struct sluice_span name, struct buffer *value)
{
    struct sluice_span kept;
    sluice_status st = answers_find(front->answers, name, clock_monotonic_ms(), &kept);

    if (st == SLUICE_OK)
        buffer_add_span(value, kept);
    if (st != SLUICE_TEMP) {
        note(front, FROM_CACHE, st);
        if (explanation_count > 0)
            explain_number("age", answers_age(front->answers, name, clock_monotonic_ms()) / 1000);
    }
    return st == SLUICE_OK && buffer_failed(value) ? SLUICE_TEMP : st;
}

sluice_status front_known(struct front *front, struct sluice_span key, uint64_t flags,
                          struct buffer *value)
{
    struct buffer name = BUFFER_INIT;

    put_name(&name, key, flags);
    sluice_status st =
        !buffer_failed(&name) ? known(front, buffer_span(&name), value) : SLUICE_TEMP;
    buffer_done(&name);
    return st;
}

static sluice_status find(struct front *front, struct sluice_span name, uint64_t flags,
                          int64_t deadline_ms, struct front_answer *answer, struct error *err)
{
    struct search *search = NULL;
    enum answer_from from = FROM_JOINED;
    bool is_fresh = (flags & TABLE_FRESH) != 0;
    sluice_status st = is_fresh ? SLUICE_TEMP : known(front, name, answer->value);

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
        st = stand_in(front, name, answer);
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
