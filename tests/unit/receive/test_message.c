/* SPDX-License-Identifier: ISC */
/*
 * Messages on their way into the queue: what is handed over, when 250 is said and when not, memory
 * and files: spec M-40 to M-48, M-60 to M-62.
 */
#include "fixture.h"

#include "receive/content.h"
#include "receive/intake_private.h"

#define STRANGER "192.0.2.1"
#define FRIEND "127.0.0.1"
#define GO_AHEAD "354 End data with <CR><LF>.<CR><LF>\r\n"
#define WRITE_ERROR "451 4.3.0 Error: queue file write error\r\n"

static void begin_message(struct fixture *f, struct stream *stream)
{
    talk(f, stream, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0 Ok\r\n");
    talk(f, stream, "RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n");
    talk(f, stream, "DATA\r\n", GO_AHEAD);
}

/* What the queue got behind the Received field. */
static struct sluice_span without_trace(const struct fixture *f)
{
    struct sluice_span rest = {.ptr = f->queue.content, .len = f->queue.content_len};

    for (int line = 0; line < 3; line++)
        rest = span_skip(rest, span_find(rest, '\n') + 1);
    return rest;
}

static void check_content(struct fixture *f, const void *want, size_t len)
{
    struct sluice_span got = without_trace(f);

    check(f, span_equal(got, (struct sluice_span){.ptr = want, .len = len}),
          "content of %zu bytes, wanted %zu", got.len, len);
}

/* ---- what is handed over --------------------------------------------------------------------- */

static void envelope_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);
    const char *want = "<a@b.test> [192.0.2.1 client.test ESMTP 2 1 e+2Bd] "
                       "<u@relay.test:relay:relay.test:6:rfc822;o@x> "
                       "<admin@relay.test:relay:relay.test:0:>";

    talk(f, stream, "MAIL FROM:<a@b.test> BODY=8BITMIME RET=HDRS ENVID=e+2Bd\r\n",
         "250 2.1.0 Ok\r\n");
    talk(f, stream, "RCPT TO:<u@relay.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o@x\r\n",
         "250 2.1.5 Ok\r\n");
    talk(f, stream, "RCPT TO:<postmaster>\r\n", "250 2.1.5 Ok\r\n");
    talk(f, stream, "DATA\r\n", GO_AHEAD);
    talk(f, stream, "Subject: x\r\n\r\nbody\r\n.\r\n",
         "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    check(f, strcmp(f->queue.envelope, want) == 0, "%s", f->queue.envelope);
    stream_close(stream);
}

static void test_envelope(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, envelope_body);
}

static void trace_body(struct fixture *f)
{
    static const char one[] = "Received: from client.test (unknown [192.0.2.1])\r\n"
                              "\tby mx.test (Sluice) with ESMTP id 0000000000000010\r\n"
                              "\tfor <u@relay.test>; ";
    static const char two[] = "Received: from bad?name? (unknown [IPv6:2001:db8::1])\r\n"
                              "\tby mx.test (Sluice) with SMTP id 0000000000000011;\r\n\t";
    struct stream *stream = connect_esmtp(f, STRANGER);

    begin_message(f, stream);
    talk(f, stream, "x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    check(f, memcmp(f->queue.content, one, sizeof(one) - 1) == 0, "%.*s", (int)f->queue.content_len,
          f->queue.content);
    stream_close(stream);

    stream = connect_from(f, "2001:db8::1");
    talk(f, stream, "HELO bad(name)\r\n", "250 mx.test\r\n");
    talk(f, stream, "MAIL FROM:<>\r\n", "250 2.1.0 Ok\r\n");
    talk(f, stream, "RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n");
    talk(f, stream, "RCPT TO:<v@relay.test>\r\n", "250 2.1.5 Ok\r\n");
    talk(f, stream, "DATA\r\n", GO_AHEAD);
    talk(f, stream, "x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000011\r\n");
    check(f, memcmp(f->queue.content, two, sizeof(two) - 1) == 0, "%.*s", (int)f->queue.content_len,
          f->queue.content);
    stream_close(stream);
}

static void test_trace(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, trace_body);
}

static const struct {
    const char *name;
    const char *sent;
    const char *stored;
} contents[] = {
    {"nothing", ".\r\n", ""},
    {"a line", "x\r\n.\r\n", "x\r\n"},
    {"dots", "..dot\r\n...\r\n.\r\n", ".dot\r\n..\r\n"},
    {"bare LF", "a\n.\nb\n.\r\nc\r\n.\r\n", "a\r\n\r\nb\r\n\r\nc\r\n"},
    {"bare CR", "cr\rmid\r\n.\r\n", "cr mid\r\n"},
};

