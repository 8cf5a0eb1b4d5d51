/* SPDX-License-Identifier: ISC */
/*
 * job: one delivery unit under way: from the queue's JOB frame to the RESULT.
 *
 * A job owns a copy of its frame and its content. It is counted by reference: its task holds one,
 * each delivery another.
 */
#ifndef DELIVER_JOB_H
#define DELIVER_JOB_H

#include "base/id.h"
#include "deliver/outcome.h"
#include "ipc/envelope.h"
#include "ipc/messages.h"

struct job {
    uint64_t ref;
    struct message_job header; /* borrows from body */
    struct envelope envelope;  /* borrows from body */
    char *body;
    int content_fd;            /* -1: header.content */
    struct outcome *outcomes;  /* one for each recipient of the envelope */
    uint32_t site;             /* SITE_... */
    int64_t connect_ms;
    int64_t transfer_ms;
    unsigned references;
};

/* From a frame; takes its descriptor. PERM: the frame makes no sense; TEMP: no memory. */
sluice_status job_new(struct channel_frame *frame, struct job **ret_job, struct error *err);
struct job *job_ref(struct job *job);
void job_unref(struct job *job); /* accepts NULL */

bool job_is_settled(const struct job *job);
uint64_t job_content_size(const struct job *job);
/* Up to size bytes of the content from offset; OK with 0 at its end. [any] */
sluice_status job_read(const struct job *job, uint64_t offset, void *buffer, size_t size,
                       size_t *ret_len);
/* The same result for every recipient that is not settled. */
void job_report_remaining(struct job *job, sluice_status status, const char *dsn, const char *text,
                          const char *relay);
/* The RESULT frame's body. A recipient without report is TEMP. */
void job_encode_result(const struct job *job, struct buffer *buffer);

#endif
