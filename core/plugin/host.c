/* SPDX-License-Identifier: ISC */
/*
 * host: see host.h. The service tables is of a folder above this one, which provides it.
 */
#include "plugin/host.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "net/address.h"
#include "net/dns.h"
#include "net/stream.h"
#include "task/explain.h"
#include "task/pool.h"
#include "task/task.h"

#include <stdlib.h>
#include <string.h>

#define OFFLOAD_THREADS_MAX 8
#define PORT_MAX 65535

/* sdk is the first member of struct host. */
static struct host *host_of(const struct sluice_host *sdk)
{
    return (struct host *)(uintptr_t)sdk;
}

/* ---- log, clock, memory --------------------------------------------------------------------- */

static void log_line(const struct sluice_host *host, int32_t level, const char *line)
{
    enum log_level known = level >= SLUICE_LOG_ERROR && level <= SLUICE_LOG_DEBUG
                               ? (enum log_level)level
                               : LOG_LEVEL_WARNING;

    if (line != NULL)
        log_write(known, "%s: %s", host_of(host)->label, line);
}

static const struct sluice_log log_service = {
    .struct_size = sizeof(log_service),
    .write = log_line,
};

static int64_t wall_ms(const struct sluice_host *host)
{
    (void)host;
    return clock_wall_ms();
}

static int64_t monotonic_ms(const struct sluice_host *host)
{
    (void)host;
    return clock_monotonic_ms();
}

static const struct sluice_clock clock_service = {
    .struct_size = sizeof(clock_service),
    .wall_ms = wall_ms,
    .monotonic_ms = monotonic_ms,
};

static void *memory_alloc(const struct sluice_host *host, size_t size)
{
    (void)host;
    return malloc(size);
}

static void memory_free(const struct sluice_host *host, void *ptr)
{
    (void)host;
    free(ptr);
}

static const struct sluice_memory memory_service = {
    .struct_size = sizeof(memory_service),
    .alloc = memory_alloc,
    .free = memory_free,
};

/* ---- metrics --------------------------------------------------------------------------------- */

#define WORD_MAX 63

/* What is no name is not shown: the page would be unreadable for all. */
static bool is_word(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return len > 0 && len <= WORD_MAX && name[len] == '\0';
}

static void metrics_count(const struct sluice_host *host, const char *name, uint64_t add)
{
    if (name != NULL && is_word(name))
        metric_add(metric_get(METRIC_PLUGIN_EVENTS, host_of(host)->label, name, NULL), add);
}

static const struct sluice_metrics metrics_service = {
    .struct_size = sizeof(metrics_service),
    .count = metrics_count,
};

/* ---- io: a struct sluice_stream is a struct stream ------------------------------------------- */

static struct stream *stream_of(struct sluice_stream *stream)
{
    return (struct stream *)(void *)stream;
}

static void explain(const struct sluice_errors *errors, const struct error *err)
{
    if (errors != NULL)
        errors->explain(errors, err->dsn[0] != '\0' ? err->dsn : NULL, err->text);
}

static sluice_status connect_to(const struct sluice_endpoint *to, int64_t deadline_ms,
                                struct stream **ret_stream, struct error *err)
{
    struct address address;

    if (to->address.len > 0 && to->address.ptr[0] == '/')
        return stream_connect_local(to->address, deadline_ms, ret_stream, err);
    if (to->port == 0 || to->port > PORT_MAX ||
        address_parse(to->address, (uint16_t)to->port, &address) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "\"%.*s\" port %u is no address to connect to",
                         SPAN_ARGS(to->address), (unsigned)to->port);
    return stream_connect(&address, deadline_ms, ret_stream, err);
}

static sluice_status io_connect(const struct sluice_host *host, const struct sluice_endpoint *to,
                                int64_t deadline_ms, const struct sluice_errors *errors,
                                struct sluice_stream **ret_stream)
{
    struct error err = ERROR_INIT;
    struct stream *stream;
    sluice_status st;