static void contents_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]) && f->failure[0] == '\0'; i++) {
        char want[64];
        print_message("  %s\n", contents[i].name);
        (void)snprintf(want, sizeof(want), "250 2.0.0 Ok: queued as %016zX\r\n", FIRST_ID + i);
        begin_message(f, stream);
        talk(f, stream, contents[i].sent, want);
        check_content(f, contents[i].stored, strlen(contents[i].stored));
    }
    stream_close(stream);
}

static void test_contents(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, contents_body);
}

/* ---- refused --------------------------------------------------------------------------------- */

static void faults_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);
    static const char nul[] = "a\0b\r\n.\r\n";
    static char big[6000];

    begin_message(f, stream);
    say(f, stream, nul, sizeof(nul) - 1);
    hear(f, stream, "550 5.7.1 disallowed character\r\n");
    begin_message(f, stream);
    for (int i = 0; i < 49; i++)
        say(f, stream, "Received: x\r\n", 13);
    talk(f, stream, "\r\n.\r\n", "554 5.4.0 Error: too many hops\r\n");
    begin_message(f, stream);
    for (int i = 0; i < 48; i++)
        say(f, stream, "Received: x\r\n", 13);
    talk(f, stream, "\r\nReceived: x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000012\r\n");
    f->receiver.settings.message_size_limit = 5000;
    memset(big, 'x', sizeof(big));
    begin_message(f, stream);
    say(f, stream, big, sizeof(big));
    talk(f, stream, "\r\n.\r\n", "552 5.3.4 Error: message file too big\r\n");
    begin_message(f, stream);
    say(f, stream, big, 4998);
    talk(f, stream, "\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000014\r\n");
    refuse_bare_newlines(f);
    begin_message(f, stream);
    talk(f, stream, "a\nb\r\n.\r\n", "550 5.5.2 mx.test Error: bare <LF> received\r\n");
    talk(f, stream, "NOOP\r\n", "250 2.0.0 Ok\r\n");
    check(f, f->queue.commits == 2, "%u commits", f->queue.commits);
    stream_close(stream);
}

static void test_faults(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, faults_body);
}

static void vanish_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    begin_message(f, stream);
    say(f, stream, "half a mess", 11);
    stream_close(stream);
    settle();
    check(f, f->queue.commits == 0, "a half message was committed");
    check(f, f->receiver.session_count == 0, "the session is still there");
}

static void test_client_vanishes(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, vanish_body);
}

/* ---- when the queue is not well -------------------------------------------------------------- */

static void queue_trouble_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    f->queue.commit = SLUICE_TEMP;
    begin_message(f, stream);
    talk(f, stream, "x\r\n.\r\n", WRITE_ERROR);
    f->queue.is_silent = true;
    begin_message(f, stream);
    talk(f, stream, "x\r\n.\r\n", WRITE_ERROR);
    settle();
    check(f, f->queue.withdrawals == 1, "%u withdrawals after the deadline", f->queue.withdrawals);
    unlink_queue(f);
    settle();
    talk(f, stream, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0 Ok\r\n");
    talk(f, stream, "RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n");
    talk(f, stream, "DATA\r\n", WRITE_ERROR);
    f->queue.is_silent = false;
    f->queue.commit = SLUICE_OK;
    link_queue(f); /* the same transaction goes on */
    talk(f, stream, "DATA\r\n", GO_AHEAD);
    talk(f, stream, "x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000001010\r\n");
    stream_close(stream);
}

static void test_queue_trouble(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, queue_trouble_body);
}

#define GREEDY_CLIENTS 4
#define GREEDY_RECIPIENTS 800

