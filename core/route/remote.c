/* SPDX-License-Identifier: ISC */
/*
 * remote: see remote.h. Frames of one turn of the loop leave together, which the channel sees to.
 */
#include "route/remote.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "base/text.h"
#include "config/homes.h"
#include "config/role.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "route/answers.h"
#include "route/table.h"
#include "task/doubt.h"
#include "task/explain.h"
#include "task/task.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of one process at one home: others wait for their turn here, and not in its memory. */
#define QUESTIONS_MAX 1000
#define LOST_MAX 2 /* who dies of a question is not asked it again and again */

#define KEPT_BYTES_MAX ((size_t)4 * 1024 * 1024) /* of all tables: some 20,000 answers */
#define KEPT_KEY_MAX 400                         /* longer ones are not kept: no address is as long */

/* What an answer depends on. */
struct name {
    struct {
        uint64_t content; /* of the table */
        uint64_t flags;
    } of;
    char key[KEPT_KEY_MAX];
    size_t len; /* 0: it is too long */
};

/* On the stack of who asks. */
struct question {
    uint64_t ref;
    struct task *asker;
    const struct name *name;
    struct buffer *value;
    struct error *err;
    bool is_sent; /* over the present link */
    unsigned lost_count; /* links that ended while it was on its way */
    bool is_answered;
    bool is_old; /* the answer is */
    sluice_status status;
    json_t *noted; /* for who explains; NULL: nothing */
    UT_hash_handle hh;
};

struct home {
    struct remote *remote;
    struct channel *channel; /* NULL: there is no link now */
    struct question *questions;
    struct task_queue turn;  /* for a link, and for room among the questions */
};

struct remote_table {
    struct home *home;
    char *name;
    uint64_t content;        /* another number when what is kept counts no more */
    uint64_t generation;     /* of a table that can tell when its content has changed: */
    bool has_generation;     /* this one has */
    struct metric *found;    /* answers from what is kept; NULL: there was none so far */
    struct metric *not_found;
    UT_hash_handle hh;
};

struct remote {
    struct home homes[HOMES_MAX];
    struct remote_table *tables;
    struct answers *kept; /* those that count no more go as those do that nobody asks for */
    uint64_t last_ref;
    uint64_t last_content;
};

struct remote *remote_new(void)
{
    struct remote *remote = calloc(1, sizeof(*remote));

    if (remote == NULL)
        return NULL;
    if (answers_new(KEPT_BYTES_MAX, &remote->kept) != SLUICE_OK) {
        free(remote);
        return NULL;
    }
    for (size_t i = 0; i < HOMES_MAX; i++)
        remote->homes[i].remote = remote;
    return remote;
}

static void table_free(struct remote_table *table)
{
    free(table->name);
    free(table);
}

