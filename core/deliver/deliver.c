/* SPDX-License-Identifier: ISC */
#include "deliver/deliver.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "config/crews.h"
#include "config/resolver.h"
#include "config/role.h"
#include "deliver/attempt.h"
#include "deliver/errand.h"
#include "deliver/notice.h"
#include "deliver/resolve.h"
#include "net/dns.h"
#include "route/table_report.h"
#include "route/table_service.h"
#include "task/explain.h"
#include "task/task.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

/* What one deliver process takes at a time: its memory ceiling is about JOB_BYTES plus a stack and
 * a few buffers for each of JOBS_MAX tasks. */
#define JOBS_MAX 500
#define JOB_BYTES_MAX ((uint64_t)32 * 1024 * 1024)
#define FLUSH_TIME_MAX_MS 5000 /* for the last results, when the queue does not read */

struct deliver {
    struct role *role;
    struct attempt_means means;
    struct transport **transports;
    size_t transport_count;
    struct tables *tables;
    struct notices *notices;
    struct errands errands;
    struct routes *routes;
    bool is_draining;
};

/* A job's task. */
struct run {
    struct deliver *deliver;
    struct job *job;
    struct errand *errand;
};

static struct transport *find_transport(const struct deliver *deliver, struct sluice_span name)
{
    for (size_t i = 0; i < deliver->transport_count; i++) {
        if (span_equal(sluice_span_of(transport_name(deliver->transports[i])), name))
            return deliver->transports[i];
    }
    return NULL;
}

/*
 * Without a result the queue waits for ever, and nobody else knows that it does: so the process ends
 * as if it had crashed. Its jobs go back to the queue, and the next one has a new link.
 */
static void end_process(const char *why)
{
    log_error("%s: this process ends, its jobs are tried again", why);
    task_loop_stop(); /* with all that is under way */
}

static void send_result(const struct run *run)
{
    struct buffer body = BUFFER_INIT;

    job_encode_result(run->job, &body);
    if (errand_answer(run->errand, MESSAGE_RESULT, &body) != SLUICE_OK)
        end_process("out of memory for a result");
}

static void run_job(void *arg)
{
    struct run *run = arg;
    struct deliver *deliver = run->deliver;
    struct job *job = run->job;

    if (!job->header.is_routed && resolve_is_elsewhere(deliver->routes, job))
        job->site = SITE_ELSEWHERE;
    else
        attempt_job(&deliver->means, find_transport(deliver, job->header.transport), job);
    send_result(run);
    job_unref(job);
    free(run);
}

static sluice_status start_job(const struct run *job_run)
{
    struct run *run = malloc(sizeof(*run));
    char id[ID_TEXT_SIZE];

    if (run == NULL)
        return SLUICE_TEMP;
    *run = *job_run;
    if (task_start(id_format(run->job->header.message_id, id), run_job, run, NULL) != SLUICE_OK) {
        free(run);
        return SLUICE_TEMP;
    }
    return SLUICE_OK;
}

static void take_job(struct deliver *deliver, struct channel_frame *frame)
{
    struct run run = {.deliver = deliver, .errand = errand_new(&deliver->errands, frame->ref)};
    struct error err = ERROR_INIT;

    if (run.errand == NULL) {
        end_process("out of memory for a job");
        return;
    }
    if (job_new(frame, &run.job, &err) != SLUICE_OK) {
        end_process(err.text);
        return;
    }
    if (start_job(&run) != SLUICE_OK) {
        job_report_remaining(run.job, SLUICE_TEMP, "4.3.0", "out of memory", "none");
        send_result(&run);
        job_unref(run.job);
    }
}

/* ---- questions ------------------------------------------------------------------------------- */

/* Where addresses go now, or what would be tried: frames with one answer each. */
struct inquiry_kind {
    const char *name;
    uint16_t answer_type;
    void (*answer)(struct deliver *deliver, struct sluice_span body, struct buffer *answer);
};

struct inquiry {
    const struct inquiry_kind *kind;
    struct deliver *deliver;
    struct errand *errand;
    struct buffer body;
};