/* A message whose envelope is more than 400 KB. */
static void begin_greedy_message(struct fixture *f, struct stream *stream)
{
    char rcpt[600] = "RCPT TO:<u@relay.test> ORCPT=rfc822;";
    size_t len = strlen(rcpt);

    memset(rcpt + len, 'x', 490);
    memcpy(rcpt + len + 490, "\r\n", 3);
    talk(f, stream, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0 Ok\r\n");
    for (int i = 0; i < GREEDY_RECIPIENTS; i++)
        talk(f, stream, rcpt, "250 2.1.5 Ok\r\n");
    talk(f, stream, "DATA\r\n", GO_AHEAD);
}

/* A queue that hangs holds no more of large envelopes than of content. */
static void greedy_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    f->queue.is_silent = true;
    for (int i = 0; i < GREEDY_CLIENTS; i++) {
        begin_greedy_message(f, stream);
        talk(f, stream, "x\r\n.\r\n", WRITE_ERROR);
    }
    check(f, f->queue.commits == 2, "%u commits", f->queue.commits); /* of 1 MiB of credit */
    f->queue.is_silent = false;
    link_queue(f);
    begin_greedy_message(f, stream);
    talk(f, stream, "x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000001010\r\n");
    stream_close(stream);
}

static void test_large_envelopes(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, greedy_body);
}

static void link_lost_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    f->queue.is_silent = true;
    begin_message(f, stream);
    say(f, stream, "x\r\n.\r\n", 6);
    while (f->queue.commits == 0)
        settle();
    unlink_queue(f);
    hear(f, stream, WRITE_ERROR);
    stream_close(stream);
}

static void test_link_lost_during_commit(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, link_lost_body);
}

static void link_late_task(void *arg)
{
    (void)task_sleep_until(clock_monotonic_ms() + 50);
    link_queue(arg);
}

static void link_late_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    (void)task_start("late", link_late_task, f, NULL);
    begin_message(f, stream);
    talk(f, stream, "x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    stream_close(stream);
}

static void test_sessions_wait_for_the_link(void **state)
{
    run_on_loop(*state, link_late_body);
}

static void space_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    queue_space(&f->queue, true, 1000);
    settle();
    talk(f, stream, "MAIL FROM:<a@b> SIZE=1001\r\n", "452 4.3.1 Insufficient system storage\r\n");
    queue_space(&f->queue, false, 0);
    settle();
    talk(f, stream, "MAIL FROM:<a@b>\r\n", "452 4.3.1 Insufficient system storage\r\n");
    queue_space(&f->queue, true, 1000);
    settle();
    talk(f, stream, "MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n");
    stream_close(stream);
}

static void test_space(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, space_body);
}

static void no_message_credit_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    queue_credit(&f->queue, 1024 * 1024, 0);
    settle();
    begin_message(f, stream);
    talk(f, stream, "x\r\n.\r\n", WRITE_ERROR);
    check(f, f->queue.commits == 0, "committed without credit");
    queue_credit(&f->queue, 1024 * 1024, 1);
    for (int i = 0; i < 3; i++) { /* the one that there is comes back each time */
        char want[64];
        (void)snprintf(want, sizeof(want), "250 2.0.0 Ok: queued as %016X\r\n", FIRST_ID + 1 + i);
        begin_message(f, stream);
        talk(f, stream, "x\r\n.\r\n", want);
    }
    stream_close(stream);
}

static void test_message_credit(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, no_message_credit_body);
}

/* ---- large ones ------------------------------------------------------------------------------ */

static char *make_large(size_t len)
{
    char *bytes = malloc(len);

    for (size_t i = 0; bytes != NULL && i < len; i++)
        bytes[i] = i % 101 == 99 ? '\r' : i % 101 == 100 ? '\n' : (char)('a' + i % 23);
    return bytes;
}

static void send_large(struct fixture *f, struct stream *stream, const char *bytes, size_t len,
                       const char *want)
{
    begin_message(f, stream);
    say(f, stream, bytes, len);
    talk(f, stream, ".\r\n", want);
}

#define LARGE ((size_t)101 * 15000)
#define SMALL ((size_t)101 * 50)

static void large_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);
    char *bytes = make_large(LARGE);

    send_large(f, stream, bytes, LARGE, "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    check(f, f->queue.stages == 1, "%u stages for a large message", f->queue.stages);
    check_content(f, bytes, LARGE);
    send_large(f, stream, bytes, SMALL, "250 2.0.0 Ok: queued as 0000000000000011\r\n");
    check(f, f->queue.stages == 1, "a small message was staged");
    check_content(f, bytes, SMALL);
    check(f, f->queue.withdrawals == 0, "%u withdrawals", f->queue.withdrawals);
    stream_close(stream);
    free(bytes);
}

static void test_large(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, large_body);
}

