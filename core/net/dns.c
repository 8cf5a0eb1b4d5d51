/* SPDX-License-Identifier: ISC */
/*
 * dns: libunbound in a thread of its own, its answers fetched when its descriptor says so.
 *
 * No call of libunbound drops cached answers, so asking afresh means a new context: 2 ms and 1.7 MiB
 * with its thread. The present one is kept in resolver.present; older ones live on until their last
 * query has ended.
 *
 * One resolver for each process: tasks and plugins ask without being handed one.
 */
#include "net/dns.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "task/explain.h"
#include "task/task.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>
#include <utlist.h>
#include <uv.h>

#define DNS_NAME_MAX 255         /* RFC 1035 2.3.4 */
#define DNS_QUERY_MS (10 * 1000) /* the longest that one query may take */
#define DNS_REFRESH_MS 1000      /* a context younger than that is fresh */
#define DNS_CLASS_IN 1
#define DNS_RCODE_OK 0
#define DNS_RCODE_NXDOMAIN 3

struct context {
    struct ub_ctx *ub;
    uv_poll_t poll;
    unsigned queries; /* under way */
    int64_t created_ms;
    struct context *prev;
    struct context *next;
};

/* On the stack of who asks. */
struct query {
    struct task *waiter;
    struct context *context;
    struct ub_result *result;
    int error;
    bool is_done;
};

static struct {
    struct context *all;
    struct context *present; /* NULL: the next query makes one */
    char **servers;          /* none: the system's */
    size_t server_count;
} resolver;

/* ---- contexts -------------------------------------------------------------------------------- */

/* A server that is named in our configuration is trusted with all names: it may serve a test or a
 * private network, and libunbound would answer these without asking. The system's servers are not
 * asked for them, as RFC 6303 wants. */
static void ask_for_private_zones(struct ub_ctx *ub)
{
    static const char *const zones[] = {"test.", "invalid.", "10.in-addr.arpa.",
                                        "127.in-addr.arpa.", "168.192.in-addr.arpa."};
    char zone[] = "16.172.in-addr.arpa.";

    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
        (void)ub_ctx_zone_remove(ub, zones[i]); /* out of memory: it just stays */
    for (int net = 16; net < 32; net++) {
        zone[0] = (char)('0' + net / 10);
        zone[1] = (char)('0' + net % 10);
        (void)ub_ctx_zone_remove(ub, zone);
    }
}

static sluice_status use_servers(struct ub_ctx *ub, struct error *err)
{
    for (size_t i = 0; i < resolver.server_count; i++) {
        int result = ub_ctx_set_fwd(ub, resolver.servers[i]);
        if (result != 0)
            return error_set(err, SLUICE_CONFIG, "name server \"%s\": %s", resolver.servers[i],
                             ub_strerror(result));
    }
    ask_for_private_zones(ub);
    return SLUICE_OK;
}

static sluice_status use_system(struct ub_ctx *ub, struct error *err)
{
    (void)ub_ctx_hosts(ub, NULL); /* a system without that file has no such names */
    /* Without that file resolv.conf(5) means the own machine; libunbound would ask the roots. */
    if (ub_ctx_resolvconf(ub, NULL) != 0 && ub_ctx_set_fwd(ub, "127.0.0.1") != 0)
        return error_set(err, SLUICE_TEMP, "name servers of the system: out of memory");
    return SLUICE_OK;
}

