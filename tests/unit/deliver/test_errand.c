/* SPDX-License-Identifier: ISC */
/*
 * Errands across queues that hand over, die, and do not know of them.
 */
#include "deliver/errand.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/span.h"
#include "ipc/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

/* What the test's end has seen, as text: "PAUSED 7, RESUMED 7 [1 2], RESULT 1 text". */
struct queue {
    struct channel *channel;
    char seen[1024];
    size_t frames;
};

struct fixture {
    struct errands errands;
    struct queue queue;
};

static void note(struct queue *queue, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note(struct queue *queue, const char *format, ...)
{
    size_t len = strlen(queue->seen);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(queue->seen + len, sizeof(queue->seen) - len, format, args);
    va_end(args);
}

static void note_refs(struct queue *queue, struct sluice_span rest)
{
    uint64_t ref;

    while (rest.len > 0) {
        if (codec_varint(&rest, &ref) != SLUICE_OK)
            abort();
        note(queue, " %u", (unsigned)ref);
    }
}

static void queue_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct queue *queue = user;

    (void)channel;
    note(queue, queue->frames > 0 ? ", " : "");
    queue->frames++;
    if (frame->type == MESSAGE_PAUSED) {
        note(queue, "paused %u", (unsigned)frame->ref);
    } else if (frame->type == MESSAGE_RESUMED) {
        note(queue, "resumed %u:", (unsigned)frame->ref);
        note_refs(queue, frame->body);
    } else {
        note(queue, "%.*s %u", SPAN_ARGS(frame->body), (unsigned)frame->ref);
    }
}

static void queue_closed(struct channel *channel, const char *reason, void *user)
{
    struct queue *queue = user;

    (void)reason;
    channel_free(channel);
    queue->channel = NULL;
}

static void no_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    (void)channel;
    (void)frame;
    (void)user;
}

static void link_closed(struct channel *channel, const char *reason, void *user)
{
    struct fixture *f = user;

    (void)channel;
    (void)reason;
    errands_disconnect(&f->errands);
}

static void stop_soon(void *arg)
{
    (void)arg;
    (void)task_sleep_until(clock_monotonic_ms() + 2);
    task_loop_stop();
}

static void pump(void)
{
    for (int i = 0; i < 5; i++) {
        assert_int_equal(task_start("pump", stop_soon, NULL, NULL), SLUICE_OK);
        task_loop_run();
    }
}

/* A new queue at the other end. */
static void connect_queue(struct fixture *f)
{
    static const struct channel_handlers queue_handlers = {queue_frame, queue_closed};
    static const struct channel_handlers link_handlers = {no_frame, link_closed};
    struct channel *channel;
    int pair[2];

    channel_free(f->queue.channel);
    f->queue = (struct queue){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(channel_new(pair[0], "deliver", &queue_handlers, &f->queue, &f->queue.channel),
                     SLUICE_OK);
    assert_int_equal(channel_new(pair[1], "queue", &link_handlers, f, &channel), SLUICE_OK);
    errands_connect(&f->errands, channel);
}

static void answer(struct errand *errand, const char *text)
{
    struct buffer body = BUFFER_INIT;

    buffer_add_text(&body, text);
    assert_int_equal(errand_answer(errand, MESSAGE_RESULT, &body), SLUICE_OK);
}

static void lose_queue(struct fixture *f)
{
    channel_free(f->queue.channel);
    f->queue.channel = NULL;
    pump();
    assert_null(f->errands.queue);
}

static void expect(struct fixture *f, const char *seen)
{
    pump();
    assert_string_equal(f->queue.seen, seen);
    f->queue.seen[0] = '\0';
    f->queue.frames = 0;
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    assert_int_equal(task_loop_init(), SLUICE_OK);
    connect_queue(f);
    assert_int_equal(errands_resume(&f->errands, 0), SLUICE_OK);
    expect(f, "resumed 0:");
}

static void end(struct fixture *f)
{
    assert_null(f->errands.list);
    errands_disconnect(&f->errands);
    channel_free(f->queue.channel);
    task_loop_done();
}

static void answers_wait_for_the_queue_that_takes_over(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    struct errand *before = errand_new(&f.errands, 1);
    struct errand *between = errand_new(&f.errands, 2);
    struct errand *after = errand_new(&f.errands, 3);
    answer(before, "a");
    assert_int_equal(errands_pause(&f.errands, 7), SLUICE_OK);
    answer(between, "b");
    expect(&f, "a 1, paused 7");
    lose_queue(&f);
    connect_queue(&f);
    expect(&f, "");
    assert_int_equal(errands_resume(&f.errands, 7), SLUICE_OK);
    expect(&f, "resumed 7: 2 3, b 2");
    answer(after, "c");
    expect(&f, "c 3");
    end(&f);
}

/* The next queue's link may be there before the former one's end is seen. */
static void links_that_overlap(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    struct errand *errand = errand_new(&f.errands, 1);
    assert_int_equal(errands_pause(&f.errands, 7), SLUICE_OK);
    connect_queue(&f);
    assert_int_equal(errands_resume(&f.errands, 7), SLUICE_OK);
    answer(errand, "a");
    expect(&f, "resumed 7: 1, a 1");
    end(&f);
}

static void nothing_goes_to_a_queue_that_does_not_know_of_it(void **state)
{
    static const uint64_t handovers[] = {0, 8}; /* that the next queue names; we agreed to 7 */

    (void)state;
    for (size_t i = 0; i < sizeof(handovers) / sizeof(handovers[0]); i++) {
        struct fixture f;

        begin(&f);
        struct errand *between = errand_new(&f.errands, 1);
        struct errand *after = errand_new(&f.errands, 2);
        assert_int_equal(errands_pause(&f.errands, 7), SLUICE_OK);
        answer(between, "a");
        lose_queue(&f);
        connect_queue(&f);
        assert_int_equal(errands_resume(&f.errands, handovers[i]), SLUICE_OK);
        answer(after, "b");
        expect(&f, handovers[i] == 0 ? "resumed 0:" : "resumed 8:");
        end(&f);
    }
}

/* Of the queue's own numbers only those of the latest PAUSE count. */
static void a_queue_that_dies_makes_errands_void(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    assert_int_equal(errands_pause(&f.errands, 7), SLUICE_OK);
    connect_queue(&f);
    assert_int_equal(errands_resume(&f.errands, 7), SLUICE_OK);
    struct errand *errand = errand_new(&f.errands, 1);
    expect(&f, "resumed 7:");
    lose_queue(&f);
    connect_queue(&f); /* one more that has what the first one handed over */
    assert_int_equal(errands_resume(&f.errands, 7), SLUICE_OK);
    answer(errand, "a");
    expect(&f, "resumed 7:");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_wait_for_the_queue_that_takes_over),
        cmocka_unit_test(links_that_overlap),
        cmocka_unit_test(nothing_goes_to_a_queue_that_does_not_know_of_it),
        cmocka_unit_test(a_queue_that_dies_makes_errands_void),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
