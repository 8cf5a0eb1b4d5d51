/* SPDX-License-Identifier: ISC */
/*
 * report_put: new messages of our own making, as commit.c has those of receive.
 */
#include "queue/report_put.h"

#include "ipc/envelope.h"
#include "queue/admit.h"
#include "queue/delivery_log.h"
#include "queue/state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

struct put_message {
    struct store_change change;
    struct envelope envelope; /* borrows from record */
    struct buffer record;
    struct buffer content;
    int fd; /* a large content, as deliver made it; -1 */
    struct queue_message *message;
};

struct report_put {
    struct queue *queue;
    size_t count;
    struct put_message messages[REPORT_MESSAGES_MAX];
};

struct report_put *report_put_new(struct queue *queue)
{
    struct report_put *put = calloc(1, sizeof(*put));

    if (put != NULL)
        put->queue = queue;
    return put;
}

static void close_if_open(int fd)
{
    if (fd != -1)
        (void)close(fd); /* nothing that counts is lost with it */
}

void report_put_free(struct report_put *put)
{
    if (put == NULL)
        return;
    for (size_t i = 0; i < put->count; i++) {
        struct put_message *m = &put->messages[i];

        if (m->message != NULL)
            schedule_remove(&put->queue->schedule, m->message, 0);
        close_if_open(m->fd);
        close_if_open(m->change.change.content_fd);
        envelope_done(&m->envelope);
        buffer_done(&m->record);
        buffer_done(&m->content);
    }
    free(put);
}

/* ---- from deliver ---------------------------------------------------------------------------- */

static sluice_status check(struct put_message *m)
{
    struct stat info;
    uint64_t size = m->content.len;
    sluice_status st = envelope_decode(buffer_span(&m->record), &m->envelope, NULL);

    if (st != SLUICE_OK)
        return st;
    if (m->fd != -1) {
        if (fstat(m->fd, &info) == -1 || !S_ISREG(info.st_mode))
            return SLUICE_PERM;
        size = (uint64_t)info.st_size;
    }
    if (m->envelope.content_size != size || m->envelope.recipient_count != 1 ||
        m->envelope.recipients[0].state != RECIPIENT_WAITING)
        return SLUICE_PERM;
    m->change.file_size = m->fd != -1 ? size : 0;
    return SLUICE_OK;
}

sluice_status report_put_add(struct report_put *put, const struct message_reported *reported,
                             uint64_t first_id, int *fd)
{
    if (put->count == REPORT_MESSAGES_MAX || reported->content.len > CONTENT_INLINE_MAX)
        return SLUICE_PERM;

    struct put_message *m = &put->messages[put->count];
    *m = (struct put_message){
        .change.change = {.kind = SLUICE_QUEUE_PUT, .id = first_id + put->count, .content_fd = -1},
        .fd = *fd,
    };
    put->count++;
    *fd = -1;
    buffer_add_span(&m->record, reported->envelope);
    buffer_add_span(&m->content, reported->content);
    if (buffer_failed(&m->record) || buffer_failed(&m->content))
        return SLUICE_OK; /* report_put_stage tells */
    return check(m) == SLUICE_PERM ? SLUICE_PERM : SLUICE_OK;
}

/* ---- to the store ---------------------------------------------------------------------------- */

static sluice_status copy_file(int from, int to, uint64_t size)
{
    off_t offset = 0;

    while ((uint64_t)offset < size) {
        ssize_t n = sendfile(to, from, &offset, (size_t)(size - (uint64_t)offset));
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            return SLUICE_TEMP;
    }
    return SLUICE_OK;
}

static sluice_status stage(struct queue *queue, struct put_message *m, struct error *err)
{
    struct sluice_queue_change *change = &m->change.change;
    sluice_status st = SLUICE_OK;

    if (buffer_failed(&m->record) || buffer_failed(&m->content) ||
        m->envelope.recipient_count == 0 ||
        schedule_add(&queue->schedule, change->id, &m->envelope, &m->message) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    change->record = buffer_span(&m->record);
    change->content = buffer_span(&m->content);
    if (m->fd == -1)
        return SLUICE_OK;
    st = store_stage(queue->store, change->id, &change->content_fd, err);
    if (st == SLUICE_OK && copy_file(m->fd, change->content_fd, m->change.file_size) != SLUICE_OK)
        st = error_set(err, SLUICE_TEMP, "file for a report: %s", strerror(errno));
    return st;
}

sluice_status report_put_stage(struct report_put *put, struct error *err)
{
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; st == SLUICE_OK && i < put->count; i++) {
        st = stage(put->queue, &put->messages[i], err);
        if (i > 0)
            put->messages[i - 1].change.tied = &put->messages[i].change;
    }
    return st;
}

struct store_change *report_put_changes(struct report_put *put)
{
    return put->count > 0 ? &put->messages[0].change : NULL;
}

/* ---- and on ---------------------------------------------------------------------------------- */

static void log_made(const struct put_message *m, uint64_t original_id, enum report_kind kind)
{
    static const char *const words[REPORT_KINDS] = {
        [REPORT_FAILURE] = "non-delivery notification",
        [REPORT_SUCCESS] = "delivery status notification",
        [REPORT_DELAY] = "delay notification",
        [REPORT_VERIFY] = "delivery status notification",
    };

    /* RFC 3464 2: reports to the sender have no sender themselves */
    delivery_log_notification(original_id, m->envelope.sender.len == 0 ? "sender" : "postmaster",
                              words[kind], m->message->id);
}

void report_put_admit(struct report_put *put, uint64_t original_id, enum report_kind kind)
{
    for (size_t i = 0; i < put->count; i++) {
        struct put_message *m = &put->messages[i];

        log_made(m, original_id, kind);
        admit_new(put->queue, m->message, &m->envelope);
        m->message = NULL; /* the schedule's */
    }
    task_queue_wake_all(&put->queue->work);
}