static sluice_status set_up(struct ub_ctx *ub, struct error *err)
{
    static const char *const options[][2] = {
        /* One more try for each server: its 17 seconds until SERVFAIL help nobody. */
        {"outbound-msg-retry:", "1"},
        /* A server that knows an answer is quick, but one that has to ask around may need seconds. The
         * library would learn from the former to wait 50 ms. */
        {"infra-cache-min-rtt:", "3000"},
        {"do-not-query-localhost:", "no"},
        {"outgoing-range:", "128"}, /* queries at once; the library's 16 are few for a queue */
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        int result = ub_ctx_set_option(ub, options[i][0], options[i][1]);
        if (result != 0)
            return error_set(err, SLUICE_TEMP, "libunbound: %s %s", options[i][0],
                             ub_strerror(result));
    }
    (void)ub_ctx_async(ub, 1); /* a thread, not a process; cannot fail on a new context */
    return resolver.server_count > 0 ? use_servers(ub, err) : use_system(ub, err);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Not from a callback of libunbound's. */
static void context_close(struct context *context)
{
    if (resolver.present == context)
        resolver.present = NULL;
    DL_DELETE(resolver.all, context);
    uv_close((uv_handle_t *)&context->poll, on_closed);
    ub_ctx_delete(context->ub);
}

static void close_if_unused(struct context *context)
{
    if (context != resolver.present && context->queries == 0)
        context_close(context);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct context *context = poll->data;

    (void)status;
    (void)events;
    int result = ub_process(context->ub);
    if (result != 0)
        log_warning("libunbound: %s", ub_strerror(result));
    close_if_unused(context);
}

static sluice_status watch(struct context *context, struct error *err)
{
    int result = uv_poll_init(task_loop(), &context->poll, ub_fd(context->ub));

    if (result != 0)
        return error_set(err, SLUICE_TEMP, "libunbound: poll: %s", uv_strerror(result));
    context->poll.data = context;
    uv_unref((uv_handle_t *)&context->poll); /* who asks keeps the loop alive */
    (void)uv_poll_start(&context->poll, UV_READABLE, on_readable); /* cannot fail when new */
    return SLUICE_OK;
}

static sluice_status context_open(struct error *err)
{
    struct context *context = calloc(1, sizeof(*context));
    struct ub_ctx *ub = ub_ctx_create();
    sluice_status status = SLUICE_OK;

    if (context == NULL || ub == NULL)
        status = error_set(err, SLUICE_TEMP, "libunbound: out of memory");
    if (status == SLUICE_OK)
        status = set_up(ub, err);
    if (status == SLUICE_OK) {
        context->ub = ub;
        status = watch(context, err);
    }
    if (status != SLUICE_OK) {
        ub_ctx_delete(ub);
        free(context);
        return status;
    }
    context->created_ms = clock_monotonic_ms();
    DL_APPEND(resolver.all, context);
    resolver.present = context;
    return SLUICE_OK;
}

/* ---- start, end, refresh --------------------------------------------------------------------- */

static void free_servers(void)
{
    for (size_t i = 0; i < resolver.server_count; i++)
        free(resolver.servers[i]);
    free(resolver.servers);
    resolver.servers = NULL;
    resolver.server_count = 0;
}

static bool copy_servers(const char *const *servers, size_t count)
{
    if (count == 0)
        return true;
    resolver.servers = calloc(count, sizeof(resolver.servers[0]));
    if (resolver.servers == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        resolver.servers[i] = strdup(servers[i]);
        if (resolver.servers[i] == NULL)
            return false;
        resolver.server_count++;
    }
    return true;
}

sluice_status dns_init(const char *const *servers, size_t count, struct error *err)
{
    sluice_status status;

    assert(resolver.all == NULL && resolver.servers == NULL);
    if (!copy_servers(servers, count))
        status = error_set(err, SLUICE_TEMP, "name servers: out of memory");
    else
        status = context_open(err);
    if (status != SLUICE_OK)
        free_servers();
    return status;
}

void dns_done(void)
{
    struct context *context;
    struct context *next;

    DL_FOREACH_SAFE(resolver.all, context, next)
    {
        context_close(context);
    }
    free_servers();
}

void dns_refresh(void)
{
    struct context *context = resolver.present;

    if (context == NULL || clock_monotonic_ms() - context->created_ms < DNS_REFRESH_MS)
        return;
    resolver.present = NULL;
    close_if_unused(context);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* A host name in wire format to text without the final dot. False if it is cut off, or has a byte
 * that no host name has. */
static bool name_to_text(struct sluice_span wire, char text[DNS_NAME_MAX], size_t *ret_len)
{
    size_t len = 0;

    while (wire.len > 0 && wire.ptr[0] != 0) {
        size_t label = (unsigned char)wire.ptr[0];
        if (label > 63 || wire.len < label + 1 || len + label + 1 > DNS_NAME_MAX)
            return false;
        if (len > 0)
            text[len++] = '.';
        for (size_t i = 1; i <= label; i++) {
            char c = wire.ptr[i];
            if (c <= ' ' || c == 0x7f || c == '.' || c == '\\')
                return false;
            text[len++] = c;
        }
        wire = span_skip(wire, label + 1);
    }
    *ret_len = len;
    return wire.len > 0;
}

static bool read_address(int family, size_t size, struct sluice_span data, char text[DNS_NAME_MAX],
                         struct sluice_dns_record *record)
{
    if (data.len != size || inet_ntop(family, data.ptr, text, DNS_NAME_MAX) == NULL)
        return false;
    record->target = sluice_span_of(text);
    return true;
}

static bool read_name(struct sluice_span data, char text[DNS_NAME_MAX],
                      struct sluice_dns_record *record)
{
    size_t len;

    if (!name_to_text(data, text, &len))
        return false;
    record->target = (struct sluice_span){.ptr = text, .len = len};
    return true;
}

static bool read_mx(struct sluice_span data, char text[DNS_NAME_MAX],
                    struct sluice_dns_record *record)
{
    if (data.len < 3 || !read_name(span_skip(data, 2), text, record))
        return false;
    record->preference = (uint32_t)(unsigned char)data.ptr[0] << 8 | (unsigned char)data.ptr[1];
    return true;
}

/* RFC 1035 3.3.14: strings, each behind its length; together they are the text. */
static bool read_text(struct sluice_span data, char text[DNS_NAME_MAX],
                      struct sluice_dns_record *record)
{
    size_t len = 0;

    while (data.len > 0) {
        struct sluice_span part = span_first(span_skip(data, 1), (unsigned char)data.ptr[0]);
        data = span_skip(data, part.len + 1);
        part = span_first(part, DNS_NAME_MAX - len);
        if (part.len > 0)
            memcpy(text + len, part.ptr, part.len);
        len += part.len;
    }
    record->target = (struct sluice_span){.ptr = text, .len = len};
    return true;
}

static bool read_record(uint32_t type, struct sluice_span data, char text[DNS_NAME_MAX],
                        struct sluice_dns_record *record)
{
    switch (type) {
    case SLUICE_DNS_A:
        return read_address(AF_INET, 4, data, text, record);
    case SLUICE_DNS_AAAA:
        return read_address(AF_INET6, 16, data, text, record);
    case SLUICE_DNS_PTR:
    case SLUICE_DNS_NS:
        return read_name(data, text, record);
    case SLUICE_DNS_TXT:
        return read_text(data, text, record);
    case SLUICE_DNS_MX:
        return read_mx(data, text, record);
    default:
        return false;
    }
}

/* "10 mx.example", "192.0.2.1" */
static void explain_record(const struct sluice_dns_record *record)
{
    char text[DNS_NAME_MAX + 8];

    if (task_explanation() == NULL || record->type != SLUICE_DNS_MX) {
        explain_item("records", record->target);
        return;
    }
    (void)snprintf(text, sizeof(text), "%u %.*s", (unsigned)record->preference,
                   SPAN_ARGS(record->target));
    explain_item("records", sluice_span_of(text));
}

/* Records that make no sense are left out; an answer of nothing else is TEMP. */
static sluice_status pass_records(const struct ub_result *result, uint32_t type,
                                  const struct sluice_dns_sink *sink, struct error *err)
{
    size_t count = 0;

    for (size_t i = 0; result->data[i] != NULL; i++) {
        char text[DNS_NAME_MAX];
        struct sluice_span data = {.ptr = result->data[i], .len = (size_t)result->len[i]};
        struct sluice_dns_record record = {.struct_size = sizeof(record), .type = type};

        record.ttl_s = result->ttl > 0 ? (uint32_t)result->ttl : 0;
        if (!read_record(type, data, text, &record))
            continue;
        sink->record(sink, &record);
        explain_record(&record);
        count++;
    }
    if (count == 0)
        return error_set_dsn(err, SLUICE_TEMP, "4.4.3", "no record makes sense");
    return SLUICE_OK;
}

static sluice_status judge(const struct query *query, uint32_t type,
                           const struct sluice_dns_sink *sink, struct error *err)
{
    const struct ub_result *result = query->result;

    if (query->error == UB_SYNTAX) /* a label of 64 letters: nobody can have that name */
        return error_set(err, SLUICE_NOT_FOUND, "Host not found");
    if (query->error != 0 || result == NULL)
        return error_set_dsn(err, SLUICE_TEMP, "4.4.3", "%s", ub_strerror(query->error));
    if (result->bogus != 0)
        return error_set_dsn(err, SLUICE_TEMP, "4.4.3", "answer fails validation");
    if (result->rcode == DNS_RCODE_NXDOMAIN)
        return error_set(err, SLUICE_NOT_FOUND, "Host not found");
    if (result->rcode != DNS_RCODE_OK)
        return error_set_dsn(err, SLUICE_TEMP, "4.4.3", "name server failure (rcode %d)",
                             result->rcode);
    if (result->havedata == 0)
        return error_set(err, SLUICE_NOT_FOUND, "Host found but no data record of requested type");
    return pass_records(result, type, sink, err);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void on_answer(void *arg, int error, struct ub_result *result)
{
    struct query *query = arg;

    query->error = error;
    query->result = result;
    query->is_done = true;
    query->context->queries--;
    task_wake(query->waiter);
}

/* Asks and waits; TEMP: no answer. */
static sluice_status ask(struct query *query, const char *name, uint32_t type, int64_t deadline_ms,
                         struct error *err)
{
    struct context *context = query->context;
    sluice_status status = SLUICE_OK;
    int id;

    context->queries++;
    int result =
        ub_resolve_async(context->ub, name, (int)type, DNS_CLASS_IN, query, on_answer, &id);
    if (result != 0) {
        context->queries--;
        return error_set_dsn(err, SLUICE_TEMP, "4.4.3", "%s", ub_strerror(result));
    }
    while (!query->is_done && status == SLUICE_OK)
        status = task_park(deadline_ms);
    if (query->is_done)
        return SLUICE_OK;
    (void)ub_cancel(context->ub, id); /* on_answer does not come any more */
    context->queries--;
    close_if_unused(context);
    return error_set_dsn(err, SLUICE_TEMP, "4.4.3", "%s",
                         task_is_cancelled() ? "cancelled" : "no answer in time");
}

static sluice_status query_run(const char *name, uint32_t type, int64_t deadline_ms,
                               const struct sluice_dns_sink *sink, struct error *err)
{
    int64_t limit_ms = clock_monotonic_ms() + DNS_QUERY_MS;
    struct query query = {.waiter = task_self()};

    if (resolver.present == NULL && context_open(err) != SLUICE_OK)
        return SLUICE_TEMP;
    query.context = resolver.present;
    sluice_status status =
        ask(&query, name, type, deadline_ms < limit_ms ? deadline_ms : limit_ms, err);
    if (status == SLUICE_OK)
        status = judge(&query, type, sink, err);
    ub_resolve_free(query.result);
    return status;
}

/* ---- names of addresses ---------------------------------------------------------------------- */

/* RFC 1035 3.5 for IPv4; RFC 3596 2.5, a name of half bytes, for IPv6. */
void dns_reverse_name(const struct address *address, char name[DNS_REVERSE_NAME_SIZE])
{
    struct sluice_span bytes = address_bytes(address);
    bool is_v4 = bytes.len == 4;
    size_t len = 0;

    for (size_t i = bytes.len; i > 0; i--) {
        unsigned byte = (unsigned char)bytes.ptr[i - 1];
        char *at = name + len;
        size_t room = DNS_REVERSE_NAME_SIZE - len;
        len += (size_t)(is_v4 ? snprintf(at, room, "%u.", byte)
                              : snprintf(at, room, "%x.%x.", byte & 0xf, byte >> 4));
    }
    (void)snprintf(name + len, DNS_REVERSE_NAME_SIZE - len, is_v4 ? "in-addr.arpa" : "ip6.arpa");
}

static const char *type_name(uint32_t type)
{
    static const struct {
        uint32_t type;
        const char *name;
    } names[] = {
        {SLUICE_DNS_A, "A"},     {SLUICE_DNS_NS, "NS"},   {SLUICE_DNS_PTR, "PTR"},
        {SLUICE_DNS_MX, "MX"},   {SLUICE_DNS_TXT, "TXT"}, {SLUICE_DNS_AAAA, "AAAA"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].type == type)
            return names[i].name;
    }
    return "other";
}

sluice_status dns_query(struct sluice_span name, uint32_t type, int64_t deadline_ms,
                        const struct sluice_dns_sink *sink, struct error *err)
{
    char text[DNS_NAME_MAX + 1];

    if (name.len == 0 || name.len > DNS_NAME_MAX || span_find(name, '\0') < name.len)
        return error_set(err, SLUICE_NOT_FOUND, "Host not found"); /* nobody can have that name */
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    if (task_is_cancelled())
        return error_set(err, SLUICE_TEMP, "look-up of %s: cancelled", text);
    explain_begin("dns");
    explain_text("name", text);
    explain_text("type", type_name(type));
    sluice_status status = query_run(text, type, deadline_ms, sink, err);
    explain_end(status, err);
    if (status != SLUICE_OK && status != SLUICE_NOT_FOUND)
        error_prefix(err, "look-up of %s", text);
    return status;
}
