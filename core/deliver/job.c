/* SPDX-License-Identifier: ISC */
#include "deliver/job.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static sluice_status job_decode(struct job *job, struct sluice_span body, struct error *err)
{
    sluice_status st;

    st = message_job_decode(body, &job->header);
    if (st != SLUICE_OK)
        return error_set(err, st, "job: the frame makes no sense");
    st = envelope_decode(job->header.envelope, &job->envelope, err);
    if (st != SLUICE_OK)
        return st;
    if (job->envelope.recipient_count == 0)
        return error_set(err, SLUICE_PERM, "job: no recipients");
    job->outcomes = calloc(job->envelope.recipient_count, sizeof(*job->outcomes));
    if (job->outcomes == NULL)
        return error_set(err, SLUICE_TEMP, "job: out of memory");
    return SLUICE_OK;
}

sluice_status job_new(struct channel_frame *frame, struct job **ret_job, struct error *err)
{
    struct job *job = calloc(1, sizeof(*job));
    sluice_status st;

    if (job == NULL)
        return error_set(err, SLUICE_TEMP, "job: out of memory");
    job->references = 1;
    job->ref = frame->ref;
    job->content_fd = frame->fd;
    frame->fd = -1;
    job->body = malloc(frame->body.len + 1);
    if (job->body == NULL) {
        job_unref(job);
        return error_set(err, SLUICE_TEMP, "job: out of memory");
    }
    memcpy(job->body, frame->body.ptr, frame->body.len);
    st = job_decode(job, (struct sluice_span){job->body, frame->body.len}, err);
    if (st != SLUICE_OK) {
        job_unref(job);
        return st;
    }
    *ret_job = job;
    return SLUICE_OK;
}

struct job *job_ref(struct job *job)
{
    job->references++;
    return job;
}

void job_unref(struct job *job)
{
    if (job == NULL || --job->references > 0)
        return;
    for (size_t i = 0; job->outcomes != NULL && i < job->envelope.recipient_count; i++)
        outcome_done(&job->outcomes[i]);
    envelope_done(&job->envelope);
    if (job->content_fd != -1)
        (void)close(job->content_fd); /* read only: nothing to lose */
    free(job->outcomes);
    free(job->body);
    free(job);
}

bool job_is_settled(const struct job *job)
{
    for (size_t i = 0; i < job->envelope.recipient_count; i++) {
        if (!outcome_is_settled(&job->outcomes[i]))
            return false;
    }
    return true;
}

uint64_t job_content_size(const struct job *job)
{
    return job->content_fd != -1 ? job->envelope.content_size : job->header.content.len;
}

sluice_status job_read(const struct job *job, uint64_t offset, void *buffer, size_t size,
                       size_t *ret_len)
{
    uint64_t total = job_content_size(job);
    ssize_t got;

    *ret_len = 0;
    if (offset >= total)
        return SLUICE_OK;
    if (size > total - offset)
        size = (size_t)(total - offset);
    if (job->content_fd == -1) {
        memcpy(buffer, job->header.content.ptr + offset, size);
        *ret_len = size;
        return SLUICE_OK;
    }
    do
        got = pread(job->content_fd, buffer, size, (off_t)offset);
    while (got == -1 && errno == EINTR);
    if (got <= 0)
        return SLUICE_TEMP; /* an error, or a file shorter than it was */
    *ret_len = (size_t)got;
    return SLUICE_OK;
}

void job_report_remaining(struct job *job, sluice_status status, const char *dsn, const char *text,
                          const char *relay)
{
    for (size_t i = 0; i < job->envelope.recipient_count; i++)
        outcome_set(&job->outcomes[i], status, dsn, text, relay);
}

void job_encode_result(const struct job *job, struct buffer *buffer)
{
    size_t count = job->envelope.recipient_count;
    struct message_outcome *outcomes = calloc(count, sizeof(*outcomes));
    struct message_result result = {
        .site = job->site,
        .connect_ms = job->connect_ms,
        .transfer_ms = job->transfer_ms,
        .outcomes = outcomes,
        .outcome_count = count,
    };

    if (outcomes == NULL) {
        buffer->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct outcome *outcome = &job->outcomes[i];
        bool is_reported = outcome->is_reported;

        outcomes[i] = (struct message_outcome){
            .status = is_reported ? outcome->result.status : SLUICE_TEMP,
            .dsn = sluice_span_of(is_reported ? outcome->result.dsn : "4.3.0"),
            .text = sluice_span_of(is_reported ? outcome->result.text
                                               : "the transport reported nothing"),
            .relay = sluice_span_of(is_reported ? outcome->relay : "none"),
            .reply = sluice_span_of(outcome->reply),
            .flags = outcome->flags,
        };
    }
    message_result_encode(&result, buffer);
    free(outcomes);
}