/* Of that size when it is committed, with the field that is put on top. */
static void send_sized(struct fixture *f, struct stream *stream, char *bytes, size_t size,
                       bool is_in_memory, bool is_staged)
{
    static size_t field_len; /* of each message here; a first one tells */
    size_t len = size - field_len;
    unsigned memory_files = f->queue.memory_files;
    unsigned stages = f->queue.stages;
    char want[64];

    (void)snprintf(want, sizeof(want), "250 2.0.0 Ok: queued as %016X\r\n",
                   FIRST_ID + f->queue.commits);
    memcpy(bytes + len - 2, "\r\n", 2);
    send_large(f, stream, bytes, len, want);
    check_content(f, bytes, len);
    memset(bytes + len - 2, 'x', 2);
    field_len += f->queue.content_len - size;
    check(f,
          f->queue.memory_files == memory_files + is_in_memory &&
              f->queue.stages == stages + is_staged,
          "%zu bytes: %u memory files, %u stages", size, f->queue.memory_files - memory_files,
          f->queue.stages - stages);
}

static void sizes_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);
    char *bytes = make_large(LARGE);

    memset(bytes, 'x', LARGE);
    send_sized(f, stream, bytes, 1000, false, false);
    for (size_t i = 0; i < 3; i++) {
        send_sized(f, stream, bytes, CONTENT_INLINE_MAX - 1 + i, i == 2, false);
        /* While content comes in there is room for a line end. */
        send_sized(f, stream, bytes, CONTENT_MEMORY_MAX - CONTENT_ROOM_MIN - 1 + i, i < 2, i == 2);
        send_sized(f, stream, bytes, CONTENT_MEMORY_MAX - 1 + i, false, true);
    }
    stream_close(stream);
    free(bytes);
}

static void test_sizes_at_the_limits(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, sizes_body);
}

/* More than the queue would take at once: they wait for each other. */
#define MANY 40

static void stage_one(void *arg)
{
    struct fixture *f = arg;
    struct error err = ERROR_INIT;
    uint64_t id = 0;
    int fd;

    (void)intake_take_id(f->receiver.intake, &id);
    if (check(f, intake_stage(f->receiver.intake, id, &fd, &err) == SLUICE_OK, "%s", err.text))
        (void)close(fd);
}

static void many_stages_body(struct fixture *f)
{
    f->queue.stages_max = 16;
    for (int i = 0; i < MANY; i++)
        (void)task_start("stage", stage_one, f, NULL);
    while (f->queue.stages < MANY && f->failure[0] == '\0')
        settle();
    settle();
}

static void test_many_stages_at_once(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, many_stages_body);
}

static void no_byte_credit_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);
    char *bytes = make_large(SMALL);

    queue_credit(&f->queue, 4096, 100); /* enough for the beginning */
    settle();
    send_large(f, stream, bytes, SMALL, "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    check(f, f->queue.stages == 1, "%u stages when credit ran out", f->queue.stages);
    check_content(f, bytes, SMALL);
    for (int i = 1; i < 4; i++) { /* what was paid is back */
        char want[64];
        (void)snprintf(want, sizeof(want), "250 2.0.0 Ok: queued as %016X\r\n", FIRST_ID + i);
        begin_message(f, stream);
        talk(f, stream, "x\r\n.\r\n", want);
    }
    check(f, f->queue.stages == 1, "credit did not come back");
    stream_close(stream);
    free(bytes);
}

static void test_byte_credit(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, no_byte_credit_body);
}

static void file_trouble_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);
    char *bytes = make_large(LARGE);

    f->queue.has_no_file = true;
    send_large(f, stream, bytes, LARGE, WRITE_ERROR);
    f->queue.has_no_file = false;
    f->queue.has_broken_file = true;
    send_large(f, stream, bytes, LARGE, WRITE_ERROR);
    settle();
    check(f, f->queue.withdrawals == 1, "%u withdrawals of a broken file", f->queue.withdrawals);
    f->queue.has_broken_file = false;
    f->queue.is_silent = true;
    send_large(f, stream, bytes, LARGE, WRITE_ERROR);
    f->queue.is_silent = false;
    f->receiver.settings.message_size_limit = LARGE - 1;
    send_large(f, stream, bytes, LARGE, "552 5.3.4 Error: message file too big\r\n");
    settle();
    check(f, f->queue.withdrawals == 3, "%u withdrawals in all", f->queue.withdrawals);
    check(f, f->queue.commits == 0, "%u commits", f->queue.commits);
    stream_close(stream);
    free(bytes);
}

static void test_file_trouble(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, file_trouble_body);
}

