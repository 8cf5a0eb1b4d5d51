/* SPDX-License-Identifier: ISC */
/*
 * named: see named.h.
 */
#include "queue/named.h"

#include "base/clock.h"
#include "base/span.h"
#include "queue/state.h"
#include "sluice/transport.h"

#include <stdio.h>

static bool is_transport(const struct queue *queue, struct sluice_span name)
{
    char text[128];
    int len = snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(name));

    return len > 0 && (size_t)len < sizeof(text) &&
           config_instance_find(queue->role->config, SLUICE_TRANSPORT_ID, text) != NULL;
}

/* One domain of a group; a message for several of them counts for each. */
static void release_one(struct queue *queue, struct sluice_span domain, bool is_exempt,
                        struct message_released *released)
{
    bool with_subdomains = domain.len > 0 && domain.ptr[0] == '@';
    bool is_postponed;

    released->count += release_domain_paced(
        &queue->schedule, span_skip(domain, with_subdomains ? 1 : 0), with_subdomains,
        is_exempt ? 0 : queue->settings.etrn_interval_ms, clock_monotonic_ms(), &is_postponed);
    released->is_postponed = released->is_postponed || is_postponed;
}

sluice_status named_release(struct queue *queue, struct sluice_span name, bool is_exempt,
                            struct message_released *ret_released)
{
    const struct config *config = queue->role->config;
    struct message_released released = {.status = SLUICE_NOT_FOUND};

    for (size_t i = 0; i < config_count(config, "etrn_queue_domains"); i++) {
        struct sluice_span item = sluice_span_of(config_item(config, "etrn_queue_domains", i));
        size_t colon = span_find(item, ':');

        if (!span_equal_case(span_first(item, colon), name))
            continue;
        released.status = SLUICE_OK;
        release_one(queue, span_skip(item, colon + 1), is_exempt, &released);
    }
    if (released.status != SLUICE_OK && is_exempt && is_transport(queue, name)) {
        released.status = SLUICE_OK;
        released.count = release_transport(&queue->schedule, name, clock_monotonic_ms());
    }
    (void)task_queue_wake_one(&queue->work);
    *ret_released = released;
    return released.status;
}