    (void)host;
    st = connect_to(to, deadline_ms, &stream, &err);
    if (st != SLUICE_OK) {
        explain(errors, &err);
        return st;
    }
    *ret_stream = (struct sluice_stream *)(void *)stream;
    return SLUICE_OK;
}

static sluice_status io_read(struct sluice_stream *stream, void *buffer, size_t size,
                             int64_t deadline_ms, size_t *ret_len)
{
    return stream_read(stream_of(stream), buffer, size, deadline_ms, ret_len);
}

static sluice_status io_write(struct sluice_stream *stream, struct sluice_span data,
                              int64_t deadline_ms)
{
    return stream_write(stream_of(stream), data, deadline_ms);
}

static int32_t io_is_readable(struct sluice_stream *stream)
{
    return stream_is_readable(stream_of(stream)) ? 1 : 0;
}

static const char *io_explain(struct sluice_stream *stream)
{
    return stream_explain(stream_of(stream));
}

static void io_close(struct sluice_stream *stream)
{
    stream_close(stream_of(stream));
}

static sluice_status io_sleep(const struct sluice_host *host, int64_t deadline_ms)
{
    (void)host;
    if (deadline_ms <= clock_monotonic_ms())
        task_yield(); /* who works in pieces has nothing to wait for */
    return task_sleep_until(deadline_ms);
}

static sluice_status io_wait_fd(const struct sluice_host *host, int32_t fd, uint32_t events,
                                int64_t deadline_ms)
{
    int wanted = ((events & SLUICE_IO_READABLE) != 0 ? TASK_READABLE : 0) |
                 ((events & SLUICE_IO_WRITABLE) != 0 ? TASK_WRITABLE : 0);

    (void)host;
    return task_wait_fd(fd, wanted, deadline_ms);
}

static sluice_status io_keep_fd(const struct sluice_host *host, int32_t fd)
{
    (void)host;
    return task_keep_fd(fd);
}

static void io_forget_fd(const struct sluice_host *host, int32_t fd)
{
    (void)host;
    task_forget_fd(fd);
}

static const struct sluice_io io_service = {
    .struct_size = sizeof(io_service),
    .connect = io_connect,
    .read = io_read,
    .write = io_write,
    .is_readable = io_is_readable,
    .explain = io_explain,
    .close = io_close,
    .sleep = io_sleep,
    .wait_fd = io_wait_fd,
    .keep_fd = io_keep_fd,
    .forget_fd = io_forget_fd,
};

/* ---- gates: a struct sluice_gate is a struct task_queue -------------------------------------- */

static struct task_queue *queue_of(struct sluice_gate *gate)
{
    return (struct task_queue *)(void *)gate;
}

static sluice_status gates_make(const struct sluice_host *host, struct sluice_gate **ret_gate)
{
    struct task_queue *queue = calloc(1, sizeof(*queue));

    (void)host;
    if (queue == NULL)
        return SLUICE_TEMP;
    *ret_gate = (struct sluice_gate *)(void *)queue;
    return SLUICE_OK;
}

static sluice_status gates_wait(struct sluice_gate *gate, int64_t deadline_ms)
{
    return task_queue_wait(queue_of(gate), deadline_ms);
}

static int32_t gates_open_one(struct sluice_gate *gate)
{
    return task_queue_wake_one(queue_of(gate)) ? 1 : 0;
}

static void gates_open_all(struct sluice_gate *gate)
{
    task_queue_wake_all(queue_of(gate));
}

static void gates_free(struct sluice_gate *gate)
{
    free(gate);
}

static const struct sluice_gates gates_service = {
    .struct_size = sizeof(gates_service),
    .make = gates_make,
    .wait = gates_wait,
    .open_one = gates_open_one,
    .open_all = gates_open_all,
    .free = gates_free,
};

/* ---- dns, offload --------------------------------------------------------------------------- */

