/* SPDX-License-Identifier: ISC */
/*
 * errand: answers go at once, or are kept in the list until they may.
 */
#include "deliver/errand.h"

#include "base/codec.h"
#include "base/span.h"
#include "ipc/messages.h"

#include <stdlib.h>
#include <utlist.h>

struct errand {
    struct errands *errands;
    uint64_t ref;
    bool is_void;     /* nobody waits for the answer */
    bool is_answered; /* and the answer is kept */
    uint16_t type;    /* the answer's frame */
    struct buffer body;
    struct errand *prev;
    struct errand *next;
};

static void errand_free(struct errand *errand)
{
    struct errands *errands = errand->errands;

    DL_DELETE(errands->list, errand);
    buffer_done(&errand->body);
    free(errand);
    if (errands->list == NULL)
        task_queue_wake_all(&errands->idle);
}

static sluice_status send_answer(struct errand *errand)
{
    sluice_status st = SLUICE_TEMP;

    if (!buffer_failed(&errand->body))
        st = channel_send_body(errand->errands->queue, errand->type, errand->ref,
                               buffer_span(&errand->body));
    errand_free(errand);
    return st;
}

static void make_void(struct errands *errands)
{
    struct errand *errand;
    struct errand *next;

    DL_FOREACH_SAFE(errands->list, errand, next)
    {
        errand->is_void = true;
        if (errand->is_answered)
            errand_free(errand);
    }
}

/* ---- the link -------------------------------------------------------------------------------- */

void errands_disconnect(struct errands *errands)
{
    channel_free(errands->queue);
    errands->queue = NULL;
    if (errands->handover == 0)
        make_void(errands);
}

void errands_connect(struct errands *errands, struct channel *channel)
{
    errands_disconnect(errands);
    errands->queue = channel;
    errands->is_held = true;
}

sluice_status errands_pause(struct errands *errands, uint64_t handover)
{
    errands->is_held = true;
    errands->handover = handover;
    return channel_send_body(errands->queue, MESSAGE_PAUSED, handover, SPAN_EMPTY);
}

/* What the new queue does not find here, it takes for lost. */
static sluice_status send_refs(const struct errands *errands, uint64_t handover)
{
    struct buffer body = BUFFER_INIT;
    const struct errand *errand;
    sluice_status st = SLUICE_TEMP;

    DL_FOREACH(errands->list, errand)
    {
        if (!errand->is_void)
            codec_put_varint(&body, errand->ref);
    }
    if (!buffer_failed(&body))
        st = channel_send_body(errands->queue, MESSAGE_RESUMED, handover, buffer_span(&body));
    buffer_done(&body);
    return st;
}

sluice_status errands_resume(struct errands *errands, uint64_t handover)
{
    struct errand *errand;
    struct errand *next;

    if (handover == 0 || handover != errands->handover)
        make_void(errands);
    errands->is_held = false;
    errands->handover = 0;
    sluice_status st = send_refs(errands, handover);
    DL_FOREACH_SAFE(errands->list, errand, next)
    {
        if (errand->is_answered && st == SLUICE_OK)
            st = send_answer(errand);
    }
    return st;
}

/* ---- errands --------------------------------------------------------------------------------- */

struct errand *errand_new(struct errands *errands, uint64_t ref)
{
    struct errand *errand = calloc(1, sizeof(*errand));

    if (errand == NULL)
        return NULL;
    errand->errands = errands;
    errand->ref = ref;
    DL_APPEND(errands->list, errand);
    return errand;
}

sluice_status errand_send_part(const struct errand *errand, uint16_t type, struct sluice_span head,
                               struct sluice_span body, int fd)
{
    const struct errands *errands = errand->errands;
    const struct sluice_span parts[] = {head, body};

    if (errand->is_void || errands->is_held || errands->queue == NULL)
        return SLUICE_OK;
    return channel_send(errands->queue, type, errand->ref, parts, 2, fd);
}

sluice_status errand_answer(struct errand *errand, uint16_t type, struct buffer *body)
{
    errand->type = type;
    errand->body = *body;
    *body = (struct buffer)BUFFER_INIT;
    errand->is_answered = true;
    if (errand->is_void) {
        errand_free(errand);
        return SLUICE_OK;
    }
    return errand->errands->is_held ? SLUICE_OK : send_answer(errand);
}
