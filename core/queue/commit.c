/* SPDX-License-Identifier: ISC */
/*
 * commit: everything that can fail for want of memory is done before the store is asked, so that
 * once a message is durable nothing can keep it from being scheduled.
 */
#include "queue/commit.h"

#include "base/log.h"
#include "base/sealed.h"
#include "base/span.h"
#include "ipc/envelope.h"
#include "queue/admit.h"
#include "queue/intake.h"
#include "queue/intake_private.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

struct commit {
    struct store_change change;
    struct intake_link *link;
    struct queue_message *message;
    struct envelope envelope; /* borrows from bytes */
    int memory_fd;   /* the memory file that holds the content; -1 */
    char *in_memory; /* the same, for the store */
    uint64_t cost;
    struct commit *prev; /* among its link's */
    struct commit *next;
    char bytes[]; /* record and inline content */
};

static void commit_free(struct commit *commit)
{
    struct intake_link *link = commit->link;

    link->used_bytes -= commit->cost;
    link->used_messages--;
    if (link->used_messages == 0)
        task_queue_wake_all(&link->queue->ended);
    DL_DELETE(link->commits, commit);
    intake_link_unref(link);
    if (commit->change.change.content_fd != -1)
        (void)close(commit->change.change.content_fd); /* the store has taken it over, or not */
    free(commit->in_memory);
    if (commit->memory_fd != -1)
        (void)close(commit->memory_fd); /* only memory */
    envelope_done(&commit->envelope);
    free(commit);
}

static struct commit *commit_new(struct intake_link *link, uint64_t id,
                                 const struct message_commit *message)
{
    size_t record_len = message->envelope.len;
    struct commit *commit = malloc(sizeof(*commit) + record_len + message->content.len);

    if (commit == NULL)
        return NULL;
    *commit = (struct commit){.link = link, .memory_fd = -1};
    if (record_len > 0)
        memcpy(commit->bytes, message->envelope.ptr, record_len);
    if (message->content.len > 0)
        memcpy(commit->bytes + record_len, message->content.ptr, message->content.len);
    commit->change.change = (struct sluice_queue_change){
        .kind = SLUICE_QUEUE_PUT,
        .id = id,
        .content_fd = -1,
        .record = {.ptr = commit->bytes, .len = record_len},
        .content = {.ptr = commit->bytes + record_len, .len = message->content.len},
    };
    link->references++;
    link->used_messages++;
    DL_APPEND(link->commits, commit);
    return commit;
}

/* Read, since to map 100 KB and to undo that costs twice as much. */
static sluice_status take_memory_file(struct commit *commit, size_t size)
{
    if (size > CONTENT_MEMORY_MAX)
        return SLUICE_PERM;
    commit->in_memory = malloc(size);
    if (commit->in_memory == NULL ||
        pread(commit->memory_fd, commit->in_memory, size, 0) != (ssize_t)size)
        return SLUICE_TEMP;
    commit->change.change.content = (struct sluice_span){.ptr = commit->in_memory, .len = size};
    return SLUICE_OK;
}

/* The descriptor comes from a process that strangers talk to: only sealed memory, or a plain file for
 * one that was staged, will do. */
static sluice_status take_file(struct commit *commit, int *fd)
{
    struct sluice_queue_change *change = &commit->change.change;
    struct stat info;
    size_t size;

    if (sealed_size(*fd, &size) == SLUICE_OK) {
        commit->memory_fd = *fd;
        *fd = -1;
        return take_memory_file(commit, size);
    }
    change->content_fd = *fd;
    *fd = -1;
    if (fstat(change->content_fd, &info) == -1 || !S_ISREG(info.st_mode))
        return SLUICE_PERM;
    commit->change.file_size = (uint64_t)info.st_size;
    return SLUICE_OK;
}

/* Content in memory takes credit. */
static sluice_status pay(struct commit *commit)
{
    struct intake_link *link = commit->link;
    uint64_t cost = commit->change.change.content.len;

    if (cost > link->credit_bytes - link->used_bytes)
        return SLUICE_PERM;
    commit->cost = cost;
    link->used_bytes += cost;
    return SLUICE_OK;
}

