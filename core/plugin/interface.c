/* SPDX-License-Identifier: ISC */
/*
 * interface: see interface.h.
 */
#include "plugin/interface.h"

#include "sluice/access.h"
#include "sluice/deferral.h"
#include "sluice/lookup.h"
#include "sluice/nexthop.h"
#include "sluice/queue.h"
#include "sluice/transport.h"

#include <stddef.h>
#include <string.h>

#define OPS_SIZE_MIN offsetof(struct sluice_transport_ops, open) /* struct_size and flags */
#define OPS_SIZE_MAX 4096

/* What open() is called with. */
struct opening {
    const struct sluice_host *host;
    const struct sluice_config *config;
    const char *argument;
    const struct sluice_errors *errors;
};

/* The kinds differ in the types of their handles, and two of them in an argument of open(). */
#define DEFINE_CALLS(kind)                                                                         \
    static sluice_status open_##kind(const void *ops, const struct opening *with, void **ret_self) \
    {                                                                                              \
        const struct sluice_##kind##_ops *calls = ops;                                             \
        struct sluice_##kind *self = NULL;                                                         \
        sluice_status st = calls->open(with->host, with->config, with->errors, &self);             \
                                                                                                   \
        *ret_self = self;                                                                          \
        return st;                                                                                 \
    }                                                                                              \
    DEFINE_CLOSE(kind)
#define DEFINE_CALLS_WITH_ARGUMENT(kind)                                                           \
    static sluice_status open_##kind(const void *ops, const struct opening *with, void **ret_self) \
    {                                                                                              \
        const struct sluice_##kind##_ops *calls = ops;                                             \
        struct sluice_##kind *self = NULL;                                                         \
        sluice_status st =                                                                         \
            calls->open(with->host, with->config, with->argument, with->errors, &self);            \
                                                                                                   \
        *ret_self = self;                                                                          \
        return st;                                                                                 \
    }                                                                                              \
    DEFINE_CLOSE(kind)
#define DEFINE_CLOSE(kind)                                                                         \
    static void close_##kind(const void *ops, void *self)                                          \
    {                                                                                              \
        ((const struct sluice_##kind##_ops *)ops)->close(self);                                    \
    }

DEFINE_CALLS(access)
DEFINE_CALLS(deferral)
DEFINE_CALLS(nexthop)
DEFINE_CALLS(transport)
DEFINE_CALLS_WITH_ARGUMENT(lookup)
DEFINE_CALLS_WITH_ARGUMENT(queue)

#define OPERATIONS_MAX 6

struct operation {
    const char *name;
    size_t offset;
};

#define OPERATION(kind, member)                                                                    \
    {                                                                                              \
#member, offsetof(struct sluice_##kind##_ops, member)                                      \
    }

struct interface {
    const char *id;
    sluice_status (*open)(const void *ops, const struct opening *with, void **ret_self);
    void (*close)(const void *ops, void *self);
    struct operation required[OPERATIONS_MAX + 1]; /* open and close are the first two of each */
};

static const struct interface interfaces[] = {
    {SLUICE_ACCESS_ID,
     open_access,
     close_access,
     {OPERATION(access, open), OPERATION(access, close), OPERATION(access, decide)}},
    {SLUICE_DEFERRAL_ID,
     open_deferral,
     close_deferral,
     {OPERATION(deferral, open), OPERATION(deferral, close), OPERATION(deferral, next)}},
    {SLUICE_LOOKUP_ID,
     open_lookup,
     close_lookup,
     {OPERATION(lookup, open), OPERATION(lookup, close), OPERATION(lookup, find)}},
    {SLUICE_NEXTHOP_ID,
     open_nexthop,
     close_nexthop,
     {OPERATION(nexthop, open), OPERATION(nexthop, close), OPERATION(nexthop, resolve)}},
    {SLUICE_QUEUE_ID,
     open_queue,
     close_queue,
     {OPERATION(queue, open), OPERATION(queue, close), OPERATION(queue, apply),
      OPERATION(queue, read), OPERATION(queue, scan), OPERATION(queue, space)}},
    {SLUICE_TRANSPORT_ID,
     open_transport,
     close_transport,
     {OPERATION(transport, open), OPERATION(transport, close), OPERATION(transport, deliver)}},
};

static const struct interface *find(const char *id)
{
    for (size_t i = 0; i < sizeof(interfaces) / sizeof(interfaces[0]); i++) {
        if (strcmp(interfaces[i].id, id) == 0)
            return &interfaces[i];
    }
    return NULL;
}

/* Every struct of operations begins with its size and has flags behind it. */
static uint32_t ops_size(const void *ops)
{
    uint32_t size;

    memcpy(&size, ops, sizeof(size));
    return size;
}

bool interface_has(const void *ops, size_t offset)
{
    void *function;

    if (ops_size(ops) < offset + sizeof(function))
        return false;
    memcpy(&function, (const char *)ops + offset, sizeof(function));
    return function != NULL;
}

sluice_status interface_check_ops(const char *interface, const void *ops, bool is_complete,
                                  const char *plugin, struct error *err)
{
    const struct interface *known = find(interface);

    if (known == NULL)
        return error_set(err, SLUICE_CONFIG, "plugin %s: %s is unknown here", plugin, interface);
    if (ops_size(ops) < OPS_SIZE_MIN || ops_size(ops) > OPS_SIZE_MAX)
        return error_set(err, SLUICE_CONFIG, "plugin %s: its operations of %s make no sense",
                         plugin, interface);
    for (size_t i = 0; is_complete && known->required[i].name != NULL; i++) {
        if (!interface_has(ops, known->required[i].offset))
            return error_set(err, SLUICE_CONFIG, "plugin %s: %s has no operation %s", plugin,
                             interface, known->required[i].name);
    }
    /* What an open of its own has made nobody else can close. */
    if (interface_has(ops, known->required[0].offset) !=
        interface_has(ops, known->required[1].offset))
        return error_set(err, SLUICE_CONFIG, "plugin %s: %s has only one of open and close", plugin,
                         interface);
    return SLUICE_OK;
}

bool interface_has_open(const char *interface, const void *ops)
{
    return interface_has(ops, find(interface)->required[0].offset);
}

sluice_status interface_open(const char *interface, const void *ops, const struct sluice_host *host,
                             const struct sluice_config *config, const char *argument,
                             struct error *err, void **ret_self)
{
    const struct interface *known = find(interface);
    struct error_sink sink;
    struct opening with = {.host = host, .config = config, .argument = argument};
    void *self = NULL;
    sluice_status st;

    error_sink_init(&sink, err);
    with.errors = &sink.sdk;
    st = status_known(known->open(ops, &with, &self));
    if (st == SLUICE_OK)
        *ret_self = self;
    return st;
}

void interface_close(const char *interface, const void *ops, void *self)
{
    const struct interface *known = find(interface);

    if (interface_has(ops, known->required[1].offset))
        known->close(ops, self);
}
