/* SPDX-License-Identifier: ISC */
/*
 * verdict: see verdict.h. Nothing is kept: an instance only has to be an address that is not NULL.
 */
#include "verdict.h"

#include "dsn.h"

#define TEXT_MAX 1024 /* of a result: more is cut off */

struct sluice_transport {
    char unused;
};

static struct sluice_transport the_transport; /* never written: one serves all instances */

static sluice_status verdict_open(const struct sluice_host *host,
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

static void verdict_close(struct sluice_transport *transport)
{
    (void)transport;
}

/* Asked for recipients that are only to be verified the result is the same. */
static int32_t verdict_deliver(struct sluice_transport *transport,
                               struct sluice_connection *connection,
                               const struct sluice_message *message,
                               const struct sluice_recipient *recipients, size_t count,
                               size_t recipient_size, int64_t deadline_ms,
                               const struct sluice_report *report)
{
    struct sluice_span rest =
        sluice_message_has_origin(message) ? message->nexthop : (struct sluice_span){"", 0};
    char dsn[DSN_MAX];
    char text[TEXT_MAX];

    (void)transport;
    (void)connection;
    (void)recipients;
    (void)count;
    (void)recipient_size;
    (void)deadline_ms;
    if (!dsn_take(&rest, dsn) || dsn[0] != verdict.dsn[0])
        memcpy(dsn, verdict.dsn, strlen(verdict.dsn) + 1);
    if (rest.len >= sizeof(text))
        rest.len = sizeof(text) - 1;
    if (rest.len > 0) /* else there may be no address */
        memcpy(text, rest.ptr, rest.len);
    text[rest.len] = '\0';
    const struct sluice_result result = {
        .struct_size = sizeof(result),
        .status = verdict.status,
        .dsn = dsn,
        .text = text,
        .flags = SLUICE_RESULT_FINAL, /* what is thrown away goes no further */
    };
    report->remaining_result(report, &result);
    return SLUICE_FATE_FINISHED;
}

static const struct sluice_transport_ops ops = {
    .struct_size = sizeof(ops),
    .flags = SLUICE_TRANSPORT_VERIFIES | SLUICE_TRANSPORT_HAS_NO_RELAY,
    .open = verdict_open,
    .close = verdict_close,
    .deliver = verdict_deliver,
};

const void *verdict_interface(const char *id)
{
    return strcmp(id, SLUICE_TRANSPORT_ID) == 0 ? &ops : NULL;
}
