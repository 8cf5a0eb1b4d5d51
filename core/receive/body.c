/* SPDX-License-Identifier: ISC */
/*
 * body: memory first, then a file.
 */
#include "receive/body.h"

#include "base/clock.h"
#include "base/sealed.h"
#include "base/span.h"
#include "task/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MEMORY_MIN BODY_ROOM_MAX
#define WRITE_SIZE ((size_t)32 * 1024) /* to the file at a time; this much stays in memory */
#define WRITE_TIMEOUT_MS 60000

/* A write on a thread: everything that it needs, also when nobody waits for it any more. */
struct staged {
    int fd;
    char *bytes;
    size_t len;
    uint64_t offset;
    int failure; /* errno */
};

static void staged_free(void *arg)
{
    struct staged *staged = arg;

    (void)close(staged->fd); /* the queue syncs what counts */
    free(staged->bytes);
    free(staged);
}

static sluice_status staged_write(void *arg)
{
    struct staged *staged = arg;

    for (size_t done = 0; done < staged->len;) {
        ssize_t n = pwrite(staged->fd, staged->bytes + done, staged->len - done,
                           (off_t)(staged->offset + done));
        if (n == -1 && errno != EINTR) {
            staged->failure = errno;
            return SLUICE_TEMP;
        }
        if (n > 0)
            done += (size_t)n;
    }
    staged->offset += staged->len;
    return SLUICE_OK;
}

void body_open(struct body *body, struct intake *intake, uint64_t id)
{
    *body = (struct body){.intake = intake, .id = id};
}

static void drop_memory(struct body *body)
{
    free(body->bytes);
    intake_pay_back(body->intake, body->paid);
    body->bytes = NULL;
    body->len = body->capacity = 0;
    body->paid = 0;
}

void body_close(struct body *body)
{
    if (body->staged != NULL) {
        body->staged->bytes = NULL; /* body->bytes is what it was */
        staged_free(body->staged);
        body->staged = NULL;
        intake_withdraw(body->intake, body->id);
    }
    drop_memory(body);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Writes what is in memory. When that does not end the thread keeps the memory and the file. */
static sluice_status flush(struct body *body, struct error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + WRITE_TIMEOUT_MS;
    struct staged *staged = body->staged;
    sluice_status st;

    staged->bytes = body->bytes;
    staged->len = body->len;
    if (pool_run(intake_disk(body->intake), staged_write, staged_free, staged, deadline_ms, &st) !=
        SLUICE_OK) {
        body->staged = NULL;
        body->bytes = NULL;
        drop_memory(body);
        intake_withdraw(body->intake, body->id);
        return error_set(err, SLUICE_TEMP, "writing content to disk did not end in time");
    }
    body->len = 0;
    if (st != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "write content: %s", strerror(staged->failure));
    return SLUICE_OK;
}

static sluice_status stage(struct body *body, struct error *err)
{
    struct staged *staged = calloc(1, sizeof(*staged));

    if (staged == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for content");
    sluice_status st = intake_stage(body->intake, body->id, &staged->fd, err);
    if (st != SLUICE_OK) {
        free(staged);
        return st;
    }
    body->staged = staged;
    return SLUICE_OK;
}

/* From memory into a file; from now on there is one write's worth of memory. */
static sluice_status move_to_file(struct body *body, struct error *err)
{
    sluice_status st = stage(body, err);

    if (st == SLUICE_OK && body->len > 0)
        st = flush(body, err);
    if (st != SLUICE_OK)
        return st;
    drop_memory(body);
    body->bytes = malloc(WRITE_SIZE);
    if (body->bytes == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for content");
    body->capacity = WRITE_SIZE;
    return SLUICE_OK;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static bool grow(struct body *body)
{
    size_t capacity = body->capacity > 0 ? body->capacity * 2 : MEMORY_MIN;
    uint64_t price = capacity - body->capacity;

    if (capacity > CONTENT_MEMORY_MAX || !intake_pay(body->intake, price))
        return false;
    char *bytes = realloc(body->bytes, capacity);
    if (bytes == NULL) {
        intake_pay_back(body->intake, price);
        return false;
    }
    body->bytes = bytes;
    body->capacity = capacity;
    body->paid += price;
    return true;
}

sluice_status body_room(struct body *body, size_t min, char **ret_room, size_t *ret_size,
                        struct error *err)
{
    sluice_status st = SLUICE_OK;

    if (body->capacity - body->len < min) {
        if (body->staged != NULL)
            st = flush(body, err);
        else if (!grow(body))
            st = move_to_file(body, err);
    }
    if (st != SLUICE_OK)
        return st;
    *ret_room = body->bytes + body->len;
    *ret_size = body->capacity - body->len;
    return SLUICE_OK;
}

void body_fill(struct body *body, size_t len)
{
    body->len += len;
    body->size += len;
}

/* ---- the end --------------------------------------------------------------------------------- */

static sluice_status commit_file(struct body *body, struct sluice_span envelope, struct error *err)
{
    struct sluice_span nothing = {.ptr = NULL, .len = 0};
    sluice_status st = SLUICE_OK;

    if (body->len > 0)
        st = flush(body, err);
    if (st != SLUICE_OK)
        return st;
    drop_memory(body);
    st = intake_commit(body->intake, body->id, envelope, nothing, body->staged->fd, 0, err);
    if (st == SLUICE_OK) { /* the queue has the file */
        body->staged->bytes = NULL;
        staged_free(body->staged);
        body->staged = NULL;
    }
    return st;
}

/* What is too much for a frame goes in a memory file. */
static sluice_status commit_memory(struct body *body, struct sluice_span envelope,
                                   struct error *err)
{
    struct sluice_span content = {.ptr = body->bytes, .len = body->len};
    uint64_t paid = body->paid;
    int fd = -1;

    if (content.len > CONTENT_INLINE_MAX &&
        sealed_write("sluice-content", content, &fd) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "memory file: %s", strerror(errno));
    body->paid = 0; /* the intake's now */
    if (fd != -1) {
        content = SPAN_EMPTY;
        drop_memory(body);
    }
    sluice_status st = intake_commit(body->intake, body->id, envelope, content, fd, paid, err);
    if (fd != -1)
        (void)close(fd); /* the queue has its own */
    drop_memory(body);
    return st;
}

sluice_status body_commit(struct body *body, struct sluice_span envelope, struct error *err)
{
    return body->staged != NULL ? commit_file(body, envelope, err)
                                : commit_memory(body, envelope, err);
}
