/* SPDX-License-Identifier: ISC */
/*
 * message: a queued message as the queue role remembers it, and its delivery units.
 *
 * What is in memory is what scheduling needs; the envelope stays in the store. A unit is the part of
 * a message that goes to one site for one recipient domain: so a release takes exactly the
 * recipients of the released domain. Its recipients are those of the record from index first to last
 * that wait and have its route and domain. A domain with more recipients than one job may carry has
 * several units.
 *
 * A million messages are a normal day: keep these two structs small.
 */
#ifndef QUEUE_MESSAGE_H
#define QUEUE_MESSAGE_H

#include "base/heap.h"
#include "sluice/types.h"

#include <stdbool.h>
#include <stddef.h>

struct active;
struct commit;
struct domain;
struct site;

enum unit_state {
    UNIT_NEW,       /* its message is not durable yet */
    UNIT_HELD,      /* until somebody releases it */
    UNIT_WAITING,   /* until due.due_ms */
    UNIT_READY,     /* as soon as its site can be attempted */
    UNIT_IN_FLIGHT, /* in a job */
    UNIT_ON_HOLD,   /* until its message is taken off hold: no release counts */
    UNIT_APART,     /* ready, but its message is a suspect (suspects.h) */
};

struct unit {
    struct queue_message *message;
    struct site *site;
    struct domain *domain;
    struct unit *next_of_message;
    struct unit *prev; /* in its site's list of its state, among those apart, or in its job's */
    struct unit *next;
    struct unit *domain_prev; /* among what waits for its domain */
    struct unit *domain_next;
    struct heap_node due; /* due.due_ms: monotonic clock; CLOCK_NEVER: only when released */
    uint32_t first;
    uint32_t last;
    uint32_t recipient_count;
    uint8_t state;    /* enum unit_state */
    bool is_released; /* goes whatever its site's suspension says */
    bool is_routed;   /* its route is not older than its latest attempt or release */
};

/* Waits for its time, a release or its turn; it is in its site's list, or in that of what is apart, and
 * in its domain's. */
static inline bool unit_is_waiting(const struct unit *unit)
{
    return unit->state == UNIT_HELD || unit->state == UNIT_WAITING ||
           unit->state == UNIT_READY || unit->state == UNIT_APART;
}

/* The unit of a node in its site's heap. */
static inline struct unit *unit_of_due(struct heap_node *node)
{
    return (struct unit *)(void *)((char *)node - offsetof(struct unit, due));
}

struct queue_message {
    uint64_t id;
    int64_t arrival_ms; /* since 1970 UTC */
    uint64_t content_size;
    struct unit *units;
    union {
        struct commit *commit; /* before it is durable */
        struct active *active; /* then: its record while something is done with it, or NULL */
    };
    struct queue_message *prev; /* in the order of their arrival (roster.h) */
    struct queue_message *next;
    struct queue_message *next_of_bucket;
    uint32_t mark;   /* of the last pass that counted it */
    uint8_t crashes; /* of deliver while it was attempted; not 0: a suspect */
    bool is_durable : 1;
    bool is_held : 1;    /* on hold: none of its units goes */
    bool is_named : 1;   /* it was running when a deliver process crashed */
    bool is_expired : 1; /* by an operator: given up as soon as it is neither in flight nor on hold */
    bool has_null_sender : 1;
    bool is_warned : 1; /* its sender has been told that it is late, or nobody is to be */
    bool is_verify : 1; /* it only asks (verify.h) */
};

#endif
