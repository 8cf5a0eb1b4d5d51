/* SPDX-License-Identifier: ISC */
#include "deliver/transport.h"

#include "base/clock.h"
#include "base/span.h"
#include "deliver/delivery.h"
#include "plugin/instance.h"
#include "task/pool.h"

#include <stdio.h>
#include <stdlib.h>

struct transport {
    struct instance *instance;
    int64_t time_limit_ms;
};

/*
 * One call of connect, deliver or disconnect. On the heap with copies of its inputs: a transport
 * that may block is called on a thread, which may still be at it when the job has given up.
 */
struct call {
    struct transport *transport;
    struct sluice_target target;
    struct host host;
    char *nexthop;
    int64_t deadline_ms;
    struct sluice_connection *connection;
    struct delivery *delivery;
    int32_t fate;
    struct error err;
};

static void call_free(struct call *call)
{
    if (call == NULL)
        return;
    free(call->nexthop);
    free(call);
}

static sluice_status call_disconnect(void *arg)
{
    struct call *call = arg;
    const struct instance_side *side =
        INSTANCE_SIDE(call->transport->instance, struct sluice_transport_ops, disconnect);
    struct instance_call entered;

    instance_enter(&entered, call->transport->instance, call->deadline_ms);
    INSTANCE_OPS(side, struct sluice_transport_ops)->disconnect(side->self, call->connection);
    instance_leave(&entered, SLUICE_OK);
    return SLUICE_OK;
}

static void call_disconnected(void *arg, sluice_status status)
{
    (void)status; /* there is nobody to tell */
    call_free(arg);
}

/* Ends call->connection where the plugin's mode says, without waiting for it; frees the call. */
static void call_end_connection(struct call *call)
{
    struct pool *pool = instance_pool(call->transport->instance);

    if (call->connection == NULL) {
        call_free(call);
    } else if (pool == NULL) {
        (void)call_disconnect(call);
        call_free(call);
    } else if (pool_submit(pool, call_disconnect, call_disconnected, call) != SLUICE_OK) {
        call_free(call); /* no memory: the connection ends with the process */
    }
}

/* A call came back after its job had given up: nobody will look at what it brought. */
static void call_late(void *arg)
{
    struct call *call = arg;

    delivery_free(call->delivery);
    call->delivery = NULL;
    call_end_connection(call);
}

static struct call *call_new(struct transport *transport, int64_t deadline_ms)
{
    struct call *call = calloc(1, sizeof(*call));

    if (call != NULL) {
        call->transport = transport;
        call->deadline_ms = deadline_ms;
    }
    return call;
}

/* Runs work where the mode says. TEMP: it did not come back, the call is no longer ours. */
static sluice_status call_run(struct call *call, sluice_status (*work)(void *arg),
                              sluice_status *ret_status)
{
    struct pool *pool = instance_pool(call->transport->instance);

    if (pool != NULL)
        return pool_run(pool, work, call_late, call, call->deadline_ms, ret_status);
    *ret_status = work(call);
    return SLUICE_OK;
}

static sluice_status call_connect(void *arg)
{
    struct call *call = arg;
    const struct instance_side *side =
        INSTANCE_SIDE(call->transport->instance, struct sluice_transport_ops, connect);
    struct instance_call entered;
    struct error_sink errors;
    sluice_status st;

    error_sink_init(&errors, &call->err);
    instance_enter(&entered, call->transport->instance, call->deadline_ms);
    st = status_known(INSTANCE_OPS(side, struct sluice_transport_ops)
                          ->connect(side->self, &call->target, call->deadline_ms, &errors.sdk,
                                    &call->connection));
    instance_leave(&entered, st);
    return st;
}

static sluice_status call_deliver(void *arg)
{
    struct call *call = arg;
    const struct instance_side *side =
        INSTANCE_SIDE(call->transport->instance, struct sluice_transport_ops, deliver);
    struct delivery *delivery = call->delivery;
    struct instance_call entered;

    instance_enter(&entered, call->transport->instance, call->deadline_ms);
    call->fate = INSTANCE_OPS(side, struct sluice_transport_ops)
                     ->deliver(side->self, call->connection, &delivery->message,
                               delivery->recipients, delivery->count,
                               sizeof(struct sluice_recipient), call->deadline_ms,
                               &delivery->report);
    instance_leave(&entered, SLUICE_OK);
    return SLUICE_OK;
}