static void void_stage_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);
    char *bytes = make_large(LARGE);

    begin_message(f, stream);
    say(f, stream, bytes, LARGE);
    while (f->queue.stages == 0)
        settle();
    link_queue(f); /* another queue, which knows nothing of that file */
    talk(f, stream, ".\r\n", WRITE_ERROR);
    check(f, f->queue.commits == 0, "a file of another queue was committed");
    stream_close(stream);
    free(bytes);
}

static void test_stage_of_a_former_queue(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, void_stage_body);
}

/* A transaction that has its id already when the queue is restarted. */
static void void_id_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    begin_message(f, stream);
    link_queue(f); /* another queue, which leased no such id */
    settle();
    talk(f, stream, "x\r\n.\r\n", WRITE_ERROR);
    check(f, f->queue.commits == 0, "an id of another queue was committed");
    begin_message(f, stream);
    talk(f, stream, "x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000001010\r\n");
    stream_close(stream);
}

static void test_id_of_a_former_queue(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, void_id_body);
}

/* ---- when the queue hands over --------------------------------------------------------------- */

#define HANDOVER 77
#define UNREAD ((size_t)101 * 1500) /* more than there is credit for, less than sockets hold */

static void start_patiently(struct fixture *f)
{
    link_queue(f);
    f->receiver.intake->limits = (struct intake_limits){
        .ready_ms = STEP_TIMEOUT_MS,
        .stage_ms = STEP_TIMEOUT_MS,
        .commit_ms = STEP_TIMEOUT_MS,
        .release_ms = STEP_TIMEOUT_MS,
    };
}

