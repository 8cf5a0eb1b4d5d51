/* SPDX-License-Identifier: ISC */
/* front: see front.h. */
#include "lookup/front.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/span.h"
#include "task/task.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct fronts {
    struct front *by_name;
    size_t search_count;
    void (*idle)(void *user);
    void *user;
};

struct front {
    struct fronts *fronts;
    struct table *table;
    struct answers *answers;
    struct search *searches; /* under way */
    UT_hash_handle hh;
};

struct search {
    struct front *front;
    char *name; /* flags, key: what the answer depends on */
    size_t name_len;
    uint64_t flags;
    int64_t deadline_ms;
    size_t user_count; /* its own task, and those who wait */
    struct task_queue waiting;
    bool is_done;
    sluice_status status;
    struct buffer value;
    struct error err;
    UT_hash_handle hh;
};

/* ---- the set --------------------------------------------------------------------------------- */

sluice_status fronts_new(void (*idle)(void *user), void *user, struct fronts **ret_fronts)
{
    struct fronts *fronts = calloc(1, sizeof(*fronts));

    if (fronts == NULL)
        return SLUICE_TEMP;
    fronts->idle = idle;
    fronts->user = user;
    *ret_fronts = fronts;
    return SLUICE_OK;
}

static void front_free(struct front *front)
{
    assert(front->searches == NULL);
    answers_free(front->answers);
    free(front);
}

void fronts_free(struct fronts *fronts)
{
    struct front *front;
    struct front *next;

    if (fronts == NULL)
        return;
    HASH_ITER(hh, fronts->by_name, front, next)
    {
        HASH_DEL(fronts->by_name, front);
        front_free(front);
    }
    free(fronts);
}

bool fronts_are_idle(const struct fronts *fronts)
{
    return fronts->search_count == 0;
}

sluice_status fronts_add(struct fronts *fronts, struct table *table,
                         const struct answers_limits *limits)
{
    struct front *front = calloc(1, sizeof(*front));

    if (front == NULL)
        return SLUICE_TEMP;
    front->fronts = fronts;
    front->table = table;
    if (answers_new(limits, &front->answers) == SLUICE_OK)
        HASH_ADD_KEYPTR(hh, fronts->by_name, table_name(table), strlen(table_name(table)), front);
    if (hash_has(front))
        return SLUICE_OK;
    front_free(front);
    return SLUICE_TEMP;
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

/* ---- searches -------------------------------------------------------------------------------- */

static void search_release(struct search *search)
{
    if (--search->user_count > 0)
        return;
    buffer_done(&search->value);
    free(search->name);
    free(search);
}

static struct sluice_span name_of(const struct search *search)
{
    return (struct sluice_span){.ptr = search->name, .len = search->name_len};
}

static void run_search(void *arg)
{
    struct search *search = arg;
    struct front *front = search->front;
    struct sluice_span key = span_skip(name_of(search), sizeof(search->flags));

    search->status = table_find_for(front->table, key, search->flags, search->deadline_ms,
                                    &search->value, &search->err);
    if (search->status == SLUICE_OK || search->status == SLUICE_NOT_FOUND)
        answers_put(front->answers, name_of(search), search->status, buffer_span(&search->value),
                    clock_monotonic_ms());
    search->is_done = true;
    HASH_DEL(front->searches, search);
    task_queue_wake_all(&search->waiting);
    search_release(search);
    if (--front->fronts->search_count == 0)
        front->fronts->idle(front->fronts->user);
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

/* NULL: no memory. */
static struct search *search_start(struct front *front, struct sluice_span name, uint64_t flags,
                                   int64_t deadline_ms)
{
    struct search *search = search_new(front, name, flags, deadline_ms);

    if (search == NULL)
        return NULL;
    HASH_ADD_KEYPTR(hh, front->searches, search->name, search->name_len, search);
    if (hash_has(search) &&
        task_start(table_name(front->table), run_search, search, NULL) == SLUICE_OK) {
        front->fronts->search_count++;
        return search;
    }
    if (hash_has(search))
        HASH_DEL(front->searches, search);
    search_release(search);
    return NULL;
}

static sluice_status wait_for(struct search *search, int64_t deadline_ms, struct buffer *value,
                              struct error *err)
{
    sluice_status st = SLUICE_OK;

    search->user_count++;
    while (!search->is_done && st == SLUICE_OK)
        st = task_queue_wait(&search->waiting, deadline_ms);
    if (!search->is_done) {
        st = error_set(err, SLUICE_TEMP, "%s: no answer in time", table_name(search->front->table));
    } else {
        st = search->status;
        buffer_add_span(value, buffer_span(&search->value));
        *err = search->err;
    }
    search_release(search);
    return st;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* What an answer depends on. */
static void put_name(struct buffer *name, struct sluice_span key, uint64_t flags)
{
    buffer_add(name, &flags, sizeof(flags));
    buffer_add_span(name, key);
}

static sluice_status known(struct front *front, struct sluice_span name, struct buffer *value)
{
    struct sluice_span kept;
    sluice_status st = answers_find(front->answers, name, clock_monotonic_ms(), &kept);

    if (st == SLUICE_OK)
        buffer_add_span(value, kept);
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
                          int64_t deadline_ms, struct buffer *value, struct error *err)
{
    struct search *search = NULL;
    sluice_status st = known(front, name, value);

    if (st != SLUICE_TEMP)
        return st;
    HASH_FIND(hh, front->searches, name.ptr, name.len, search);
    if (search == NULL)
        search = search_start(front, name, flags, deadline_ms);
    if (search == NULL)
        return error_set(err, SLUICE_TEMP, "%s: no memory for a search", table_name(front->table));
    return wait_for(search, deadline_ms, value, err);
}

sluice_status front_find(struct front *front, struct sluice_span key, uint64_t flags,
                         int64_t deadline_ms, struct buffer *value, struct error *err)
{
    struct buffer name = BUFFER_INIT;
    sluice_status st;

    put_name(&name, key, flags);
    if (buffer_failed(&name))
        st = error_set(err, SLUICE_TEMP, "%s: no memory for a look-up", table_name(front->table));
    else
        st = find(front, buffer_span(&name), flags, deadline_ms, value, err);
    if (st == SLUICE_OK && buffer_failed(value))
        st = error_set(err, SLUICE_TEMP, "%s: no memory for a value", table_name(front->table));
    buffer_done(&name);
    return st;
}
