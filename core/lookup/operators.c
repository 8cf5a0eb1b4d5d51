/* SPDX-License-Identifier: ISC */
/* operators: see operators.h. */
#include "lookup/operators.h"

#include "base/clock.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/span.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "task/task.h"

#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#define FLUSH_MS 20000 /* for a disk: the queue waits a little longer */

/* A queue, of which there are two for a moment during a reload. */
struct link {
    struct operators *operators;
    uint64_t number;
    struct channel *channel;
    struct link *prev;
    struct link *next;
};

struct operators {
    struct fronts *fronts;
    struct keepers *keepers;
    struct link *links;
    uint64_t last_number;
};

/* A request whose answer has to wait; its link may have gone by then. */
struct flush {
    struct operators *operators;
    uint64_t link;
    uint64_t ref;
    struct message_tables_request request; /* points into the body */
    char *body;
};

struct operators *operators_new(struct fronts *fronts, struct keepers *keepers)
{
    struct operators *operators = calloc(1, sizeof(*operators));

    if (operators == NULL)
        return NULL;
    operators->fronts = fronts;
    operators->keepers = keepers;
    return operators;
}

static void end_link(struct link *link)
{
    DL_DELETE(link->operators->links, link);
    channel_free(link->channel);
    free(link);
}

void operators_free(struct operators *operators)
{
    if (operators == NULL)
        return;
    while (operators->links != NULL)
        end_link(operators->links);
    free(operators);
}

/* Takes the answer. */
static void send(const struct operators *operators, uint64_t number, uint64_t ref, json_t *answer)
{
    struct buffer body = BUFFER_INIT;
    struct link *link;

    DL_SEARCH_SCALAR(operators->links, link, number, number);
    json_format(answer, &body);
    if (link != NULL)
        (void)channel_send_body(link->channel, MESSAGE_EXPLAINED, ref,
                                buffer_failed(&body) ? SPAN_EMPTY : buffer_span(&body));
    buffer_done(&body);
    json_decref(answer);
}

/* ---- how tables are -------------------------------------------------------------------------- */

static void set_since(json_t *line, const char *name, int64_t since_ms)
{
    if (since_ms != 0)
        (void)json_object_set_new(line, name, json_integer((json_int_t)since_ms / 1000));
}

static json_t *describe(const struct front *front)
{
    const struct table *table = front_table(front);
    const char *text = table_why_closed(table);
    struct front_state state;
    json_t *line = json_object();

    front_look(front, &state);
    (void)json_object_set_new(line, "table", json_text(sluice_span_of(table_name(table))));
    (void)json_object_set_new(line, "open", json_boolean(text == NULL));
    if (text == NULL && state.failing_since_ms != 0)
        text = state.trouble;
    if (text != NULL)
        (void)json_object_set_new(line, "text", json_text(sluice_span_of(text)));
    set_since(line, "failing_since", state.failing_since_ms);
    set_since(line, "stale_since", state.stale_since_ms);
    return line;
}

static json_t *list(const struct operators *operators)
{
    json_t *lines = json_array();
    const struct front *front = NULL;

    while ((front = fronts_next(operators->fronts, front)) != NULL)
        (void)json_array_append_new(lines, describe(front));
    return lines;
}

/* ---- forgetting ------------------------------------------------------------------------------ */

static sluice_status forget(const struct operators *operators, struct front *front,
                            const struct message_tables_request *request, size_t *count,
                            struct error *err)
{
    *count += front_forget(front, request->key);
    keepers_forget(operators->keepers, table_name(front_table(front)));
    return request->is_deep ? front_forget_known(front, request->key, err) : SLUICE_OK;
}

static void run_flush(void *arg)
{
    struct flush *flush = arg;
    const struct operators *operators = flush->operators;
    struct fronts *fronts = operators->fronts;
    const struct message_tables_request *request = &flush->request;
    int64_t deadline_ms = clock_monotonic_ms() + FLUSH_MS;
    struct error err = ERROR_INIT;
    sluice_status st = SLUICE_OK;
    struct front *front = NULL;
    size_t count = 0;

    (void)task_set_limit(deadline_ms);
    while (st == SLUICE_OK && (front = fronts_next(fronts, front)) != NULL) {
        if (request->table.len == 0 ||
            span_equal(request->table, sluice_span_of(table_name(front_table(front)))))
            st = forget(operators, front, request, &count, &err);
    }
    if (st == SLUICE_OK)
        st = keepers_wait(operators->keepers, deadline_ms, &err);
    send(operators, flush->link, flush->ref,
         json_pack("{s:I, s:s, s:o}", "forgotten", (json_int_t)count, "status", status_name(st),
                   "text", json_text(sluice_span_of(err.text))));
    free(flush->body);
    free(flush);
    fronts_release(fronts);
}

static sluice_status start_flush(const struct link *link, const struct channel_frame *frame)
{
    struct flush *flush = calloc(1, sizeof(*flush));

    if (flush == NULL)
        return SLUICE_TEMP;
    flush->operators = link->operators;
    flush->link = link->number;
    flush->ref = frame->ref;
    flush->body = span_dup(frame->body);
    if (flush->body != NULL &&
        message_tables_request_decode(
            (struct sluice_span){.ptr = flush->body, .len = frame->body.len}, &flush->request) ==
            SLUICE_OK &&
        task_start("flush", run_flush, flush, NULL) == SLUICE_OK) {
        fronts_hold(flush->operators->fronts);
        return SLUICE_OK;
    }
    free(flush->body);
    free(flush);
    return SLUICE_TEMP;
}

/* ---- links ----------------------------------------------------------------------------------- */

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    const struct link *link = user;
    struct message_tables_request request;

    (void)channel;
    if (frame->type != MESSAGE_TABLES ||
        message_tables_request_decode(frame->body, &request) != SLUICE_OK)
        log_error("a request that makes no sense");
    else if (request.wish == TABLES_LIST)
        send(link->operators, link->number, frame->ref, list(link->operators));
    else if (request.wish != TABLES_FLUSH || start_flush(link, frame) != SLUICE_OK)
        send(link->operators, link->number, frame->ref, NULL);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    (void)channel;
    (void)reason; /* the queue hands over, or is started again */
    end_link(user);
}

void operators_link(struct operators *operators, int fd)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    struct link *link = calloc(1, sizeof(*link));

    if (link == NULL ||
        channel_new(fd, "lookup to queue", &handlers, link, &link->channel) != SLUICE_OK) {
        log_error("no memory for a link to the queue");
        free(link);
        (void)close(fd);
        return;
    }
    link->operators = operators;
    link->number = ++operators->last_number;
    DL_APPEND(operators->links, link);
}
