/* SPDX-License-Identifier: ISC */
/*
 * names: from an address to a name, and back.
 */
#include "receive/names.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/dns.h"
#include "route/mailbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define RUNNING_MAX 64  /* half of what libunbound asks at a time */
#define LOOKUP_MS 10000 /* for one client, both questions */
#define NAME_SIZE 256   /* RFC 1035 2.3.4 */

struct name_query {
    struct names *names;
    struct address address;
    names_fn *fn; /* NULL: nobody wants to know any more */
    void *user;
    struct task *task; /* NULL: it waits for one */
    struct name_query *prev;
    struct name_query *next;
};

/* ---- look-ups -------------------------------------------------------------------------------- */

/* The first name of an address that may be one of a host. */
struct name_sink {
    struct sluice_dns_sink sdk;
    char *name; /* NAME_SIZE; "": there is none */
};

static void take_name(const struct sluice_dns_sink *sdk, const struct sluice_dns_record *record)
{
    const struct name_sink *sink = (const struct name_sink *)(const void *)sdk;

    if (sink->name[0] == '\0' && record->target.len < NAME_SIZE &&
        mailbox_is_host_name(record->target))
        (void)snprintf(sink->name, NAME_SIZE, "%.*s", SPAN_ARGS(record->target));
}

/* Whether a name has the address. */
struct address_sink {
    struct sluice_dns_sink sdk;
    const struct address *wanted;
    bool *is_found;
};

static void compare_address(const struct sluice_dns_sink *sdk,
                            const struct sluice_dns_record *record)
{
    const struct address_sink *sink = (const struct address_sink *)(const void *)sdk;
    struct address address;

    if (address_parse(record->target, 0, &address) == SLUICE_OK &&
        address_equal(&address, sink->wanted))
        *sink->is_found = true;
}

/* OK, or why not: NOT_FOUND or TEMP. */
static sluice_status confirm(const char *name, const struct address *address, int64_t deadline_ms)
{
    uint32_t type = address_bytes(address).len == 4 ? SLUICE_DNS_A : SLUICE_DNS_AAAA;
    bool is_found = false;
    const struct address_sink sink = {
        .sdk = {.struct_size = sizeof(sink.sdk), .record = compare_address},
        .wanted = address,
        .is_found = &is_found,
    };
    char text[ADDRESS_TEXT_SIZE];
    struct error err = ERROR_INIT;

    sluice_status st = dns_query(sluice_span_of(name), type, deadline_ms, &sink.sdk, &err);
    if (is_found)
        return SLUICE_OK;
    log_warning("hostname %s does not resolve to address %s%s%s", name,
                address_format(address, text), st == SLUICE_TEMP ? ": " : "", err.text);
    return st == SLUICE_TEMP ? SLUICE_TEMP : SLUICE_NOT_FOUND;
}

/* reverse: the name that the address has, or "". OK: it is the client's. */
static sluice_status look_up(const struct address *address, char reverse[NAME_SIZE])
{
    int64_t deadline_ms = clock_monotonic_ms() + LOOKUP_MS;
    const struct name_sink sink = {.sdk = {.struct_size = sizeof(sink.sdk), .record = take_name},
                                   .name = reverse};
    char question[DNS_REVERSE_NAME_SIZE];
    struct error err = ERROR_INIT;

    dns_reverse_name(address, question);
    sluice_status st =
        dns_query(sluice_span_of(question), SLUICE_DNS_PTR, deadline_ms, &sink.sdk, &err);
    if (st == SLUICE_OK)
        st = reverse[0] != '\0' ? confirm(reverse, address, deadline_ms) : SLUICE_NOT_FOUND;
    return st;
}

/* ---- queries --------------------------------------------------------------------------------- */

static void query_run(void *arg);

/* As many as may run at a time; without memory for a task the next one that ends tries again. */
static void run_waiting(struct names *names)
{
    while (names->waiting != NULL && names->running_count < RUNNING_MAX) {
        struct name_query *query = names->waiting;
        if (task_start("client name", query_run, query, &query->task) != SLUICE_OK)
            return;
        DL_DELETE(names->waiting, query);
        DL_APPEND(names->running, query);
        names->running_count++;
    }
}

static void query_run(void *arg)
{
    struct name_query *query = arg;
    struct names *names = query->names;
    char reverse[NAME_SIZE] = "";

    sluice_status st = look_up(&query->address, reverse);
    const struct names_found found = {
        .name = st == SLUICE_OK ? reverse : NAMES_UNKNOWN,
        .reverse_name = reverse[0] != '\0' ? reverse : NAMES_UNKNOWN,
        .is_temporary = st != SLUICE_OK && st != SLUICE_NOT_FOUND,
    };
    if (query->fn != NULL)
        query->fn(query->user, &found);
    DL_DELETE(names->running, query);
    names->running_count--;
    free(query);
    run_waiting(names);
    task_queue_wake_all(&names->ended);
}

const char *names_find(struct names *names, const struct address *address)
{
    if (!names->is_enabled || address_bytes(address).len == 0)
        return NAMES_UNKNOWN;
    return hosts_file_find(&names->hosts, address);
}

struct name_query *names_ask(struct names *names, const struct address *address, names_fn *fn,
                             void *user)
{
    struct name_query *query = calloc(1, sizeof(*query));

    if (query == NULL)
        return NULL;
    *query = (struct name_query){.names = names, .address = *address, .fn = fn, .user = user};
    DL_APPEND(names->waiting, query);
    run_waiting(names);
    return query;
}

void names_forget(struct name_query *query)
{
    if (query == NULL)
        return;
    query->fn = NULL;
    if (query->task != NULL)
        return; /* its task frees it */
    DL_DELETE(query->names->waiting, query);
    free(query);
}

void names_stop(struct names *names)
{
    struct name_query *query;
    struct name_query *next;

    DL_FOREACH_SAFE(names->waiting, query, next)
    {
        names_forget(query);
    }
    DL_FOREACH(names->running, query)
    {
        names_forget(query);
        task_cancel(query->task);
    }
    while (names->running != NULL)
        (void)task_queue_wait(&names->ended, CLOCK_NEVER);
}

void names_done(struct names *names)
{
    hosts_file_done(&names->hosts);
    *names = (struct names){0};
}
