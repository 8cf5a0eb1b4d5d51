/* SPDX-License-Identifier: ISC */
#include "deliver/deliver.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "config/role.h"
#include "deliver/attempt.h"
#include "net/dns.h"
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
    struct channel *queue; /* NULL while there is no link */
    size_t jobs;
    struct task_queue idle; /* woken when the last job is done */
    bool is_draining;
};

/* A job's task: the job, and where its result goes. */
struct errand {
    struct deliver *deliver;
    struct job *job;
    struct channel *queue;
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
 * Without a result the queue waits for ever, and a link that is broken is not made anew: so the
 * process ends as if it had crashed. Its jobs go back to the queue, and the next one has a new link.
 */
static void end_process(const char *why)
{
    log_error("%s: this process ends, its jobs are tried again", why);
    task_loop_stop(); /* with all that is under way */
}

/* The queue that gave the job may have died meanwhile: the new one has it again. */
static void send_result(const struct errand *errand)
{
    struct buffer body = BUFFER_INIT;

    if (errand->queue != errand->deliver->queue)
        return;
    job_encode_result(errand->job, &body);
    if (buffer_failed(&body) || channel_send_body(errand->queue, MESSAGE_RESULT, errand->job->ref,
                                                  buffer_span(&body)) != SLUICE_OK)
        end_process("out of memory for a result");
    buffer_done(&body);
}

static void errand_run(void *arg)
{
    struct errand *errand = arg;
    struct deliver *deliver = errand->deliver;
    struct job *job = errand->job;

    attempt_job(&deliver->means, find_transport(deliver, job->header.transport), job);
    send_result(errand);
    job_unref(job);
    free(errand);
    if (--deliver->jobs == 0)
        task_queue_wake_all(&deliver->idle);
}

static sluice_status errand_start(struct deliver *deliver, struct job *job)
{
    struct errand *errand = malloc(sizeof(*errand));
    char id[ID_TEXT_SIZE];

    if (errand == NULL)
        return SLUICE_TEMP;
    *errand = (struct errand){.deliver = deliver, .job = job, .queue = deliver->queue};
    deliver->jobs++;
    if (task_start(id_format(job->header.message_id, id), errand_run, errand, NULL) != SLUICE_OK) {
        deliver->jobs--;
        free(errand);
        return SLUICE_TEMP;
    }
    return SLUICE_OK;
}

static void take_job(struct deliver *deliver, struct channel_frame *frame)
{
    struct error err = ERROR_INIT;
    struct job *job;

    if (job_new(frame, &job, &err) != SLUICE_OK) {
        end_process(err.text);
        return;
    }
    if (errand_start(deliver, job) != SLUICE_OK) {
        struct errand refused = {.deliver = deliver, .job = job, .queue = deliver->queue};

        job_report_remaining(job, SLUICE_TEMP, "4.3.0", "out of memory", "none");
        send_result(&refused);
        job_unref(job);
    }
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct deliver *deliver = user;

    /* A job that was on its way when draining began goes back to the queue with the link. */
    if (channel == deliver->queue && frame->type == MESSAGE_JOB && !deliver->is_draining)
        take_job(deliver, frame);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    struct deliver *deliver = user;

    log_info("the queue's link is gone: %s", reason);
    if (deliver->queue == channel)
        deliver->queue = NULL;
    channel_free(channel);
}

static void send_credit(struct deliver *deliver, uint64_t messages, uint64_t bytes)
{
    struct message_credit credit = {.bytes = bytes, .messages = messages};
    struct buffer body = BUFFER_INIT;

    message_credit_encode(&credit, &body);
    if (buffer_failed(&body) ||
        channel_send_body(deliver->queue, MESSAGE_CREDIT, 0, buffer_span(&body)) != SLUICE_OK)
        end_process("out of memory for credit");
    buffer_done(&body);
}

static void deliver_link(struct role *role, const struct message_link *link, int fd)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    struct deliver *deliver = role->user;

    (void)link; /* deliver has links to the queue alone */
    channel_free(deliver->queue);
    deliver->queue = NULL;
    if (channel_new(fd, "queue", &handlers, deliver, &deliver->queue) != SLUICE_OK) {
        (void)close(fd); /* never used */
        end_process("out of memory for a link");
        return;
    }
    if (!deliver->is_draining)
        send_credit(deliver, JOBS_MAX, JOB_BYTES_MAX);
}

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

        if (strcmp(instance->interface, SLUICE_TRANSPORT_ID) != 0)
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

static sluice_status start_dns(const struct config *config, struct error *err)
{
    size_t count = config_count(config, "dns_servers");
    const char **servers = calloc(count + 1, sizeof(*servers));
    sluice_status st;

    if (servers == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    for (size_t i = 0; i < count; i++)
        servers[i] = config_item(config, "dns_servers", i);
    st = dns_init(servers, count, err);
    free(servers);
    return st;
}

static sluice_status deliver_start(struct role *role, struct error *err)
{
    struct deliver *deliver = calloc(1, sizeof(*deliver));
    sluice_status st;

    if (deliver == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    role->user = deliver;
    deliver->role = role;
    deliver->means.session_limit = (unsigned)config_number(role->config, "smtp_mx_session_limit");
    st = start_dns(role->config, err);
    if (st == SLUICE_OK)
        st = cache_new(config_number(role->config, "connection_cache_time_limit"),
                       &deliver->means.cache, err);
    if (st == SLUICE_OK)
        st = nexthop_chain_open(role->config, &deliver->means.chain, err);
    if (st == SLUICE_OK)
        st = open_transports(deliver, err);
    return st;
}

/* With the last job done and its result on the way the process may leave. */
static void drain(void *arg)
{
    struct deliver *deliver = arg;
    int64_t give_up_ms;

    while (deliver->jobs > 0 && task_queue_wait(&deliver->idle, CLOCK_NEVER) == SLUICE_OK)
        ;
    cache_free(deliver->means.cache);
    deliver->means.cache = NULL;
    give_up_ms = clock_monotonic_ms() + FLUSH_TIME_MAX_MS;
    while (deliver->queue != NULL && channel_pending(deliver->queue) > 0 &&
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
    if (deliver->queue != NULL)
        send_credit(deliver, 0, 0);
    if (task_start("drain", drain, deliver, NULL) != SLUICE_OK)
        role_finished(role);
}

static void deliver_stop(struct role *role)
{
    struct deliver *deliver = role->user;

    if (deliver == NULL)
        return;
    channel_free(deliver->queue);
    cache_free(deliver->means.cache);
    for (size_t i = 0; i < deliver->transport_count; i++)
        transport_close(deliver->transports[i]);
    free(deliver->transports);
    nexthop_chain_close(deliver->means.chain);
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