static void answer_resolve(struct deliver *deliver, struct sluice_span body, struct buffer *answer)
{
    resolve_answer(deliver->routes, body, answer);
}

/* Without memory the answer is empty. */
static void answer_explain(struct deliver *deliver, struct sluice_span body, struct buffer *answer)
{
    struct channel_frame frame = {.body = body, .fd = -1};
    struct explanation *explanation = NULL;
    struct job *job = NULL;

    if (job_new(&frame, &job, NULL) == SLUICE_OK && explanation_new(&explanation) == SLUICE_OK) {
        task_set_explanation(explanation);
        (void)task_set_limit(clock_monotonic_ms() + EXPLAIN_TIME_MS);
        attempt_explain(&deliver->means, find_transport(deliver, job->header.transport), job);
        task_set_explanation(NULL);
        explanation_format(explanation, answer);
    }
    explanation_free(explanation);
    job_unref(job);
}

static void answer_tables(struct deliver *deliver, struct sluice_span body, struct buffer *answer)
{
    table_report_answer(deliver->tables, body, answer);
}

static const struct inquiry_kind inquiry_resolve = {"resolve", MESSAGE_RESOLVED, answer_resolve};
static const struct inquiry_kind inquiry_explain = {"explain", MESSAGE_EXPLAINED, answer_explain};
static const struct inquiry_kind inquiry_tables = {"tables", MESSAGE_EXPLAINED, answer_tables};

static void run_inquiry(void *arg)
{
    struct inquiry *inquiry = arg;
    struct buffer answer = BUFFER_INIT;

    inquiry->kind->answer(inquiry->deliver, buffer_span(&inquiry->body), &answer);
    if (errand_answer(inquiry->errand, inquiry->kind->answer_type, &answer) != SLUICE_OK)
        end_process("out of memory for an answer");
    buffer_done(&inquiry->body);
    free(inquiry);
}

static void take_inquiry(struct deliver *deliver, const struct inquiry_kind *kind,
                         const struct channel_frame *frame)
{
    struct inquiry *inquiry = calloc(1, sizeof(*inquiry));

    if (inquiry != NULL) {
        inquiry->kind = kind;
        inquiry->deliver = deliver;
        inquiry->errand = errand_new(&deliver->errands, frame->ref);
        buffer_add_span(&inquiry->body, frame->body);
        if (inquiry->errand != NULL && !buffer_failed(&inquiry->body) &&
            task_start(kind->name, run_inquiry, inquiry, NULL) == SLUICE_OK)
            return;
    }
    end_process("out of memory for a question"); /* with all that it has */
}

/* ---- reports --------------------------------------------------------------------------------- */

/* A report's task. */
struct report_run {
    struct deliver *deliver;
    struct notice *notice;
    struct errand *errand;
};

static sluice_status send_reported(void *user, const struct message_reported *reported, int fd)
{
    const struct report_run *run = user;
    struct buffer head = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    message_reported_encode_head(reported, &head);
    if (!buffer_failed(&head))
        st = errand_send_part(run->errand, MESSAGE_REPORTED, buffer_span(&head), reported->content,
                              fd);
    buffer_done(&head);
    return st;
}

/* The last frame, and the end of the run. */
static void end_report(struct report_run *run, sluice_status status, const char *why)
{
    const struct message_reported end = {.status = status, .text = sluice_span_of(why)};
    struct buffer body = BUFFER_INIT;

    message_reported_encode_head(&end, &body);
    if (errand_answer(run->errand, MESSAGE_REPORTED, &body) != SLUICE_OK)
        end_process("out of memory for a report");
    notice_free(run->notice);
    free(run);
}

static void run_report(void *arg)
{
    struct report_run *run = arg;
    struct error err = ERROR_INIT;
    sluice_status st = notice_run(run->deliver->notices, run->notice, send_reported, run, &err);

    end_report(run, st, err.text);
}

