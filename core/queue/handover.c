/* SPDX-License-Identifier: ISC */
/*
 * handover: the table of what is handed over, and the steps of both processes.
 */
#include "queue/handover.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/sealed.h"
#include "base/span.h"
#include "queue/control.h"
#include "queue/dispatch.h"
#include "queue/inherit.h"
#include "queue/intake.h"
#include "queue/schedule_state.h"
#include "queue/state.h"

#include <inttypes.h>
#include <sys/random.h>
#include <utlist.h>

/* ---- what is handed over --------------------------------------------------------------------- */

static void save_sites(struct queue *queue, struct buffer *buffer)
{
    schedule_save_sites(&queue->schedule, buffer);
}

static sluice_status load_sites(struct queue *queue, struct sluice_span bytes)
{
    return schedule_load_sites(&queue->schedule, bytes, clock_monotonic_ms());
}

static void save_passes(struct queue *queue, struct buffer *buffer)
{
    schedule_save_passes(&queue->schedule, buffer);
}

static sluice_status load_passes(struct queue *queue, struct sluice_span bytes)
{
    return schedule_load_passes(&queue->schedule, bytes);
}

static void save_released(struct queue *queue, struct buffer *buffer)
{
    schedule_save_released(&queue->schedule, buffer);
}

static sluice_status load_released(struct queue *queue, struct sluice_span bytes)
{
    return schedule_load_released(&queue->schedule, bytes, clock_monotonic_ms());
}

/* Loaded in this order. Tags are never used again. */
static const struct {
    uint64_t tag;
    const char *name;
    void (*save)(struct queue *queue, struct buffer *buffer);
    sluice_status (*load)(struct queue *queue, struct sluice_span bytes);
} sections[] = {
    {10, "attempts under way", inherit_save, inherit_load},
    {11, "message ids given out", intake_save_leases, intake_load_leases},
    {12, "histories of sites", save_sites, load_sites},
    {13, "releases and their intervals", save_passes, load_passes},
    {14, "what was released", save_released, load_released},
};

#define SECTION_COUNT (sizeof(sections) / sizeof(sections[0]))

#define VERSION 1 /* of the meaning of it all; a section may gain fields without */

enum head_tag {
    HEAD_VERSION = 1, /* the first field */
    HEAD_HANDOVER = 2,
    HEAD_NEXT_REF = 3,
    HEAD_PAUSED_MS = 4,  /* monotonic: when the old one paused */
    HEAD_STARTED_MS = 5, /* since 1970 UTC: when the first one started */
    HEAD_COUNT,
};

void handover_encode(struct queue *queue, struct buffer *buffer)
{
    struct buffer section = BUFFER_INIT;

    codec_put_number(buffer, HEAD_VERSION, VERSION);
    codec_put_number(buffer, HEAD_HANDOVER, queue->handover);
    codec_put_number(buffer, HEAD_NEXT_REF, queue->next_ref);
    codec_put_number(buffer, HEAD_PAUSED_MS, (uint64_t)queue->paused_ms);
    codec_put_number(buffer, HEAD_STARTED_MS, (uint64_t)queue->started_wall_ms);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        buffer_clear(&section);
        sections[i].save(queue, &section);
        codec_put_field(buffer, sections[i].tag, buffer_span(&section));
    }
    buffer->failed = buffer->failed || buffer_failed(&section);
    buffer_done(&section);
}

/* ---- the old process ------------------------------------------------------------------------- */

/* One that cannot be told does not pause, and is not waited for longer than others. */
static void pause_delivers(struct queue *queue)
{
    struct deliver_link *link;

    DL_FOREACH(queue->delivers, link)
    {
        if (link->channel != NULL)
            (void)channel_send_body(link->channel, MESSAGE_PAUSE, queue->handover, SPAN_EMPTY);
    }
}

/* No deliver process sends anything more, and nothing is about to be sent to one. */
static bool delivers_have_paused(const struct queue *queue)
{
    const struct deliver_link *link;

    DL_FOREACH(queue->delivers, link)
    {
        if (link->channel != NULL && !link->is_paused)
            return false;
    }
    for (const struct job *job = queue->jobs; job != NULL; job = job->hh.next) {
        if (!job->is_sent)
            return false;
    }
    return true;
}

static bool links_have_paused(const struct queue *queue)
{
    return delivers_have_paused(queue) && intake_is_paused(queue);
}

static bool operators_have_left(const struct queue *queue)
{
    return control_session_count(queue->control) == 0;
}

/* Any number that nobody else has: so that nobody takes a third queue for the second. */
static uint64_t new_handover(void)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number) || number == 0)
        number = (uint64_t)clock_wall_ms();
    return number;
}

