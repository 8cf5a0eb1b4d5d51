/* SPDX-License-Identifier: ISC */
/*
 * transport/null: a transport that delivers nothing and a next hop that knows no host.
 *
 * The smallest plugin of these two kinds, in one file that offers both: start here to write your
 * own. It is also a test double: mail routed to it stays in the queue, since each recipient is
 * reported as a temporary failure, and what it is asked as a link of the nexthop chain passes on to
 * the next one.
 *
 * It keeps no state: an instance only has to be an address that is not NULL.
 */
#include "sluice/nexthop.h"
#include "sluice/transport.h"

struct sluice_transport {
    char unused;
};

struct sluice_nexthop {
    char unused;
};

static struct sluice_transport the_transport; /* never written: one serves all instances */
static struct sluice_nexthop the_nexthop;

/* ---- the transport -------------------------------------------------------------------------- */

static sluice_status transport_open(const struct sluice_host *host,
                                    const struct sluice_config *config,
                                    const struct sluice_errors *errors,
                                    struct sluice_transport **ret_transport)
{
    (void)host;
    (void)config;
    (void)errors;
    *ret_transport = &the_transport;
    return SLUICE_OK;
}

static void transport_close(struct sluice_transport *transport)
{
    (void)transport;
}

/* Without connect() there is no connection: the fate is for form's sake. */
static int32_t transport_deliver(struct sluice_transport *transport,
                                 struct sluice_connection *connection,
                                 const struct sluice_message *message,
                                 const struct sluice_recipient *recipients, size_t count,
                                 size_t recipient_size, int64_t deadline_ms,
                                 const struct sluice_report *report)
{
    (void)transport;
    (void)connection;
    (void)message;
    (void)recipients;
    (void)count;
    (void)recipient_size;
    (void)deadline_ms;
    report->remaining(report, SLUICE_TEMP, "4.3.0", "this transport delivers nothing");
    return SLUICE_FATE_FINISHED;
}

static const struct sluice_transport_ops transport_ops = {
    .struct_size = sizeof(transport_ops),
    .open = transport_open,
    .close = transport_close,
    .deliver = transport_deliver,
};

/* ---- the next hop --------------------------------------------------------------------------- */

static sluice_status nexthop_open(const struct sluice_host *host,
                                  const struct sluice_config *config,
                                  const struct sluice_errors *errors,
                                  struct sluice_nexthop **ret_nexthop)
{
    (void)host;
    (void)config;
    (void)errors;
    *ret_nexthop = &the_nexthop;
    return SLUICE_OK;
}

static void nexthop_close(struct sluice_nexthop *nexthop)
{
    (void)nexthop;
}

static sluice_status nexthop_resolve(struct sluice_nexthop *nexthop, struct sluice_span destination,
                                     int64_t deadline_ms, const struct sluice_nexthop_sink *sink,
                                     const struct sluice_errors *errors)
{
    (void)nexthop;
    (void)destination;
    (void)deadline_ms;
    (void)sink;
    (void)errors;
    return SLUICE_NOT_FOUND;
}

static const struct sluice_nexthop_ops nexthop_ops = {
    .struct_size = sizeof(nexthop_ops),
    .open = nexthop_open,
    .close = nexthop_close,
    .resolve = nexthop_resolve,
};

/* ---- the plugin ----------------------------------------------------------------------------- */

static const void *get_interface(const char *id)
{
    if (strcmp(id, SLUICE_TRANSPORT_ID) == 0)
        return &transport_ops;
    if (strcmp(id, SLUICE_NEXTHOP_ID) == 0)
        return &nexthop_ops;
    return NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/null",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Delivers nothing and knows no host",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