static sluice_status query(const struct sluice_host *host, struct sluice_span name, uint32_t type,
                           int64_t deadline_ms, const struct sluice_dns_sink *sink,
                           const struct sluice_errors *errors)
{
    struct error err = ERROR_INIT;
    sluice_status st = dns_query(name, type, deadline_ms, sink, &err);

    (void)host;
    if (st != SLUICE_OK && err.text[0] != '\0')
        explain(errors, &err);
    return st;
}

static const struct sluice_dns dns_service = {
    .struct_size = sizeof(dns_service),
    .query = query,
};

static sluice_status offload_run(const struct sluice_host *host,
                                 sluice_status (*work)(void *argument),
                                 void (*release)(void *argument), void *argument,
                                 int64_t deadline_ms, sluice_status *ret_status)
{
    struct host *own = host_of(host);

    if (own->offload == NULL &&
        pool_new(own->sdk.instance, OFFLOAD_THREADS_MAX, &own->offload) != SLUICE_OK) {
        if (release != NULL)
            release(argument); /* as for work that has ended */
        return SLUICE_TEMP;
    }
    return pool_run(own->offload, work, release, argument, deadline_ms, ret_status);
}

static const struct sluice_offload offload_service = {
    .struct_size = sizeof(offload_service),
    .run = offload_run,
};

/* ---- explain -------------------------------------------------------------------------------- */

static int32_t explain_is_wanted(const struct sluice_host *host)
{
    (void)host;
    return explanation_count > 0 && task_explanation() != NULL ? 1 : 0;
}

static bool is_note_name(const char *name)
{
    return is_word(name) && strcmp(name, "step") != 0 && strcmp(name, "steps") != 0 &&
           strcmp(name, "status") != 0;
}

static void explain_say(const struct sluice_host *host, const char *step, sluice_status status,
                        const struct sluice_note *notes, size_t count, size_t note_size)
{
    (void)host;
    if (!is_word(step))
        return;
    explain_begin(step);
    for (size_t i = 0; i < count; i++) {
        const struct sluice_note *note =
            (const void *)((const char *)notes + i * note_size); /* of a later minor */

        if (is_note_name(note->name))
            explain_span(note->name, note->text);
    }
    explain_end(status_known(status), NULL);
}

static const struct sluice_explain explain_service = {
    .struct_size = sizeof(explain_service),
    .is_wanted = explain_is_wanted,
    .say = explain_say,
};

/* ---- tables: provided ------------------------------------------------------------------------ */

static const struct sluice_tables *tables_service;

void host_provide_tables(const struct sluice_tables *service)
{
    tables_service = service;
}

/* ---- the host ------------------------------------------------------------------------------- */

static const void *get_service(const struct sluice_host *host, const char *id)
{
    static const struct {
        const char *id;
        const void *service;
    } services[] = {
        {SLUICE_LOG_ID, &log_service},       {SLUICE_CLOCK_ID, &clock_service},
        {SLUICE_MEMORY_ID, &memory_service}, {SLUICE_IO_ID, &io_service},
        {SLUICE_DNS_ID, &dns_service},       {SLUICE_OFFLOAD_ID, &offload_service},
        {SLUICE_METRICS_ID, &metrics_service}, {SLUICE_GATES_ID, &gates_service},
        {SLUICE_EXPLAIN_ID, &explain_service},
    };

    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        if (strcmp(services[i].id, id) == 0)
            return services[i].service;
    }
    if (strcmp(id, SLUICE_TABLES_ID) == 0)
        return tables_service;
    return strcmp(id, SLUICE_BASE_ID) == 0 ? host_of(host)->base : NULL;
}

void host_init(struct host *host, const char *instance, const char *label)
{
    *host = (struct host){
        .sdk = {.struct_size = sizeof(host->sdk),
                .abi_minor = SLUICE_ABI_MINOR,
                .version = SLUICE_VERSION,
                .instance = instance,
                .get_service = get_service},
        .label = label,
    };
}

void host_done(struct host *host)
{
    pool_free(host->offload);
    host->offload = NULL;
}