static bool call_set_target(struct call *call, struct sluice_span nexthop, const struct host *host,
                            bool is_last)
{
    call->nexthop = span_dup(nexthop);
    call->host = *host;
    call->target = (struct sluice_target){
        .struct_size = sizeof(struct sluice_target),
        .port = host->port != 0 ? host->port : transport_port(call->transport),
        .nexthop = sluice_span_of(call->nexthop),
        .host = sluice_span_of(call->host.name),
        .address = sluice_span_of(call->host.address),
        .is_last = is_last,
        .is_backup = host->is_backup,
    };
    return call->nexthop != NULL;
}

sluice_status transport_connect(struct transport *transport, struct sluice_span nexthop,
                                const struct host *host, bool is_last, int64_t deadline_ms,
                                struct error *err, struct sluice_connection **ret_connection)
{
    struct call *call = call_new(transport, deadline_ms);
    sluice_status st;

    if (call == NULL || !call_set_target(call, nexthop, host, is_last)) {
        call_free(call);
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "out of memory");
    }
    if (call_run(call, call_connect, &st) != SLUICE_OK)
        return error_set_dsn(err, SLUICE_TEMP, "4.4.1", "transport %s: no connection in time",
                             transport_name(transport));
    if (st == SLUICE_OK)
        *ret_connection = call->connection;
    else
        *err = call->err;
    call_free(call);
    return st;
}

sluice_status transport_deliver(struct transport *transport, struct sluice_connection *connection,
                                struct delivery *delivery, int64_t deadline_ms, int32_t *ret_fate)
{
    struct call *call = call_new(transport, deadline_ms);
    sluice_status st;

    *ret_fate = SLUICE_FATE_FINISHED;
    if (call == NULL)
        return SLUICE_OK; /* nothing reported: TEMP for all */
    call->connection = connection;
    call->delivery = delivery;
    if (call_run(call, call_deliver, &st) != SLUICE_OK)
        return SLUICE_TEMP;
    *ret_fate = call->fate;
    call_free(call);
    return SLUICE_OK;
}

void transport_disconnect(struct transport *transport, struct sluice_connection *connection)
{
    struct call *call;

    if (connection == NULL)
        return;
    call = call_new(transport, CLOCK_NEVER);
    if (call == NULL)
        return; /* no memory: the connection ends with the process */
    call->connection = connection;
    call_end_connection(call);
}

const char *transport_name(const struct transport *transport)
{
    return instance_name(transport->instance);
}

int64_t transport_time_limit_ms(const struct transport *transport)
{
    return transport->time_limit_ms;
}

bool transport_has_connect(const struct transport *transport)
{
    return INSTANCE_SIDE(transport->instance, struct sluice_transport_ops, connect) != NULL &&
           INSTANCE_SIDE(transport->instance, struct sluice_transport_ops, disconnect) != NULL;
}

static bool has_flag(const struct transport *transport, uint32_t flag)
{
    const struct instance_side *side =
        INSTANCE_SIDE(transport->instance, struct sluice_transport_ops, deliver);

    return (INSTANCE_OPS(side, struct sluice_transport_ops)->flags & flag) != 0;
}

bool transport_verifies(const struct transport *transport)
{
    return has_flag(transport, SLUICE_TRANSPORT_VERIFIES);
}

bool transport_has_relay(const struct transport *transport)
{
    return !has_flag(transport, SLUICE_TRANSPORT_HAS_NO_RELAY);
}

unsigned transport_port(const struct transport *transport)
{
    const struct instance_side *side =
        INSTANCE_SIDE(transport->instance, struct sluice_transport_ops, port);

    return side == NULL ? 0 : INSTANCE_OPS(side, struct sluice_transport_ops)->port(side->self);
}

struct sluice_span transport_fallback(const struct transport *transport)
{
    const struct instance_side *side =
        INSTANCE_SIDE(transport->instance, struct sluice_transport_ops, fallback);

    return side == NULL ? SPAN_EMPTY
                        : INSTANCE_OPS(side, struct sluice_transport_ops)->fallback(side->self);
}

sluice_status transport_open(const struct config_instance *configured,
                             struct transport **ret_transport, struct error *err)
{
    struct transport *transport = calloc(1, sizeof(*transport));
    sluice_status st;

    if (transport == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    st = instance_new(configured, &transport->instance, err);
    if (st != SLUICE_OK) {
        free(transport);
        return st;
    }
    st = instance_open(transport->instance, NULL, err);
    if (st != SLUICE_OK) {
        instance_free(transport->instance);
        free(transport);
        return st;
    }
    transport->time_limit_ms = configured->options->get_number(configured->options, "time_limit");
    *ret_transport = transport;
    return SLUICE_OK;
}

void transport_close(struct transport *transport)
{
    if (transport == NULL)
        return;
    instance_close(transport->instance);
    instance_free(transport->instance);
    free(transport);
}
