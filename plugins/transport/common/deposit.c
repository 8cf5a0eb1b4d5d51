/* SPDX-License-Identifier: ISC */
/* deposit: see deposit.h. */
#include "deposit.h"

#include "letter.h"

#include <stdio.h>
#include <stdlib.h>

#define LOCK_PAUSE_MIN_MS 10

#define WORK_SIZE (3 * LETTER_PIECE_MIN) /* that a thread writes at a time */

/* What a thread works on. It is the thread's own if the task can wait no longer. */
struct work {
    struct mailbox_target target;
    struct rights rights;
    struct mailbox mailbox;
    char hostname[256];
    bool is_last; /* what is to be written now ends the message */
    size_t len;
    char piece[WORK_SIZE];
    struct result result;
};

/* A deposit under way, on the task. */
struct course {
    const struct station *station;
    struct letter *letter;
    struct work *work; /* NULL: it is gone, see work */
    int64_t deadline_ms;
    struct result *result;
};

/* ---- on a thread ----------------------------------------------------------------------------- */

static sluice_status run_open(void *argument)
{
    struct work *work = argument;
    sluice_status st = station_become(&work->rights, &work->result);

    if (st != SLUICE_OK)
        return st;
    st = mailbox_open(&work->mailbox, &work->result);
    if (st != SLUICE_OK)
        mailbox_close(&work->mailbox);
    rights_return();
    return st;
}

static sluice_status run_write(void *argument)
{
    struct work *work = argument;
    sluice_status st = station_become(&work->rights, &work->result);

    if (st != SLUICE_OK)
        return st;
    st = mailbox_write(&work->mailbox, work->piece, work->len, &work->result);
    if (st == SLUICE_OK && work->is_last)
        st = mailbox_finish(&work->mailbox, &work->result);
    if (st != SLUICE_OK || work->is_last)
        mailbox_close(&work->mailbox);
    rights_return();
    return st;
}

static sluice_status run_close(void *argument)
{
    struct work *work = argument;

    if (work->mailbox.fd != -1 && station_become(&work->rights, &work->result) == SLUICE_OK) {
        mailbox_close(&work->mailbox);
        rights_return();
    }
    return SLUICE_OK;
}

/* The task has gone. */
static void release(void *argument)
{
    struct work *work = argument;

    (void)run_close(work);
    mailbox_close(&work->mailbox); /* as far as that goes without the rights */
    free(work);
}

/* ---- on the task ----------------------------------------------------------------------------- */

static sluice_status run(struct course *course, sluice_status (*step)(void *argument))
{
    const struct station *station = course->station;
    struct work *work = course->work;
    sluice_status st;

    if (station->offload->run(station->host, step, release, work, course->deadline_ms, &st) ==
        SLUICE_OK) {
        if (st != SLUICE_OK)
            *course->result = work->result;
        return st;
    }
    course->work = NULL;
    return result_set(course->result, SLUICE_TEMP, "4.3.0", "the delivery takes too long");
}

/* As long as so many attempts with that delay take; more often at first, as most locks are short. */
static sluice_status open_mailbox(struct course *course)
{
    const struct station *station = course->station;
    int64_t delay_ms = station->lock_delay_ms;
    int64_t now_ms = station->clock->monotonic_ms(station->host);
    int64_t end_ms = now_ms + (station->lock_attempts - 1) * delay_ms;
    int64_t pause_ms = LOCK_PAUSE_MIN_MS;
    sluice_status st;

    for (;;) {
        st = run(course, run_open);
        now_ms = station->clock->monotonic_ms(station->host);
        if (st == SLUICE_OK || course->work == NULL || !course->work->mailbox.is_locked ||
            now_ms >= end_ms)
            return st;
        pause_ms = pause_ms < delay_ms ? pause_ms : delay_ms;
        if (station->io->sleep(station->host, now_ms + pause_ms) != SLUICE_OK)
            return st; /* the attempt has been cancelled */
        pause_ms *= 2;
    }
}

/* As many pieces as there is room for. */
static sluice_status fill(struct course *course)
{
    struct work *work = course->work;

    work->len = 0;
    while (!course->letter->is_over && sizeof(work->piece) - work->len >= LETTER_PIECE_MIN) {
        size_t len;

        if (letter_next(course->letter, work->piece + work->len, sizeof(work->piece) - work->len,
                        &len) != SLUICE_OK)
            return result_set(course->result, SLUICE_TEMP, "4.3.0", "the message cannot be read");
        work->len += len;
    }
    work->is_last = course->letter->is_over;
    return SLUICE_OK;
}

static sluice_status write_letter(struct course *course)
{
    sluice_status st = SLUICE_OK;

    do {
        st = fill(course);
        if (st == SLUICE_OK)
            st = run(course, run_write);
    } while (st == SLUICE_OK && !course->letter->is_over);
    return st;
}

static sluice_status run_course(struct course *course)
{
    sluice_status st = open_mailbox(course);

    if (st == SLUICE_OK)
        st = write_letter(course);
    if (st != SLUICE_OK && course->work != NULL) {
        struct result why = *course->result;

        (void)run(course, run_close);
        *course->result = why;
    }
    return st;
}

static struct work *work_new(const struct station *station, const struct mailbox_target *target,
                             const struct rights *rights)
{
    struct work *work = calloc(1, sizeof(*work));

    if (work == NULL)
        return NULL;
    work->target = *target;
    work->rights = *rights;
    (void)snprintf(work->hostname, sizeof(work->hostname), "%s", station->hostname); /* has room */
    mailbox_init(&work->mailbox, &work->target, work->hostname);
    return work;
}

/* As Postfix has them. */
static void explain(const struct mailbox_target *target, struct sluice_span address,
                    struct result *result)
{
    bool is_maildir = mailbox_is_maildir(target);

    if (result->status == SLUICE_OK)
        (void)result_set(result, SLUICE_OK, "2.0.0", "delivered to %s",
                         is_maildir ? "maildir" : "mailbox");
    else if (is_maildir)
        result_prefix(result, "maildir delivery failed: ");
    else
        result_prefix(result, "cannot update mailbox %s for user %.*s. ", target->path,
                      (int)address.len, address.ptr);
}

sluice_status deposit(const struct station *station, const struct sluice_message *message,
                      const struct sluice_recipient *recipient, const struct mailbox_target *target,
                      const struct rights *rights, int64_t deadline_ms, struct result *result)
{
    struct course course = {
        .station = station,
        .letter = malloc(sizeof(*course.letter)),
        .work = work_new(station, target, rights),
        .deadline_ms = deadline_ms,
        .result = result,
    };

    if (course.letter == NULL || course.work == NULL) {
        (void)result_set(result, SLUICE_TEMP, "4.3.0", "out of memory");
    } else {
        letter_init(course.letter, mailbox_is_maildir(target) ? &letter_maildir : &letter_mbox,
                    message, recipient, station->clock->wall_ms(station->host));
        result->status = run_course(&course); /* whatever was said of a lock meanwhile */
    }
    free(course.letter);
    free(course.work);
    explain(target, recipient->address, result);
    return result->status;
}
