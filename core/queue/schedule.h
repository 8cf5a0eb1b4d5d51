/* SPDX-License-Identifier: ISC */
/*
 * schedule: which mail is attempted next. All queued messages, their units, sites and domains.
 *
 * Pure: no clock, no store, no allocation after a message has been added; so a week of retries is
 * tested in a millisecond. Times are of the monotonic clock, in milliseconds, and never go back.
 *
 * The life of a unit: schedule_add (new) -> schedule_defer (held, waiting or ready) ->
 * schedule_take (in flight, with others of its message, as one job) -> schedule_defer again or
 * schedule_settle, for each unit of the job, -> schedule_job_done. schedule_advance makes ready
 * what is due; release.h what is released.
 */
#ifndef QUEUE_SCHEDULE_H
#define QUEUE_SCHEDULE_H

#include "ipc/envelope.h"
#include "queue/domain.h"
#include "queue/message.h"
#include "queue/roster.h"
#include "queue/site.h"

/* The limits of the sites of a transport. */
typedef struct site_limits schedule_limits(void *user, struct sluice_span transport);

/* A place in the list of messages that stays right while messages come and go. */
struct cursor {
    struct queue_message *message; /* the next one; NULL: the end */
    size_t left; /* that were there at its start: newer ones make no walk endless */
    struct cursor *prev;
    struct cursor *next;
};

struct schedule {
    struct roster messages;
    struct slab units;
    struct sites sites;
    struct domains domains;
    struct cursor *cursors;
    struct unit *apart; /* ready units of suspects */
    uint32_t mark; /* of the latest pass */
    size_t unit_count;
    size_t in_flight; /* units */
    schedule_limits *limits;
    void *user;
};

void schedule_init(struct schedule *schedule, schedule_limits *limits, void *user);
void schedule_done(struct schedule *schedule); /* frees all messages */

struct queue_message *schedule_find(const struct schedule *schedule, uint64_t id);
/* Finds or makes the site, with the limits of its transport. NULL: no memory. */
struct site *schedule_site(struct schedule *schedule, struct sluice_span transport,
                           struct sluice_span nexthop);
/*
 * Adds a message with its units, all new: they are not scheduled yet. Each unit's due.due_ms is the
 * earliest next_due_ms of its recipients, as it is in the record (wall clock). TEMP: no memory;
 * PERM: the id is known already.
 */
sluice_status schedule_add(struct schedule *schedule, uint64_t id, const struct envelope *envelope,
                           struct queue_message **ret_message);
/*
 * The same for a message of which some recipients are in flight already. groups: for each recipient
 * of the record 0, or which job has it: no unit mixes them, and a unit's first recipient tells.
 */
sluice_status schedule_add_grouped(struct schedule *schedule, uint64_t id,
                                   const struct envelope *envelope, const uint32_t *groups,
                                   struct queue_message **ret_message);
/*
 * The message gets its units anew, as its envelope now routes them: all new, none may be in flight.
 * Those of a domain that was released are released: schedule_defer them and schedule_release. TEMP: no
 * memory, and the units are those that they were.
 */
sluice_status schedule_rebuild(struct schedule *schedule, struct queue_message *message,
                               const struct envelope *envelope, int64_t now_ms);
/* Units (new) of one site, as a list (prev, next), are in flight as a job that was not taken here. */
void schedule_adopt(struct schedule *schedule, struct unit *units, int64_t now_ms);
/* The message and what is left of its units; none may be in flight. */
void schedule_remove(struct schedule *schedule, struct queue_message *message, int64_t now_ms);
/* True if the recipient is one of the unit's and waits. index: in the record. */
bool schedule_unit_has(const struct unit *unit, const struct envelope_recipient *recipient,
                       size_t index);

/* The unit that the waiting recipient is in; NULL: none. */
struct unit *schedule_unit_of(const struct queue_message *message,
                              const struct envelope_recipient *recipient, size_t index);

/* The unit (new or in flight) waits: until due_ms, or CLOCK_NEVER: until it is released. */
void schedule_defer(struct schedule *schedule, struct unit *unit, int64_t due_ms, int64_t now_ms);
/* The same for a unit whose attempt did not take place: a release still counts for it. */
void schedule_return(struct schedule *schedule, struct unit *unit, int64_t due_ms, int64_t now_ms);
/* The unit (in flight) has nothing left to do: frees it. */
void schedule_settle(struct schedule *schedule, struct unit *unit);
/* The same for one that is not in flight. */
void schedule_drop(struct schedule *schedule, struct unit *unit, int64_t now_ms);
/* True if nothing keeps the unit's site from being attempted. */
bool schedule_unit_has_site(const struct unit *unit, int64_t now_ms);
/* True if a unit of the message is in flight. */
bool schedule_is_in_flight(const struct queue_message *message);
/* True if a unit of the message is in flight, or could be at once. */
bool schedule_is_under_way(const struct queue_message *message, int64_t now_ms);
/* The unit goes with the next job that its site can take. False: it is in flight, or goes already. */
bool schedule_release(struct schedule *schedule, struct unit *unit, int64_t now_ms);
/* The unit, wherever it waits, waits until due_ms instead, or CLOCK_NEVER. Nothing if it is new or in
 * flight. */
void schedule_move(struct schedule *schedule, struct unit *unit, int64_t due_ms, int64_t now_ms);
/* The message is on hold: what is in flight comes to its end, nothing else goes until it is taken off
 * hold, and then at the times that stand now. Both do nothing where that is so already. */
void schedule_hold(struct schedule *schedule, struct queue_message *message, int64_t now_ms);
void schedule_unhold(struct schedule *schedule, struct queue_message *message, int64_t now_ms);
/* Not 0: the message is a suspect, whose units are not taken with the others when they are ready; they
 * wait in the list of those apart. */
void schedule_set_crashes(struct schedule *schedule, struct queue_message *message, uint8_t crashes,
                          int64_t now_ms);
/* What a release has let go and has not been attempted at this site waits again as before. */
void schedule_recall(struct schedule *schedule, struct site *site, int64_t now_ms);

/* Makes ready what is due by now. */
void schedule_advance(struct schedule *schedule, int64_t now_ms);
/* When something will be due; CLOCK_NEVER. */
int64_t schedule_next_ms(const struct schedule *schedule);
/* True if schedule_take has a job. */
bool schedule_can_take(const struct schedule *schedule, const struct places *places);
/*
 * The next job: all ready units of one message at one site, as many as its recipient limit allows,
 * as a list (prev, next), now in flight. fair.h says which site's. NULL: nothing can go now.
 */
struct site *schedule_take(struct schedule *schedule, const struct places *places, int64_t now_ms,
                           struct unit **ret_units);
/* The same for a unit that is ready or apart, whether its site may start a job or not. */
struct site *schedule_take_unit(struct schedule *schedule, struct unit *unit, int64_t now_ms,
                                struct unit **ret_units);
/* After its units have been deferred or settled, and the site's state has been set. */
void schedule_job_done(struct schedule *schedule, struct site *site, int64_t now_ms);

/* Begins a walk at the oldest message; [loop] */
void cursor_start(struct cursor *cursor, struct schedule *schedule);
/* The same for a walk without an end: behind the latest message it waits for those to come. */
void cursor_follow(struct cursor *cursor, struct schedule *schedule);
struct queue_message *cursor_next(struct cursor *cursor); /* NULL: the end */
void cursor_stop(struct cursor *cursor, struct schedule *schedule);

#endif
