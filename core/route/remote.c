/* SPDX-License-Identifier: ISC */
/*
 * remote: see remote.h. Frames of one turn of the loop leave together, which the channel sees to.
 */
#include "route/remote.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/span.h"
#include "base/text.h"
#include "config/homes.h"
#include "config/role.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "task/doubt.h"
#include "task/explain.h"
#include "task/task.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Of one process at one home: others wait for their turn here, and not in its memory. */
#define QUESTIONS_MAX 1000
#define LOST_MAX 2 /* who dies of a question is not asked it again and again */

/* On the stack of who asks. */
struct question {
    uint64_t ref;
    struct task *asker;
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

/* Of a table that can tell when its content has changed. */
struct content {
    char *table;
    uint64_t generation;
    UT_hash_handle hh;
};

struct remote {
    struct home homes[HOMES_MAX];
    struct content *contents;
    uint64_t last_ref;
};

struct remote *remote_new(void)
{
    struct remote *remote = calloc(1, sizeof(*remote));

    for (size_t i = 0; remote != NULL && i < HOMES_MAX; i++)
        remote->homes[i].remote = remote;
    return remote;
}

static void forget_content(struct remote *remote, struct content *content)
{
    HASH_DEL(remote->contents, content);
    free(content->table);
    free(content);
}

void remote_free(struct remote *remote)
{
    if (remote == NULL)
        return;
    while (remote->contents != NULL)
        forget_content(remote, remote->contents);
    for (size_t i = 0; i < HOMES_MAX; i++) {
        assert(remote->homes[i].questions == NULL);
        channel_free(remote->homes[i].channel);
    }
    free(remote);
}

/* ---- the link -------------------------------------------------------------------------------- */

/* All that were asked over it are to be asked again. */
static void disconnect(struct home *home)
{
    struct question *question;
    struct question *next;

    channel_free(home->channel);
    home->channel = NULL;
    HASH_ITER(hh, home->questions, question, next)
    {
        question->lost_count += question->is_sent ? 1 : 0;
        question->is_sent = false;
        task_wake(question->asker);
    }
}

static void take_answer(struct question *question, struct sluice_span body)
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
    if (found.noted.len > 0)
        question->noted = json_loadb(found.noted.ptr, found.noted.len, 0, NULL);
    question->is_old = found.is_old;
    question->is_answered = true;
    task_wake(question->asker);
}

static struct content *content_new(const struct message_table *message)
{
    struct content *content = calloc(1, sizeof(*content));

    if (content == NULL)
        return NULL;
    content->table = span_dup(message->table);
    if (content->table == NULL) {
        free(content);
        return NULL;
    }
    return content;
}

/* Without memory it stays one that cannot tell: its routes are looked at when they are tried again. */
static void take_generation(struct remote *remote, struct sluice_span body)
{
    struct message_table message;
    struct content *content = NULL;

    if (message_table_decode(body, &message) != SLUICE_OK) {
        log_error("news of a table that make no sense");
        return;
    }
    HASH_FIND(hh, remote->contents, message.table.ptr, message.table.len, content);
    if (content != NULL && !message.has_generation) {
        forget_content(remote, content);
        return;
    }
    if (content == NULL && message.has_generation && (content = content_new(&message)) != NULL) {
        HASH_ADD_KEYPTR(hh, remote->contents, content->table, message.table.len, content);
        if (!hash_has(content)) {
            free(content->table);
            free(content);
            return;
        }
    }
    if (content != NULL)
        content->generation = message.generation;
}

sluice_status remote_generation(const struct remote *remote, const char *table,
                                uint64_t *ret_generation)
{
    const struct content *content = NULL;

    HASH_FIND_STR(remote->contents, table, content);
    if (content == NULL)
        return SLUICE_UNSUPPORTED;
    *ret_generation = content->generation;
    return SLUICE_OK;
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct home *home = user;
    struct question *question;

    (void)channel;
    if (frame->type == MESSAGE_TABLE) {
        take_generation(home->remote, frame->body);
        return;
    }
    HASH_FIND(hh, home->questions, &frame->ref, sizeof(frame->ref), question);
    if (frame->type == MESSAGE_FOUND && question != NULL && !question->is_answered)
        take_answer(question, frame->body); /* else who asked has given up */
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

sluice_status remote_find(struct remote *remote, unsigned home, const char *table,
                          struct sluice_span key, uint64_t flags, int64_t deadline_ms,
                          struct buffer *value, struct error *err)
{
    struct home *own = &remote->homes[home];
    struct question question = {
        .ref = ++remote->last_ref, .asker = task_self(), .value = value, .err = err};
    sluice_status st = wait_for_turn(own, deadline_ms);

    if (st != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "%s: no lookup process to ask", table);
    HASH_ADD(hh, own->questions, ref, sizeof(question.ref), &question);
    if (!hash_has(&question))
        return error_set(err, SLUICE_TEMP, "%s: no memory for a question", table);
    while (st == SLUICE_OK && !question.is_answered && question.lost_count < LOST_MAX) {
        if (own->channel == NULL)
            st = task_queue_wait(&own->turn, deadline_ms);
        else if (!question.is_sent && !send(own, &question, table, key, flags, deadline_ms))
            st = SLUICE_TEMP;
        else
            st = task_park(deadline_ms);
    }
    HASH_DEL(own->questions, &question);
    (void)task_queue_wake_one(&own->turn);
    explain_take(question.noted);
    json_decref(question.noted);
    if (!question.is_answered)
        return error_set(err, SLUICE_TEMP, "%s: %s", table,
                         question.lost_count < LOST_MAX ? "no answer in time"
                                                        : "who was asked died each time");
    return question.is_old ? take_old(&question, table) : question.status;
}
