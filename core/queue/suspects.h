/* SPDX-License-Identifier: ISC */
/*
 * suspects: messages that were under way in a deliver process when it crashed, and transports whose
 * plugin crashes on one message after the other. Pure: times are of the monotonic clock.
 *
 * A suspect is attempted in a deliver process of its own kind, the isolated one, away from other mail:
 *   - One that has crashed once goes there with other such ones, at first one at a time, then twice as
 *     many with each attempt that comes to its end, since most were only near; a crash begins at one.
 *   - One that has crashed twice, or was named by the last words of a crash, goes when there is no
 *     other, and alone; after a fresh message of its transport, if that is in doubt and there is one.
 * An attempt that comes to its end clears it. The third crash, which it had alone, puts it on hold.
 *
 * A transport that crashes on SUSPECTS_TRANSPORT_CRASHES messages, one after the other with no attempt
 * that ended, is unavailable for retry_ms as a whole, releases or not; then one of its messages is
 * tried alone in the isolated process, fresh ones first, until one attempt comes to its end. While it
 * is unavailable its crashes are not counted against messages: they are held for what they do to
 * a transport that works.
 *
 * There is one isolated process, of one crew at a time.
 */
#ifndef QUEUE_SUSPECTS_H
#define QUEUE_SUSPECTS_H

#include "queue/schedule.h"

#define SUSPECTS_CRASHES_MAX 3       /* then on hold */
#define SUSPECTS_TRANSPORT_CRASHES 3 /* of different messages: then the transport is unavailable */
#define SUSPECTS_WIDTH_MAX 64        /* of those that crashed once, at a time */

struct trouble;

struct suspects {
    struct schedule *schedule;
    struct trouble *troubles; /* by transport */
    int64_t retry_ms;
    unsigned width;     /* suspects that may be attempted at a time */
    unsigned in_flight; /* in the isolated process */
    unsigned crew;      /* whose transports the isolated process does: others wait */
    bool is_full;       /* what is there now is to be alone */
};

/* A job in a deliver process that has crashed. */
struct suspects_job {
    struct queue_message *message;
    struct site *site;
    bool is_blamed; /* it was running, or the only one */
    bool is_alone;  /* no other message was there */
};

enum suspects_verdict {
    SUSPECTS_COUNTED, /* the message is a suspect, with one crash more */
    SUSPECTS_SPARED,  /* its transport is to blame */
    SUSPECTS_HELD,    /* the message has had its last crash: it is on hold now */
};

void suspects_init(struct suspects *suspects, struct schedule *schedule, int64_t retry_ms);
void suspects_done(struct suspects *suspects);

/* True if there is work for the isolated process, now or when it is done with what it has. The crew
 * changes where there is work for another one of so many alone. */
bool suspects_are_waiting(struct suspects *suspects, unsigned crews, int64_t now_ms);
/* True if suspects_take would take something. */
bool suspects_can_take(const struct suspects *suspects, int64_t now_ms);
/* The next job for the isolated process, as schedule_take. NULL: none now. */
struct site *suspects_take(struct suspects *suspects, int64_t now_ms, struct unit **ret_units);
/* A job that a former process took is in the isolated process. */
void suspects_entered(struct suspects *suspects);
/* A job that was taken here has left the isolated process, one way or the other. */
void suspects_left(struct suspects *suspects);

/* An attempt came to its end, in whatever way; its units are in flight still. */
void suspects_completed(struct suspects *suspects, struct queue_message *message,
                        const struct site *site, bool was_isolated, int64_t now_ms);
/* Before the jobs of a crash are judged, for the one that is blamed, if one is. True: that makes its
 * transport unavailable, which was not. */
bool suspects_blame(struct suspects *suspects, const struct suspects_job *job, int64_t now_ms);
/* Each message of the crash once; its units are in flight still. */
enum suspects_verdict suspects_judge(struct suspects *suspects, const struct suspects_job *job,
                                     bool is_named, int64_t now_ms);
bool suspects_is_unavailable(const struct suspects *suspects, struct sluice_span transport);

#endif
