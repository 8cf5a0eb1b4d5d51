/* SPDX-License-Identifier: ISC */
/*
 * table_find: asking a table where its plugin's mode allows it, and making sure that only a clear answer
 * is one.
 */
#include "route/table_private.h"

#include "base/span.h"
#include "route/remote.h"
#include "task/explain.h"
#include "task/pool.h"

#include <stdlib.h>

const char *table_name(const struct table *table)
{
    return table->name;
}

bool table_has_patterns(const struct table *table)
{
    if (table->first != NULL)
        return table_has_patterns(table->first);
    return (table_flags(table) & SLUICE_LOOKUP_PATTERNS) != 0;
}

bool table_is_exact(const struct table *table)
{
    return (table_flags(table) & SLUICE_LOOKUP_EXACT) != 0;
}

struct answer {
    struct sluice_lookup_sink sdk;
    struct buffer *value;
    size_t start; /* of this answer in value */
    size_t count;
    bool has_empty; /* spec T-2: an error, not an answer */
    bool is_too_long;
};

static void answer_value(const struct sluice_lookup_sink *sink, struct sluice_span value)
{
    struct answer *answer = (struct answer *)sink;

    if (value.len == 0)
        answer->has_empty = true;
    if (answer->value->len - answer->start + value.len + 1 > TABLE_VALUE_MAX) {
        answer->is_too_long = true;
        return;
    }
    if (answer->count > 0)
        buffer_add_byte(answer->value, ',');
    buffer_add_span(answer->value, value);
    answer->count++;
}

static sluice_status judge(const struct table *table, sluice_status st, const struct answer *answer,
                           struct sluice_span key, struct error *err)
{
    if (st == SLUICE_NOT_FOUND)
        return st;
    if (st != SLUICE_OK) {
        if (st != status_known(st))
            (void)error_set(err, SLUICE_TEMP, "%s: its plugin answered %d, which is no status",
                            table->name, (int)st);
        else if (err->text[0] == '\0')
            (void)error_set(err, st, "%s: look-up failed", table->name);
        err->status = SLUICE_TEMP;
        return SLUICE_TEMP;
    }
    if (answer->count == 0 || answer->has_empty)
        return error_set(err, SLUICE_TEMP, "%s: empty value for \"%.*s\"", table->name,
                         SPAN_ARGS(key));
    if (answer->is_too_long)
        return error_set(err, SLUICE_TEMP, "%s: value for \"%.*s\" is longer than %zu bytes",
                         table->name, SPAN_ARGS(key), TABLE_VALUE_MAX);
    if (buffer_failed(answer->value))
        return error_set(err, SLUICE_TEMP, "%s: no memory for a value", table->name);
    return SLUICE_OK;
}

/* Where the plugin's mode lets us: on the caller's task, or on a thread of the instance's. */
static sluice_status find_here(const struct table *table, struct sluice_span key, uint64_t flags,
                               int64_t deadline_ms, struct buffer *value, struct error *err)
{
    const struct instance_side *side = table_side(table);
    struct answer answer = {
        .sdk = {.struct_size = sizeof(answer.sdk), .value = answer_value, .flags = flags & TABLE_SINK_FLAGS},
        .value = value,
        .start = value->len,
    };
    struct instance_call call;
    struct error_sink sink;

    error_sink_init(&sink, err);
    if (table->instance != NULL)
        instance_enter(&call, table->instance, deadline_ms);
    sluice_status st = INSTANCE_OPS(side, struct sluice_lookup_ops)
                           ->find(side->self, key, deadline_ms, &answer.sdk, &sink.sdk);
    st = judge(table, st, &answer, key, err);
    if (table->instance != NULL)
        instance_leave(&call, st);
    if (st != SLUICE_OK)
        value->len = answer.start;
    return st;
}

/* A call on a thread: copies that outlive a caller who gives up. */
struct job {
    const struct table *table;
    uint64_t flags; /* of the sink */
    int64_t deadline_ms;
    char *key;
    size_t key_len;
    struct buffer value;
    struct error err;
};