static void take_report(struct deliver *deliver, struct channel_frame *frame)
{
    struct report_run *run = calloc(1, sizeof(*run));
    struct error err = ERROR_INIT;
    char id[ID_TEXT_SIZE];

    if (run == NULL || (run->errand = errand_new(&deliver->errands, frame->ref)) == NULL) {
        free(run);
        end_process("out of memory for a report");
        return;
    }
    run->deliver = deliver;
    if (notice_new(frame, &run->notice, &err) != SLUICE_OK)
        end_report(run, SLUICE_TEMP, err.text);
    else if (task_start(id_format(notice_message_id(run->notice), id), run_report, run, NULL) !=
             SLUICE_OK)
        end_report(run, SLUICE_TEMP, "out of memory");
}

/* ---- links ------------------------------------------------------------------------ */

static void send_credit(struct deliver *deliver, uint64_t messages, uint64_t bytes)
{
    struct message_credit credit = {.bytes = bytes, .messages = messages};
    struct buffer body = BUFFER_INIT;

    message_credit_encode(&credit, &body);
    if (buffer_failed(&body) || channel_send_body(deliver->errands.queue, MESSAGE_CREDIT, 0,
                                                  buffer_span(&body)) != SLUICE_OK)
        end_process("out of memory for credit");
    buffer_done(&body);
}

static void resume(struct deliver *deliver, uint64_t handover)
{
    if (errands_resume(&deliver->errands, handover) != SLUICE_OK)
        end_process("out of memory for results");
    else if (!deliver->is_draining)
        send_credit(deliver, JOBS_MAX, JOB_BYTES_MAX);
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct deliver *deliver = user;

    (void)channel;
    switch (frame->type) {
    case MESSAGE_JOB: /* one that was on its way when draining began goes back with the link */
        if (!deliver->is_draining)
            take_job(deliver, frame);
        break;
    case MESSAGE_RESOLVE:
        if (!deliver->is_draining)
            take_inquiry(deliver, &inquiry_resolve, frame);
        break;
    case MESSAGE_EXPLAIN:
        if (!deliver->is_draining)
            take_inquiry(deliver, &inquiry_explain, frame);
        break;
    case MESSAGE_TABLES:
        if (!deliver->is_draining)
            take_inquiry(deliver, &inquiry_tables, frame);
        break;
    case MESSAGE_REPORT:
        if (!deliver->is_draining)
            take_report(deliver, frame);
        break;
    case MESSAGE_PAUSE:
        if (errands_pause(&deliver->errands, frame->ref) != SLUICE_OK)
            end_process("out of memory for an answer");
        break;
    case MESSAGE_RESUME:
        resume(deliver, frame->ref);
        break;
    }
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    struct deliver *deliver = user;

    (void)channel;
    log_info("the queue's link is gone: %s", reason);
    errands_disconnect(&deliver->errands);
    role_link_lost("queue");
}

static void deliver_link(struct role *role, const struct message_link *link, int fd)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    struct deliver *deliver = role->user;
    struct channel *channel;

    if (span_equal(link->role, SPAN_LITERAL("lookup"))) {
        tables_link(deliver->tables, link->index, fd);
        return;
    }
    if (channel_new(fd, "queue", &handlers, deliver, &channel) != SLUICE_OK) {
        (void)close(fd); /* never used */
        log_error("out of memory for a link to the queue");
        role_link_lost("queue");
        return;
    }
    errands_connect(&deliver->errands, channel);
}

/* Only those of the process's own crew: no other is to run with its rights. */
static sluice_status open_transports(struct deliver *deliver, struct error *err)
{
    const struct config *config = deliver->role->config;
    size_t count = config_instance_count(config);

    deliver->transports = calloc(count + 1, sizeof(struct transport *));
    if (deliver->transports == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct config_instance *instance = config_instance_at(config, i);
        sluice_status st;

        if (strcmp(instance->interface, SLUICE_TRANSPORT_ID) != 0 ||
            strcmp(crew_of_transport(instance), deliver->role->crew) != 0)
            continue;
        st = transport_open(instance, &deliver->transports[deliver->transport_count], err);
        if (st != SLUICE_OK) {
            error_prefix(err, "%s: transport %s", instance->origin, instance->name);
            return st;
        }
        deliver->transport_count++;
    }
    return SLUICE_OK;
}