static void settle(struct queue *queue)
{
    if (!queue_wait_until(queue, links_have_paused, HANDOVER_PAUSE_MS))
        log_warning("handing over: not every process has paused: some mail may be delivered again, "
                    "or refused for now");
    if (!queue_wait_until(queue, operators_have_left, HANDOVER_OPERATORS_MS))
        log_info("handing over: a command's answer is cut short");
    if (store_settle(queue->store, clock_monotonic_ms() + HANDOVER_SETTLE_MS) != SLUICE_OK)
        log_error("the store does not take the last results: some mail may be delivered again");
}

/* -1: it cannot be had, and the next process begins as after a crash. */
static int seal_state(struct queue *queue)
{
    struct buffer state = BUFFER_INIT;
    int fd = -1;

    handover_encode(queue, &state);
    if (buffer_failed(&state) ||
        sealed_write("sluice-handover", buffer_span(&state), &fd) != SLUICE_OK)
        log_error(
            "handing over: no memory for what is under way: some mail may be delivered again");
    else
        log_info("handing over: %u attempts under way, %zu bytes", HASH_COUNT(queue->jobs),
                 state.len);
    buffer_done(&state);
    return fd;
}

static void hand_over(void *arg)
{
    struct queue *queue = arg;

    settle(queue);
    queue_end_tasks(queue);
    int fd = seal_state(queue);
    queue_close(queue);
    role_handed_over(queue->role, fd);
}

void handover_start(struct queue *queue)
{
    queue->handover = new_handover();
    queue->paused_ms = clock_monotonic_ms();
    queue->is_draining = true;
    control_pause(queue->control);
    pause_delivers(queue);
    intake_pause(queue);
    if (task_start("handover", hand_over, queue, NULL) != SLUICE_OK) {
        log_error("handing over: out of memory");
        role_finished(queue->role); /* the next one begins as after a crash */
    }
}

/* ---- the new process ------------------------------------------------------------------------- */

sluice_status handover_decode_head(struct queue *queue, struct sluice_span state)
{
    uint64_t numbers[HEAD_COUNT] = {0};
    struct codec_field field;
    sluice_status st;

    while ((st = codec_next(&state, &field)) == SLUICE_OK) {
        if (field.tag < HEAD_COUNT)
            numbers[field.tag] = codec_number(field.bytes);
    }
    if (st != SLUICE_NOT_FOUND || numbers[HEAD_VERSION] != VERSION || numbers[HEAD_HANDOVER] == 0)
        return SLUICE_PERM;
    queue->inherited = numbers[HEAD_HANDOVER];
    queue->next_ref = queue->inherited_ref = numbers[HEAD_NEXT_REF];
    queue->paused_ms = (int64_t)numbers[HEAD_PAUSED_MS];
    if (numbers[HEAD_STARTED_MS] != 0)
        queue->started_wall_ms = (int64_t)numbers[HEAD_STARTED_MS];
    return SLUICE_OK;
}

struct sluice_span handover_open(struct queue *queue)
{
    struct sluice_span state = {.ptr = NULL, .len = 0};
    int fd = role_inherited_fd();
    sluice_status st;

    if (fd == -1)
        return state;
    st = sealed_map(fd, &state);
    if (st == SLUICE_OK && (st = handover_decode_head(queue, state)) != SLUICE_OK) {
        sealed_unmap(state);
        state = (struct sluice_span){.ptr = NULL, .len = 0};
    }
    if (st != SLUICE_OK)
        log_error(
            "what the queue before has left cannot be read: some mail may be delivered again");
    return state;
}

static sluice_status load_section(struct queue *queue, size_t i, struct sluice_span state)
{
    struct codec_field field;

    while (codec_next(&state, &field) == SLUICE_OK) { /* it has been walked to its end before */
        if (field.tag == sections[i].tag)
            return sections[i].load(queue, field.bytes);
    }
    return SLUICE_OK; /* a process before ours did not know of it */
}

sluice_status handover_load(struct queue *queue, struct sluice_span state, struct error *err)
{
    sluice_status result = SLUICE_OK;

    for (size_t i = 0; i < SECTION_COUNT; i++) {
        sluice_status st = load_section(queue, i, state);

        if (st == SLUICE_PERM)
            log_error("%s: what the queue before has left cannot be read", sections[i].name);
        else if (st != SLUICE_OK)
            result = error_set(err, st, "%s: out of memory", sections[i].name);
    }
    if (queue->inherited != 0)
        log_notice("taken over: %u attempts under way; %" PRId64
                   " ms since the queue before paused",
                   HASH_COUNT(queue->jobs), clock_monotonic_ms() - queue->paused_ms);
    return result;
}