void remote_free(struct remote *remote)
{
    struct remote_table *table;
    struct remote_table *next;

    if (remote == NULL)
        return;
    HASH_ITER(hh, remote->tables, table, next)
    {
        HASH_DEL(remote->tables, table);
        table_free(table);
    }
    answers_free(remote->kept);
    for (size_t i = 0; i < HOMES_MAX; i++) {
        assert(remote->homes[i].questions == NULL);
        channel_free(remote->homes[i].channel);
    }
    free(remote);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static struct remote_table *find_table(const struct remote *remote, struct sluice_span name)
{
    struct remote_table *table = NULL;

    HASH_FIND(hh, remote->tables, name.ptr, name.len, table);
    return table;
}

static void forget(struct remote_table *table)
{
    table->content = ++table->home->remote->last_content;
}

static struct remote_table *table_new(struct home *home, struct sluice_span name)
{
    struct remote_table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return NULL;
    table->home = home;
    forget(table);
    table->name = span_dup(name);
    if (table->name != NULL)
        HASH_ADD_KEYPTR(hh, home->remote->tables, table->name, name.len, table);
    if (hash_has(table))
        return table;
    table_free(table);
    return NULL;
}

sluice_status remote_get(struct remote *remote, unsigned home, struct sluice_span name,
                         struct remote_table **ret_table)
{
    struct remote_table *table = find_table(remote, name);

    if (table == NULL)
        table = table_new(&remote->homes[home], name);
    if (table == NULL)
        return SLUICE_TEMP;
    *ret_table = table;
    return SLUICE_OK;
}

sluice_status remote_generation(const struct remote_table *table, uint64_t *ret_generation)
{
    if (!table->has_generation)
        return SLUICE_UNSUPPORTED;
    *ret_generation = table->generation;
    return SLUICE_OK;
}

/* ---- what is kept ---------------------------------------------------------------------------- */

static void set_name(struct name *name, const struct remote_table *table, struct sluice_span key,
                     uint64_t flags)
{
    name->of.content = table->content;
    name->of.flags = flags & TABLE_SINK_FLAGS;
    name->len = 0;
    if (key.len > sizeof(name->key))
        return;
    memcpy(name->key, key.ptr, key.len);
    name->len = offsetof(struct name, key) + key.len;
}

static struct sluice_span span_of_name(const struct name *name)
{
    return (struct sluice_span){.ptr = (const char *)name, .len = name->len};
}

static void keep(struct remote *remote, const struct name *name, const struct message_found *found)
{
    const struct answers_kept kept = {
        .status = found->status,
        .value = found->value,
        .since_ms = clock_monotonic_ms(),
        .until_ms = found->keep_until_ms,
    };

    if (name->len > 0 && (found->status == SLUICE_OK || found->status == SLUICE_NOT_FOUND))
        answers_put(remote->kept, span_of_name(name), &kept);
}

/* As its home does (lookup/counts.h). */
static void count_kept(struct remote_table *table, sluice_status status)
{
    bool is_found = status == SLUICE_OK;
    struct metric **metric = is_found ? &table->found : &table->not_found;

    if (*metric == NULL)
        *metric = metric_get(METRIC_TABLE_LOOKUPS, table->name, "cache",
                             is_found ? "ok" : "not_found");
    metric_add(*metric, 1);
}

/* TEMP: its home is to be asked. */
static sluice_status find_kept(struct remote_table *table, const struct name *name,
                               struct buffer *value)
{
    struct answers_kept kept;
    sluice_status st = answers_find(table->home->remote->kept, span_of_name(name),
                                    clock_monotonic_ms(), &kept);

    if (st == SLUICE_TEMP)
        return st;
    count_kept(table, st);
    buffer_add_span(value, kept.value);
    return buffer_failed(value) ? SLUICE_TEMP : st;
}

/* ---- the link -------------------------------------------------------------------------------- */

/* All that were asked over it are to be asked again. What would not count any more nobody says now. */
static void disconnect(struct home *home)
{
    struct question *question;
    struct question *next;
    struct remote_table *table;

    for (table = home->remote->tables; table != NULL; table = table->hh.next) {
        if (table->home == home)
            forget(table);
    }
    channel_free(home->channel);
    home->channel = NULL;
    HASH_ITER(hh, home->questions, question, next)
    {
        question->lost_count += question->is_sent ? 1 : 0;
        question->is_sent = false;
        task_wake(question->asker);
    }
}

static void take_answer(struct remote *remote, struct question *question, struct sluice_span body)
{
    struct message_found found = {0};
    char dsn[ERROR_DSN_MAX];

    if (message_found_decode(body, &found) != SLUICE_OK) {
        question->status = error_set(question->err, SLUICE_TEMP, "an answer that makes no sense");
    } else if (found.status == SLUICE_OK) {
        buffer_add_span(question->value, found.value);
        question->status = buffer_failed(question->value)
                               ? error_set(question->err, SLUICE_TEMP, "no memory for a value")
                               : SLUICE_OK;
    } else if (found.status == SLUICE_NOT_FOUND) {
        question->status = SLUICE_NOT_FOUND;
    } else {
        text_copy_span(dsn, sizeof(dsn), found.dsn);
        question->status = error_set_dsn(question->err, SLUICE_TEMP, dsn, "%.*s",
                                         SPAN_ARGS(found.text));
    }
    keep(remote, question->name, &found);
    if (found.noted.len > 0)
        question->noted = json_loadb(found.noted.ptr, found.noted.len, 0, NULL);
    question->is_old = found.is_old;
    question->is_answered = true;
    task_wake(question->asker);
}

/* Without memory it stays one that cannot tell: its routes are looked at when they are tried again. */
static void take_generation(struct home *home, struct sluice_span body)
{
    struct message_table message;
    struct remote_table *table;

    if (message_table_decode(body, &message) != SLUICE_OK) {
        log_error("news of a table that make no sense");
        return;
    }
    if (remote_get(home->remote, (unsigned)(home - home->remote->homes), message.table, &table) !=
        SLUICE_OK)
        return;
    table->has_generation = message.has_generation;
    table->generation = message.generation;
}

static void take_forget(struct home *home, const struct channel_frame *frame)
{
    struct remote_table *table = find_table(home->remote, frame->body);

    if (table != NULL)
        forget(table);
    if (channel_send_body(home->channel, MESSAGE_FORGOTTEN, frame->ref, SPAN_EMPTY) != SLUICE_OK)
        log_warning("no memory to say that answers are forgotten");
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct home *home = user;
    struct question *question;

    (void)channel;
    if (frame->type == MESSAGE_TABLE) {
        take_generation(home, frame->body);
        return;
    }
    if (frame->type == MESSAGE_FORGET) {
        take_forget(home, frame);
        return;
    }
    HASH_FIND(hh, home->questions, &frame->ref, sizeof(frame->ref), question);
    if (frame->type == MESSAGE_FOUND && question != NULL && !question->is_answered)
        take_answer(home->remote, question, frame->body); /* else who asked has given up */
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    (void)channel;
    log_info("the link is gone: %s", reason);
    disconnect(user);
    role_link_lost("lookup");
}

void remote_connect(struct remote *remote, unsigned home, int fd)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    struct home *own = home < HOMES_MAX ? &remote->homes[home] : NULL;
    struct channel *channel;
    char name[32];

    (void)snprintf(name, sizeof(name), "lookup %u", home);
    if (own == NULL || channel_new(fd, name, &handlers, own, &channel) != SLUICE_OK) {
        (void)close(fd); /* never used */
        log_error("no memory for a link to %s", name);
        role_link_lost("lookup");
        return;
    }
    disconnect(own);
    own->channel = channel;
    task_queue_wake_all(&own->turn);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool send(struct home *home, struct question *question, const char *table,
                 struct sluice_span key, uint64_t flags, int64_t deadline_ms)
{
    const struct message_lookup lookup = {
        .table = sluice_span_of(table),
        .key = key,
        .flags = flags,
        .timeout_ms = deadline_ms - clock_monotonic_ms(),
        .is_explained = task_explanation() != NULL,
    };
    struct buffer body = BUFFER_INIT;

    message_lookup_encode(&lookup, &body);
    question->is_sent = !buffer_failed(&body) &&
                        channel_send_body(home->channel, MESSAGE_LOOKUP, question->ref,
                                          buffer_span(&body)) == SLUICE_OK;
    buffer_done(&body);
    return question->is_sent;
}

/* A link, and room among those who ask over it. */
static sluice_status wait_for_turn(struct home *home, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK &&
           (home->channel == NULL || HASH_COUNT(home->questions) >= QUESTIONS_MAX))
        st = task_queue_wait(&home->turn, deadline_ms);
    return st;
}