static sluice_status open_tables(struct deliver *deliver, struct error *err)
{
    if (tables_new(deliver->role->config, &deliver->tables) != SLUICE_OK ||
        tables_ask_homes(deliver->tables) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    table_service_provide(deliver->tables);
    return SLUICE_OK;
}

/* Routes and reports are the common crew's. */
static sluice_status open_routes(struct deliver *deliver, struct error *err)
{
    const struct config *config = deliver->role->config;
    sluice_status st = routes_open(config, deliver->tables, &deliver->routes, err);

    if (st == SLUICE_OK)
        st = notices_open(config, deliver->routes, &deliver->notices, err);
    return st;
}

static bool needs_hosts(const struct deliver *deliver)
{
    for (size_t i = 0; i < deliver->transport_count; i++) {
        if (transport_has_connect(deliver->transports[i]))
            return true;
    }
    return false;
}

static sluice_status deliver_start(struct role *role, struct error *err)
{
    struct deliver *deliver = calloc(1, sizeof(*deliver));
    sluice_status st;

    if (deliver == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    role->user = deliver;
    deliver->role = role;
    role_start_metrics();
    deliver->means.session_limit = (unsigned)config_number(role->config, "smtp_mx_session_limit");
    deliver->means.relayhost = config_text(role->config, "relayhost");
    deliver->means.best_mx_transport = config_text(role->config, "best_mx_transport");
    st = resolver_start(role->config, err);
    if (st == SLUICE_OK)
        st = cache_new(config_number(role->config, "connection_cache_time_limit"),
                       &deliver->means.cache, err);
    if (st == SLUICE_OK)
        st = open_tables(deliver, err);
    if (st == SLUICE_OK)
        st = open_transports(deliver, err);
    if (st == SLUICE_OK && needs_hosts(deliver))
        st = nexthop_chain_open(role->config, &deliver->means.chain, err);
    if (st == SLUICE_OK && strcmp(role->crew, "") == 0)
        st = open_routes(deliver, err);
    return st;
}

/* With the last job done and its result on the way the process may leave. */
static void drain(void *arg)
{
    struct deliver *deliver = arg;
    int64_t give_up_ms;

    while (deliver->errands.list != NULL &&
           task_queue_wait(&deliver->errands.idle, CLOCK_NEVER) == SLUICE_OK)
        ;
    cache_free(deliver->means.cache);
    deliver->means.cache = NULL;
    give_up_ms = clock_monotonic_ms() + FLUSH_TIME_MAX_MS;
    while (deliver->errands.queue != NULL && channel_pending(deliver->errands.queue) > 0 &&
           clock_monotonic_ms() < give_up_ms) {
        if (task_sleep_until(clock_monotonic_ms() + 1) != SLUICE_OK)
            break;
    }
    role_finished(deliver->role);
}

/* No further jobs are asked for; those under way come to their end. */
static void deliver_drain(struct role *role)
{
    struct deliver *deliver = role->user;

    if (deliver->is_draining)
        return;
    deliver->is_draining = true;
    if (deliver->errands.queue != NULL)
        send_credit(deliver, 0, 0);
    if (task_start("drain", drain, deliver, NULL) != SLUICE_OK)
        role_finished(role);
}

static void deliver_stop(struct role *role)
{
    struct deliver *deliver = role->user;

    if (deliver == NULL)
        return;
    errands_disconnect(&deliver->errands);
    cache_free(deliver->means.cache);
    for (size_t i = 0; i < deliver->transport_count; i++)
        transport_close(deliver->transports[i]);
    free(deliver->transports);
    notices_close(deliver->notices);
    nexthop_chain_close(deliver->means.chain);
    routes_close(deliver->routes);
    table_service_provide(NULL);
    tables_free(deliver->tables);
    dns_done();
    free(deliver);
}

int deliver_main(void)
{
    static const struct role_ops ops = {
        .name = "deliver",
        .start = deliver_start,
        .link = deliver_link,
        .drain = deliver_drain,
        .stop = deliver_stop,
    };

    return role_run(&ops);
}
