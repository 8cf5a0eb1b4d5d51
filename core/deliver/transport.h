/* SPDX-License-Identifier: ISC */
/*
 * transport: the front end of a transport plugin. Calls it where its mode says, on the caller's
 * task or on a thread of its own, with the same contract towards the job either way.
 */
#ifndef DELIVER_TRANSPORT_H
#define DELIVER_TRANSPORT_H

#include "base/error.h"
#include "config/config.h"
#include "deliver/hosts.h"
#include "sluice/transport.h"

#include <stdbool.h>

struct delivery;
struct transport;

sluice_status transport_open(const struct config_instance *configured,
                             struct transport **ret_transport, struct error *err);
void transport_close(struct transport *transport); /* accepts NULL */

const char *transport_name(const struct transport *transport);
/* False: the transport finds its own way; deliver is called once, with connection NULL. */
bool transport_has_connect(const struct transport *transport);
/* True if it can ask whether recipients would be taken, without delivering (SLUICE_MESSAGE_VERIFY). */
bool transport_verifies(const struct transport *transport);
/* False: it decides by itself, nobody takes mail over (SLUICE_TRANSPORT_HAS_NO_RELAY). */
bool transport_has_relay(const struct transport *transport);
/* How long one attempt may take. */
int64_t transport_time_limit_ms(const struct transport *transport);
/* The port where the next hop names none; 0: not known. */
unsigned transport_port(const struct transport *transport);
/* Next hops that are tried after the route's, as a list. */
struct sluice_span transport_fallback(const struct transport *transport);

/* As sluice_transport_ops.connect. [task: waits] */
sluice_status transport_connect(struct transport *transport, struct sluice_span nexthop,
                                const struct host *host, bool is_last, int64_t deadline_ms,
                                struct error *err, struct sluice_connection **ret_connection);
/*
 * As sluice_transport_ops.deliver: the delivery's outcomes are there when it returns. A call that
 * does not come back by the deadline is left behind with its connection and delivery: TEMP, and
 * both are no longer the caller's. [task: waits]
 */
sluice_status transport_deliver(struct transport *transport, struct sluice_connection *connection,
                                struct delivery *delivery, int64_t deadline_ms, int32_t *ret_fate);
void transport_disconnect(struct transport *transport, struct sluice_connection *connection);

#endif