/* That there is none is an answer only for who ends nothing on the word of an old one. */
static sluice_status take_old(const struct question *question, const char *table)
{
    if (doubt_note(table) || question->status != SLUICE_NOT_FOUND)
        return question->status;
    return error_set(question->err, SLUICE_TEMP, "%s gives no answer, and had none before", table);
}

static sluice_status ask(const struct remote_table *table, const struct name *name,
                         struct sluice_span key, uint64_t flags, int64_t deadline_ms,
                         struct buffer *value, struct error *err)
{
    struct home *home = table->home;
    struct question question = {.ref = ++home->remote->last_ref,
                                .asker = task_self(),
                                .name = name,
                                .value = value,
                                .err = err};
    sluice_status st = wait_for_turn(home, deadline_ms);

    if (st != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "%s: no lookup process to ask", table->name);
    HASH_ADD(hh, home->questions, ref, sizeof(question.ref), &question);
    if (!hash_has(&question))
        return error_set(err, SLUICE_TEMP, "%s: no memory for a question", table->name);
    while (st == SLUICE_OK && !question.is_answered && question.lost_count < LOST_MAX) {
        if (home->channel == NULL)
            st = task_queue_wait(&home->turn, deadline_ms);
        else if (!question.is_sent && !send(home, &question, table->name, key, flags, deadline_ms))
            st = SLUICE_TEMP;
        else
            st = task_park(deadline_ms);
    }
    HASH_DEL(home->questions, &question);
    (void)task_queue_wake_one(&home->turn);
    explain_take(question.noted);
    json_decref(question.noted);
    if (!question.is_answered)
        return error_set(err, SLUICE_TEMP, "%s: %s", table->name,
                         question.lost_count < LOST_MAX ? "no answer in time"
                                                        : "who was asked died each time");
    return question.is_old ? take_old(&question, table->name) : question.status;
}

sluice_status remote_find(struct remote_table *table, struct sluice_span key, uint64_t flags,
                          int64_t deadline_ms, struct buffer *value, struct error *err)
{
    bool is_for_home = (flags & TABLE_FRESH) != 0 || task_explanation() != NULL;
    sluice_status st = SLUICE_TEMP;
    struct name name;

    set_name(&name, table, key, flags);
    if (!is_for_home)
        st = find_kept(table, &name, value);
    return st != SLUICE_TEMP ? st : ask(table, &name, key, flags, deadline_ms, value, err);
}