/* Everything at once: an id that is given out, a file that is filled, a commit that is answered late. */
static void handover_body(struct fixture *f)
{
    struct stream *small = connect_esmtp(f, STRANGER);
    struct stream *large = connect_esmtp(f, STRANGER);
    char *bytes = make_large(LARGE);

    f->queue.keeps_files_only = true;
    begin_message(f, small);
    begin_message(f, large);
    say(f, large, bytes, LARGE);
    while (f->queue.stages == 0)
        settle();
    pause_queue(f, HANDOVER);
    say(f, small, "x\r\n.\r\n", 6);
    say(f, large, ".\r\n", 3);
    settle();
    unlink_queue(f);
    settle();
    check(f, f->queue.commits == 0 && f->queue.withdrawals == 0, "asked although it is paused");
    link_next_queue(f, HANDOVER);
    hear(f, small, "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    hear(f, large, "250 2.0.0 Ok: queued as 0000000000000011\r\n");
    check_content(f, bytes, LARGE);
    begin_message(f, small); /* with the lease of before */
    talk(f, small, "x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000012\r\n");
    stream_close(small);
    stream_close(large);
    free(bytes);
}

static void test_a_queue_that_hands_over(void **state)
{
    start_patiently(*state);
    run_on_loop(*state, handover_body);
}

/* What begins in between waits: a message, a file, a release. */
static void begin_in_between_body(struct fixture *f)
{
    struct stream *small = connect_esmtp(f, STRANGER);
    struct stream *large = connect_esmtp(f, STRANGER);
    struct stream *etrn = connect_esmtp(f, FRIEND);
    char *bytes = make_large(LARGE);

    f->queue.waiting = 3;
    queue_credit(&f->queue, UNREAD / 2, 100);
    begin_message(f, large);
    pause_queue(f, HANDOVER);
    say(f, large, bytes, UNREAD);
    say(f, etrn, "ETRN relay.test\r\n", 17);
    talk(f, small, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0 Ok\r\n");
    talk(f, small, "RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n");
    say(f, small, "DATA\r\n", 6);
    settle();
    check(f, f->queue.stages == 0 && f->queue.releases == 0, "asked although it is paused");
    unlink_queue(f);
    settle();
    link_next_queue(f, HANDOVER);
    hear(f, small, GO_AHEAD);
    talk(f, small, "x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000011\r\n");
    say(f, large, bytes + UNREAD, LARGE - UNREAD);
    talk(f, large, ".\r\n", "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    check_content(f, bytes, LARGE);
    hear(f, etrn, "253 OK, 3 pending messages for node relay.test started\r\n");
    stream_close(small);
    stream_close(large);
    stream_close(etrn);
    free(bytes);
}

static void test_what_begins_in_between_waits(void **state)
{
    start_patiently(*state);
    run_on_loop(*state, begin_in_between_body);
}

/* The queue dies in the middle: the next one knows nothing of ours. */
static void failed_handover_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    begin_message(f, stream);
    pause_queue(f, HANDOVER);
    say(f, stream, "x\r\n.\r\n", 6);
    settle();
    unlink_queue(f);
    settle();
    link_next_queue(f, HANDOVER + 1);
    hear(f, stream, WRITE_ERROR);
    check(f, f->queue.commits == 0, "an id of another queue was committed");
    begin_message(f, stream);
    talk(f, stream, "x\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000001010\r\n");
    stream_close(stream);
}

static void test_a_handover_that_fails(void **state)
{
    start_patiently(*state);
    run_on_loop(*state, failed_handover_body);
}

/* The commit that is under way is answered by the queue that got it. */
static void late_answer_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    f->queue.is_silent = true;
    begin_message(f, stream);
    say(f, stream, "x\r\n.\r\n", 6);
    while (f->queue.commits == 0)
        settle();
    pause_queue(f, HANDOVER);
    queue_status(&f->queue, MESSAGE_COMMITTED, FIRST_ID, SLUICE_OK, -1);
    hear(f, stream, "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    stream_close(stream);
}

static void test_what_is_under_way_is_answered(void **state)
{
    start_patiently(*state);
    run_on_loop(*state, late_answer_body);
}

/* Who gets the credit of the last answer with it, and the pause behind it, waits as the others do. */
static void last_credit_body(struct fixture *f)
{
    struct stream *first = connect_esmtp(f, STRANGER);
    struct stream *second = connect_esmtp(f, STRANGER);

    begin_message(f, first);
    begin_message(f, second);
    queue_credit(&f->queue, 1024 * 1024, 1);
    f->queue.is_silent = true;
    settle();
    say(f, first, "x\r\n.\r\n", 6);
    settle();
    say(f, second, "x\r\n.\r\n", 6);
    settle();
    check(f, f->queue.commits == 1, "%u commits with credit for one", f->queue.commits);
    queue_status(&f->queue, MESSAGE_COMMITTED, FIRST_ID, SLUICE_OK, -1);
    pause_queue(f, HANDOVER);
    hear(f, first, "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    settle();
    check(f, f->queue.commits == 1, "asked although it is paused");
    unlink_queue(f);
    settle();
    f->queue.is_silent = false;
    link_next_queue(f, HANDOVER);
    hear(f, second, "250 2.0.0 Ok: queued as 0000000000000011\r\n");
    stream_close(first);
    stream_close(second);
}

static void test_the_last_credit(void **state)
{
    start_patiently(*state);
    run_on_loop(*state, last_credit_body);
}

/* Ids come from leases, across their ends, and more are asked for in time. */
static void lease_body(struct fixture *f)
{
    uint64_t id = 0;

    settle(); /* the lease arrives */
    for (uint64_t want = FIRST_ID; want < FIRST_ID + 1000; want++)
        check(f, intake_take_id(f->receiver.intake, &id) == SLUICE_OK && id == want, "id %llu",
              (unsigned long long)id);
    check(f, intake_take_id(f->receiver.intake, &id) == SLUICE_TEMP, "an id out of nothing");
    check(f, f->queue.leases_wanted == 1, "asked %u times for more", f->queue.leases_wanted);
    queue_lease(&f->queue, 5000, 1);
    check(f, intake_take_id(f->receiver.intake, &id) == SLUICE_OK && id == 5000, "id %llu",
          (unsigned long long)id);
}

static void test_leases(void **state)
{
    struct fixture *f = *state;

    link_queue(f);
    run_on_loop(f, lease_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_envelope),
        TEST(test_trace),
        TEST(test_contents),
        TEST(test_faults),
        TEST(test_client_vanishes),
        TEST(test_queue_trouble),
        TEST(test_large_envelopes),
        TEST(test_link_lost_during_commit),
        TEST(test_sessions_wait_for_the_link),
        TEST(test_space),
        TEST(test_message_credit),
        TEST(test_large),
        TEST(test_sizes_at_the_limits),
        TEST(test_many_stages_at_once),
        TEST(test_byte_credit),
        TEST(test_file_trouble),
        TEST(test_stage_of_a_former_queue),
        TEST(test_id_of_a_former_queue),
        TEST(test_leases),
        TEST(test_a_queue_that_hands_over),
        TEST(test_what_begins_in_between_waits),
        TEST(test_a_handover_that_fails),
        TEST(test_the_last_credit),
        TEST(test_what_is_under_way_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