/* A recipient may have failed before it comes here: what is no address, of local submission. */
static sluice_status check(struct commit *commit)
{
    const struct sluice_queue_change *change = &commit->change.change;
    uint64_t size = change->content_fd != -1 ? commit->change.file_size : change->content.len;
    sluice_status st = envelope_decode(change->record, &commit->envelope, NULL);

    if (st != SLUICE_OK)
        return st;
    if (commit->envelope.content_size != size || commit->envelope.recipient_count == 0)
        return SLUICE_PERM;
    for (size_t i = 0; i < commit->envelope.recipient_count; i++) {
        enum recipient_state state = commit->envelope.recipients[i].state;
        if (state != RECIPIENT_WAITING && state != RECIPIENT_FAILED)
            return SLUICE_PERM;
    }
    return SLUICE_OK;
}

static void on_stored(struct store_change *change, sluice_status status, const struct error *err)
{
    struct commit *commit = (struct commit *)(void *)change; /* its first member */
    struct intake_link *link = commit->link;
    struct queue *queue = link->queue;
    struct queue_message *message = commit->message;

    message->active = NULL; /* it was the commit until now */
    if (status == SLUICE_OK) {
        admit_new(queue, message, &commit->envelope);
        fresh_keep(queue, message, change->change.record, change->change.content,
                   &commit->memory_fd);
        (void)task_queue_wake_one(&queue->work);
        intake_answer(link, MESSAGE_COMMITTED, message->id, SLUICE_OK, "", "");
    } else {
        intake_answer(link, MESSAGE_COMMITTED, message->id, SLUICE_TEMP,
                      err->dsn[0] != '\0' ? err->dsn : "4.3.0", err->text);
        schedule_remove(&queue->schedule, message, 0);
    }
    commit_free(commit);
}

static sluice_status prepare(struct commit *commit, int *fd)
{
    struct schedule *schedule = &commit->link->queue->schedule;
    sluice_status st = *fd != -1 ? take_file(commit, fd) : SLUICE_OK;

    if (st == SLUICE_OK)
        st = pay(commit);
    if (st == SLUICE_OK)
        st = check(commit);
    if (st == SLUICE_OK)
        st = schedule_add(schedule, commit->change.change.id, &commit->envelope, &commit->message);
    return st;
}

sluice_status commit_begin(struct intake_link *link, uint64_t id,
                           const struct message_commit *message, int *fd)
{
    struct queue *queue = link->queue;
    struct commit *commit;
    sluice_status st;

    if (link->used_messages >= INTAKE_LINK_MESSAGES_MAX)
        return SLUICE_PERM;
    if (!queue->is_accepting) {
        intake_answer(link, MESSAGE_COMMITTED, id, SLUICE_TEMP, "4.3.1",
                      "insufficient space in the queue");
        return SLUICE_OK;
    }
    commit = commit_new(link, id, message);
    st = commit != NULL ? prepare(commit, fd) : SLUICE_TEMP;
    if (st != SLUICE_OK) {
        if (commit != NULL)
            commit_free(commit);
        if (st != SLUICE_TEMP)
            return SLUICE_PERM;
        intake_answer(link, MESSAGE_COMMITTED, id, SLUICE_TEMP, "4.3.0", "out of memory");
        return SLUICE_OK;
    }
    commit->message->commit = commit;
    commit->change.done = on_stored;
    store_submit(queue->store, &commit->change);
    return SLUICE_OK;
}

/* True if it was not too late. */
static bool take_back(struct commit *commit)
{
    struct queue *queue = commit->link->queue;

    if (!store_withdraw(queue->store, &commit->change))
        return false;
    intake_answer(commit->link, MESSAGE_COMMITTED, commit->message->id, SLUICE_TEMP, "4.3.0",
                  "withdrawn");
    schedule_remove(&queue->schedule, commit->message, 0);
    commit_free(commit);
    return true;
}

void commit_withdraw(struct intake_link *link, uint64_t id)
{
    struct queue_message *message = schedule_find(&link->queue->schedule, id);

    if (message != NULL && !message->is_durable && message->commit != NULL &&
        message->commit->link == link)
        (void)take_back(message->commit); /* else its COMMITTED is on the way */
}

void commit_withdraw_all(struct intake_link *link)
{
    struct commit *commit;
    struct commit *next;

    DL_FOREACH_SAFE(link->commits, commit, next)
    (void)take_back(commit); /* one that is too late stays */
}
