/* SPDX-License-Identifier: ISC */
/*
 * report_fixture: the test as a deliver process that is asked for reports.
 */
#ifndef TESTS_QUEUE_REPORT_FIXTURE_H
#define TESTS_QUEUE_REPORT_FIXTURE_H

#include "fixture.h"

__attribute__((unused)) static const sluice_status bad[16] = {SLUICE_PERM, SLUICE_PERM,
                                                              SLUICE_PERM};
static const sluice_status good[16] = {SLUICE_OK};
__attribute__((unused)) static const sluice_status later[16] = {SLUICE_TEMP, SLUICE_TEMP};

struct seen_report {
    struct frame *frame;
    struct message_report report;
    struct envelope envelope;
};

static void expect_report(struct fixture *f, enum report_kind kind, struct seen_report *seen)
{
    *seen = (struct seen_report){.frame = peer_expect(&f->deliver, MESSAGE_REPORT)};
    assert_int_equal(message_report_decode(frame_body(seen->frame), &seen->report), SLUICE_OK);
    assert_int_equal(envelope_decode(seen->report.envelope, &seen->envelope, NULL), SLUICE_OK);
    assert_int_equal(seen->report.kind, kind);
}

static void seen_report_done(struct seen_report *seen)
{
    envelope_done(&seen->envelope);
    frame_free(seen->frame);
}

static void send_reported(struct fixture *f, uint64_t ref, const struct message_reported *reported,
                          int fd)
{
    struct buffer head = BUFFER_INIT;

    message_reported_encode_head(reported, &head);
    struct sluice_span parts[] = {buffer_span(&head), reported->content};
    assert_int_equal(channel_send(f->deliver.channel, MESSAGE_REPORTED, ref, parts, 2, fd),
                     SLUICE_OK);
    buffer_done(&head);
}

/* A new message for the sender; fd: its content, of that size, or -1. */
static void send_letter(struct fixture *f, const struct seen_report *seen, const char *content,
                        int fd, size_t size)
{
    struct envelope_recipient recipient = {
        .address = SPAN_LITERAL("sender@isp.test"),
        .transport = SPAN_LITERAL("smtp"),
        .nexthop = SPAN_LITERAL("[back.test]"),
    };
    struct envelope envelope = {.arrival_ms = clock_wall_ms(),
                                .content_size = size,
                                .recipients = &recipient,
                                .recipient_count = 1};
    struct buffer bytes = BUFFER_INIT;

    envelope_encode(&envelope, &bytes);
    const struct message_reported reported = {.envelope = buffer_span(&bytes),
                                              .content = sluice_span_of(content)};
    send_reported(f, seen->frame->ref, &reported, fd);
    buffer_done(&bytes);
}

static void send_end(struct fixture *f, const struct seen_report *seen, sluice_status status)
{
    const struct message_reported end = {.status = status, .text = SPAN_LITERAL("because")};

    send_reported(f, seen->frame->ref, &end, -1);
}

/* Answers with one small message, whose job must come then: the id and content are right. */
static inline void answer_report(struct fixture *f, struct seen_report *seen)
{
    struct seen_job job;

    send_letter(f, seen, "report\r\n", -1, 8);
    send_end(f, seen, SLUICE_OK);
    expect_job(f, &job);
    assert_true(job.job.message_id == seen->report.first_id);
    assert_true(span_equal(job.job.content, SPAN_LITERAL("report\r\n")));
    assert_int_equal(job.envelope.sender.len, 0);
    answer_job(f, &job, SITE_REACHED, good);
    seen_report_done(seen);
}

#endif