static void job_free(void *arg)
{
    struct job *job = arg;

    free(job->key);
    buffer_done(&job->value);
    free(job);
}

static sluice_status job_work(void *arg)
{
    struct job *job = arg;
    struct sluice_span key = {.ptr = job->key, .len = job->key_len};

    return find_here(job->table, key, job->flags, job->deadline_ms, &job->value, &job->err);
}

static struct job *job_new(const struct table *table, struct sluice_span key, uint64_t flags,
                           int64_t deadline_ms)
{
    struct job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        return NULL;
    job->key = span_dup(key);
    if (job->key == NULL) {
        free(job);
        return NULL;
    }
    job->table = table;
    job->flags = flags;
    job->deadline_ms = deadline_ms;
    job->key_len = key.len;
    return job;
}

static sluice_status find_on_thread(const struct table *table, struct sluice_span key,
                                    uint64_t flags, int64_t deadline_ms, struct buffer *value,
                                    struct error *err)
{
    struct job *job = job_new(table, key, flags, deadline_ms);
    sluice_status st;

    if (job == NULL)
        return error_set(err, SLUICE_TEMP, "%s: no memory for a look-up", table->name);
    if (pool_run(table->pool, job_work, job_free, job, deadline_ms, &st) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "%s: no answer in time", table->name);
    *err = job->err;
    buffer_add_span(value, buffer_span(&job->value));
    job_free(job);
    if (buffer_failed(value))
        return error_set(err, SLUICE_TEMP, "%s: no memory for a value", table->name);
    return st;
}

static sluice_status find(struct table *table, struct sluice_span key, uint64_t flags,
                          int64_t deadline_ms, struct buffer *value, struct error *err)
{
    sluice_status st;

    if (table->remote != NULL) /* who has the table complains, and knows when that is over */
        return remote_find(table->remote, key, flags, deadline_ms, value, err);
    if (table->pool == NULL)
        st = find_here(table, key, flags, deadline_ms, value, err);
    else
        st = find_on_thread(table, key, flags, deadline_ms, value, err);
    if (st == SLUICE_TEMP)
        complain(&table->complaint, LOG_LEVEL_WARNING, "%s", err->text);
    else
        complain_over(&table->complaint, "%s answers again", table->name);
    return st;
}

sluice_status table_ask(struct table *table, struct sluice_span key, uint64_t flags,
                        int64_t deadline_ms, struct buffer *value, struct error *err)
{
    struct error own = ERROR_INIT;

    if (!table_is_available(table)) {
        if (err != NULL)
            *err = table->closed_because;
        return SLUICE_TEMP;
    }
    char *folded = span_dup(key);
    if (folded == NULL)
        return error_set(err, SLUICE_TEMP, "%s: no memory for a look-up", table->name);
    if (!table_is_exact(table))
        span_fold(folded, key.len);

    sluice_status st =
        find(table, (struct sluice_span){.ptr = folded, .len = key.len}, flags, deadline_ms, value,
             &own);
    free(folded);
    if (st == SLUICE_TEMP && err != NULL)
        *err = own;
    return st;
}

sluice_status table_find_for(struct table *table, struct sluice_span key, uint64_t flags,
                             int64_t deadline_ms, struct buffer *value, struct error *err)
{
    size_t start = value->len;

    explain_begin("table");
    explain_text("table", table->name);
    explain_span("key", key);
    sluice_status st = table_ask(table, key, flags, deadline_ms, value, err);
    if (st == SLUICE_OK)
        explain_span("value", span_skip(buffer_span(value), start));
    explain_end(st, err);
    return st;
}

sluice_status table_find(struct table *table, struct sluice_span key, int64_t deadline_ms,
                         struct buffer *value, struct error *err)
{
    return table_find_for(table, key, 0, deadline_ms, value, err);
}
