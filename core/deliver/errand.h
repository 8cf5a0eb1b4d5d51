/* SPDX-License-Identifier: ISC */
/*
 * errand: what the queue has asked for and waits for the answer to; and the link that it goes over.
 *
 * The link may change while errands are under way. When the queue hands over to another process, it
 * says PAUSE; answers are kept from then on, until the new queue says over the next link that it goes
 * on where that one stopped. A queue that died is not followed by one that knows its errands: those
 * are void, and their answers are dropped.
 *
 * Order: errands_connect for each link -> (errands_pause, errands_resume as the queue says) ->
 * errands_disconnect. For an errand: errand_new -> errand_answer. On the loop's thread.
 */
#ifndef DELIVER_ERRAND_H
#define DELIVER_ERRAND_H

#include "base/buffer.h"
#include "ipc/channel.h"
#include "task/task.h"

struct errand;

struct errands {
    struct channel *queue; /* NULL while there is no link */
    bool is_held;          /* no answer may be sent: after PAUSE, and until RESUME */
    uint64_t handover;     /* the one that PAUSE has named; 0: none */
    struct errand *list;
    struct task_queue idle; /* woken when the last one has gone */
};

/* Takes the channel; the one before is freed. */
void errands_connect(struct errands *errands, struct channel *channel);
/* The link is gone: frees the channel. */
void errands_disconnect(struct errands *errands);
/* TEMP, for all of these: what was to be said could not be sent for want of memory. */
sluice_status errands_pause(struct errands *errands, uint64_t handover);
sluice_status errands_resume(struct errands *errands, uint64_t handover);

/* NULL: no memory. */
struct errand *errand_new(struct errands *errands, uint64_t ref);
/* A frame before the end, of head and body. It is lost where answers are held: the queue that follows
 * asks again. fd: -1, or is duplicated. */
sluice_status errand_send_part(const struct errand *errand, uint16_t type, struct sluice_span head,
                               struct sluice_span body, int fd);
/* The end of the errand: its frame goes now or later, or is not wanted any more. Takes the body. */
sluice_status errand_answer(struct errand *errand, uint16_t type, struct buffer *body);

#endif
