/* SPDX-License-Identifier: ISC */
/*
 * One queue process hands over to the next; the test is the master, and the processes that stay.
 */
#include "fixture.h"

#include "base/codec.h"
#include "base/sealed.h"

static const sluice_status all_good[16] = {SLUICE_OK};
static const sluice_status all_later[16] = {SLUICE_TEMP, SLUICE_TEMP, SLUICE_TEMP};

/* ---- a handover ------------------------------------------------------------------------------ */

/* The next process waits for its first frame from the beginning: no fork once there is a loop. */
struct succession {
    struct fixture f;
    pid_t next_pid;
    int next_fd;
    uint64_t handover; /* what the latest PAUSE said */
};

static void start(struct succession *s, const char *store, const char *settings)
{
    *s = (struct succession){0};
    s->next_pid = start_child(&s->next_fd);
    fixture_start_on(&s->f, store, settings);
    frame_free(peer_expect(&s->f.receive, MESSAGE_RESUME));
    frame_free(peer_expect(&s->f.deliver, MESSAGE_RESUME));
}

static void ask_to_hand_over(struct succession *s)
{
    assert_int_equal(channel_send_body(s->f.master.channel, MESSAGE_HANDOVER, 0, SPAN_EMPTY),
                     SLUICE_OK);
}

static void agree(struct succession *s, struct peer *peer)
{
    struct frame *frame = peer_expect(peer, MESSAGE_PAUSE);

    s->handover = frame->ref;
    assert_true(s->handover != 0);
    assert_int_equal(channel_send_body(peer->channel, MESSAGE_PAUSED, s->handover, SPAN_EMPTY),
                     SLUICE_OK);
    frame_free(frame);
}

static void wait_for_end(struct succession *s, int want)
{
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    int status = -1;
    pid_t ended = 0;

    while (ended == 0 && clock_monotonic_ms() < deadline_ms) {
        pump();
        ended = waitpid(s->f.pid, &status, WNOHANG);
    }
    assert_int_equal(ended, s->f.pid);
    assert_int_equal(status, want);
    peer_close(&s->f.receive);
    peer_close(&s->f.deliver);
}

/* What the old process leaves, once all links have agreed. */
static int take_state(struct succession *s)
{
    struct frame *frame = peer_expect(&s->f.master, MESSAGE_HANDED_OVER);
    int fd = frame->fd;

    frame->fd = -1;
    frame_free(frame);
    peer_close(&s->f.master);
    wait_for_end(s, 0);
    return fd;
}

/* Every link begins with which handover this process goes on from. */
static void expect_resume(struct peer *peer, uint64_t handover)
{
    struct frame *frame = peer_expect(peer, MESSAGE_RESUME);

    assert_true(frame->ref == handover);
    frame_free(frame);
}

/* The next process, with the state, or -1. */
static void follow(struct succession *s, int state, uint64_t handover)
{
    s->f.pid = s->next_pid;
    peer_open(&s->f.master, s->next_fd);
    hand_down(&s->f, s->f.snapshot, state);
    if (state != -1)
        (void)close(state);
    add_receive(&s->f);
    expect_resume(&s->f.receive, handover);
    add_deliver(&s->f);
    expect_resume(&s->f.deliver, handover);
}

/* What the deliver process still has. */
static void say_resumed(struct succession *s, const uint64_t *refs, size_t count)
{
    struct buffer body = BUFFER_INIT;

    for (size_t i = 0; i < count; i++)
        codec_put_varint(&body, refs[i]);
    peer_send(&s->f.deliver, MESSAGE_RESUMED, s->handover, &body);
}

static int hand_over(struct succession *s)
{
    ask_to_hand_over(s);
    agree(s, &s->f.receive);
    agree(s, &s->f.deliver);
    return take_state(s);
}

/* From one process to the next, while deliver has these jobs. */
static void succeed(struct succession *s, const uint64_t *refs, size_t count)
{
    int state = hand_over(s);

    assert_true(state != -1);
    follow(s, state, s->handover);
    say_resumed(s, refs, count);
}

/* ---- attempts under way ---------------------------------------------------------------------- */

static void test_a_result_comes_to_the_next_queue(void **state)
{
    const sluice_status mixed[] = {SLUICE_OK, SLUICE_TEMP, SLUICE_PERM};
    struct succession s;
    struct seen_job seen;
    char text[128];

    (void)state;
    start(&s, "log", "");
    (void)commit(&s.f, "a@x.test b@y.test c@x.test", "smtp");
    expect_job(&s.f, &seen);
    succeed(&s, &seen.frame->ref, 1);
    peer_expect_none(&s.f.deliver, MESSAGE_JOB);
    answer_job(&s.f, &seen, SITE_REACHED, mixed);
    peer_expect_none(&s.f.deliver, MESSAGE_JOB);
    show_recipient(&s.f, 0, text, sizeof(text));
    assert_string_equal(text, "delivered 1 taken");
    show_recipient(&s.f, 1, text, sizeof(text));
    assert_string_equal(text, "waiting 1 not now");
    show_recipient(&s.f, 2, text, sizeof(text));
    assert_string_equal(text, "failed 1 not now");
    fixture_stop(&s.f);
}

/* Of one message some recipients are in a job, others wait, at the same site and domain. */
static void test_jobs_are_part_of_a_message(void **state)
{
    struct succession s;
    struct seen_job jobs[3];
    uint64_t refs[2];
    size_t count = 0;

    (void)state;
    start(&s, "log",
          "default_destination_recipient_limit = 2; default_destination_concurrency_limit = 2;\n");
    (void)commit(&s.f, "a@x.test b@x.test c@x.test d@x.test e@x.test", "smtp");
    for (int i = 0; i < 2; i++) {
        expect_job(&s.f, &jobs[i]);
        refs[i] = jobs[i].frame->ref;
        count += jobs[i].envelope.recipient_count;
    }
    succeed(&s, refs, 2);
    peer_expect_none(&s.f.deliver, MESSAGE_JOB); /* they count against the site's limit */
    answer_job(&s.f, &jobs[0], SITE_REACHED, all_good);
    expect_job(&s.f, &jobs[2]);
    assert_int_equal(count + jobs[2].envelope.recipient_count, 5);
    for (int i = 0; i < 2; i++)
        assert_true(jobs[2].frame->ref > refs[i]);
    answer_job(&s.f, &jobs[1], SITE_REACHED, all_good);
    answer_job(&s.f, &jobs[2], SITE_REACHED, all_good);
    wait_until_empty(&s.f);
    fixture_stop(&s.f);
}

static void test_what_deliver_has_lost_is_attempted_again(void **state)
{
    struct succession s;
    struct seen_job seen;

    (void)state;
    start(&s, "log", "");
    (void)commit(&s.f, "a@x.test", "smtp");
    expect_job(&s.f, &seen);
    job_done(&seen);
    succeed(&s, NULL, 0);
    expect_job(&s.f, &seen);
    assert_int_equal(seen.envelope.recipients[0].attempts, 0);
    answer_job(&s.f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&s.f);
    fixture_stop(&s.f);
}

/* Another deliver process has nothing to do with it; the right one may come late. */
static void test_a_link_that_comes_late(void **state)
{
    struct succession s;
    struct seen_job seen;

    (void)state;
    start(&s, "log", "");
    (void)commit(&s.f, "a@x.test", "smtp");
    expect_job(&s.f, &seen);
    s.f.deliver_pid = 201;
    succeed(&s, &seen.frame->ref, 1);
    peer_expect_none(&s.f.deliver, MESSAGE_JOB);
    peer_close(&s.f.deliver);
    s.f.deliver_pid = 200;
    add_deliver(&s.f);
    expect_resume(&s.f.deliver, s.handover);
    say_resumed(&s, &seen.frame->ref, 1);
    answer_job(&s.f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&s.f);
    fixture_stop(&s.f);
}

/* One that dies before it has a link to the next queue. */
static void test_a_link_that_never_comes(void **state)
{
    const struct message_died died = {.pid = 200, .is_crash = true};
    struct buffer body = BUFFER_INIT;
    struct succession s;
    struct seen_job seen;

    (void)state;
    start(&s, "log", "");
    (void)commit(&s.f, "a@x.test", "smtp");
    expect_job(&s.f, &seen);
    job_done(&seen);
    s.f.deliver_pid = 201;
    succeed(&s, NULL, 0);
    peer_expect_none(&s.f.deliver, MESSAGE_JOB);
    message_died_encode(&died, &body);
    peer_send(&s.f.master, MESSAGE_DIED, 0, &body);
    expect_job(&s.f, &seen);
    answer_job(&s.f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&s.f);
    fixture_stop(&s.f);
}

/* Results that came before PAUSED are the old process's. */
static void test_the_last_results_are_recorded(void **state)
{
    struct succession s;
    struct seen_job first;
    struct seen_job second;

    (void)state;
    start(&s, "log", "");
    (void)commit(&s.f, "a@x.test", "smtp");
    (void)commit(&s.f, "a@x.test", "smtp");
    expect_job(&s.f, &first);
    expect_job(&s.f, &second);
    ask_to_hand_over(&s);
    agree(&s, &s.f.receive);
    answer_job(&s.f, &first, SITE_REACHED, all_good);
    answer_job(&s.f, &second, SITE_REACHED, all_later);
    agree(&s, &s.f.deliver);
    follow(&s, take_state(&s), s.handover);
    say_resumed(&s, NULL, 0);
    assert_int_equal(count_messages(&s.f), 1);
    peer_expect_none(&s.f.deliver, MESSAGE_JOB);
    fixture_stop(&s.f);
}

/* A result whose job nobody has taken over is no nonsense. */
static void test_a_result_that_nobody_waits_for(void **state)
{
    struct succession s;
    struct seen_job seen;
    struct seen_job again;

    (void)state;
    start(&s, "log", "");
    (void)commit(&s.f, "a@x.test", "smtp");
    expect_job(&s.f, &seen);
    succeed(&s, NULL, 0);
    answer_job(&s.f, &seen, SITE_REACHED, all_good);
    expect_job(&s.f, &again);
    answer_job(&s.f, &again, SITE_REACHED, all_good);
    wait_until_empty(&s.f);
    fixture_stop(&s.f);
}

/* A reload is no start: what waits gets no grace anew, or mail would never expire on a machine that
 * reloads often. */
static void test_mail_grows_old(void **state)
{
    struct succession s;

    (void)state;
    start(&s, "log", "maximal_queue_lifetime = \"2s\";\n");
    (void)commit(&s.f, "a@x.test", "etrn-only");
    succeed(&s, NULL, 0);
    frame_free(peer_expect(&s.f.deliver, MESSAGE_REPORT));
    peer_close(&s.f.deliver);
    fixture_stop(&s.f);
}

/* What is handed over is not given up as well, though its time be over: the log would say so. */
static void test_what_is_under_way_is_not_given_up(void **state)
{
    char path[] = "/tmp/sluice-test-log-XXXXXX";
    char text[8192] = "";
    struct succession s;
    struct seen_job seen;
    int log = mkstemp(path);
    int saved = dup(STDERR_FILENO);

    (void)state;
    assert_true(log != -1 && saved != -1);
    assert_int_equal(unlink(path), 0);
    assert_true(dup2(log, STDERR_FILENO) != -1);
    start(&s, "log", "maximal_queue_lifetime = \"1s\";\n");
    assert_true(dup2(saved, STDERR_FILENO) != -1);
    (void)commit(&s.f, "a@x.test", "smtp");
    expect_job(&s.f, &seen);
    int64_t until_ms = clock_monotonic_ms() + 1500;
    while (clock_monotonic_ms() < until_ms)
        pump();
    succeed(&s, &seen.frame->ref, 1);
    answer_job(&s.f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&s.f);
    fixture_stop(&s.f);
    assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
    assert_non_null(strstr(text, "status=sent"));
    assert_null(strstr(text, "expired"));
    (void)close(log);
    (void)close(saved);
}

/* ---- releases and sites ---------------------------------------------------------------------- */

static void test_a_release_goes_on(void **state)
{
    struct succession s;
    struct seen_job seen;
    bool is_postponed;

    (void)state;
    start(&s, "log", "default_destination_concurrency_limit = 1;\n");
    for (int i = 0; i < 3; i++)
        (void)commit(&s.f, "a@customer.test b@other.test", "etrn-only");
    assert_int_equal(release(&s.f, "customer.test", &is_postponed), 3);
    expect_job(&s.f, &seen);
    succeed(&s, &seen.frame->ref, 1);
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            expect_job(&s.f, &seen);
        assert_true(seen.job.is_released);
        assert_int_equal(seen.envelope.recipient_count, 1);
        answer_job(&s.f, &seen, SITE_REACHED, all_good);
    }
    peer_expect_none(&s.f.deliver, MESSAGE_JOB); /* the other domain was not released */
    assert_int_equal(count_messages(&s.f), 3);
    fixture_stop(&s.f);
}

static void test_a_postponed_release_comes(void **state)
{
    struct succession s;
    struct seen_job seen;
    bool is_postponed;

    (void)state;
    start(&s, "log", "etrn_minimum_interval = 2;\n");
    (void)commit(&s.f, "a@customer.test", "etrn-only");
    assert_int_equal(release(&s.f, "customer.test", &is_postponed), 1);
    expect_job(&s.f, &seen);
    answer_job(&s.f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&s.f);
    (void)commit(&s.f, "b@customer.test", "etrn-only");
    assert_int_equal(release(&s.f, "customer.test", &is_postponed), 1);
    assert_true(is_postponed);
    succeed(&s, NULL, 0);
    expect_job(&s.f, &seen);
    assert_true(seen.job.is_released);
    answer_job(&s.f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&s.f);
    fixture_stop(&s.f);
}

static void test_a_site_stays_suspended(void **state)
{
    struct succession s;
    struct seen_job seen;
    bool is_postponed;

    (void)state;
    start(&s, "log", "");
    (void)commit(&s.f, "a@x.test", "smtp");
    expect_job(&s.f, &seen);
    answer_job(&s.f, &seen, SITE_FAILED, all_later);
    (void)commit(&s.f, "b@x.test", "smtp");
    peer_expect_none(&s.f.deliver, MESSAGE_JOB);
    succeed(&s, NULL, 0);
    peer_expect_none(&s.f.deliver, MESSAGE_JOB);
    assert_int_equal(release(&s.f, "x.test", &is_postponed), 2);
    expect_job(&s.f, &seen); /* one at a time: it failed before */
    peer_expect_none(&s.f.deliver, MESSAGE_JOB);
    answer_job(&s.f, &seen, SITE_REACHED, all_good);
    expect_job(&s.f, &seen);
    answer_job(&s.f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&s.f);
    fixture_stop(&s.f);
}

/* ---- mail that comes in ---------------------------------------------------------------------- */

static void test_ids_stay_good(void **state)
{
    struct succession s;

    (void)state;
    start(&s, "log", "");
    uint64_t id = s.f.next_id++;
    ask_to_hand_over(&s);
    agree(&s, &s.f.deliver);
    send_commit(&s.f, id, "a@x.test", "etrn-only", "hello\r\n", -1, 7);
    agree(&s, &s.f.receive);
    assert_int_equal(expect_committed(&s.f, id), SLUICE_OK); /* it came before PAUSED */
    follow(&s, take_state(&s), s.handover);
    send_commit(&s.f, ++id, "a@x.test", "etrn-only", "hello\r\n", -1, 7);
    assert_int_equal(expect_committed(&s.f, id), SLUICE_OK);
    assert_int_equal(count_messages(&s.f), 2);
    fixture_stop(&s.f);
}

/* The file that one process has staged is linked by the next. */
static void hand_over_large(const char *store)
{
    struct succession s;
    struct seen_job seen;
    char bytes[4096];
    size_t size = 0;

    start(&s, store, "");
    uint64_t id = s.f.next_id++;
    assert_int_equal(channel_send_body(s.f.receive.channel, MESSAGE_STAGE, id, SPAN_EMPTY),
                     SLUICE_OK);
    struct frame *staged = peer_expect(&s.f.receive, MESSAGE_STAGED);
    assert_true(staged->fd != -1);
    memset(bytes, 'x', sizeof(bytes));
    for (; size < 100 * 1024; size += sizeof(bytes))
        assert_int_equal(write(staged->fd, bytes, sizeof(bytes)), sizeof(bytes));
    succeed(&s, NULL, 0);
    for (; size < 200 * 1024; size += sizeof(bytes))
        assert_int_equal(write(staged->fd, bytes, sizeof(bytes)), sizeof(bytes));
    send_commit(&s.f, id, "a@x.test", "smtp", "", staged->fd, size);
    frame_free(staged);
    assert_int_equal(expect_committed(&s.f, id), SLUICE_OK);
    expect_job(&s.f, &seen);
    assert_int_equal(lseek(seen.frame->fd, 0, SEEK_END), size);
    answer_job(&s.f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&s.f);
    fixture_stop(&s.f);
}

static void test_staged_files_stay_good(void **state)
{
    (void)state;
    hand_over_large("log");
    hand_over_large("bdb");
}

/* ---- when it goes wrong ---------------------------------------------------------------------- */

static void expect_again(struct succession *s)
{
    struct seen_job seen;

    expect_job(&s->f, &seen);
    answer_job(&s->f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&s->f);
    fixture_stop(&s->f);
}

static void test_the_old_queue_dies_meanwhile(void **state)
{
    struct succession s;
    struct seen_job seen;

    (void)state;
    start(&s, "log", "minimal_backoff_time = 1;\n");
    (void)commit(&s.f, "a@x.test", "smtp");
    expect_job(&s.f, &seen);
    job_done(&seen);
    ask_to_hand_over(&s);
    agree(&s, &s.f.deliver); /* receive does not */
    frame_free(peer_expect(&s.f.receive, MESSAGE_PAUSE));
    assert_int_equal(kill(s.f.pid, SIGKILL), 0);
    peer_close(&s.f.master);
    wait_for_end(&s, SIGKILL);
    follow(&s, -1, 0);
    say_resumed(&s, NULL, 0);
    expect_again(&s);
}

/* What is left of the state after change() has been at it. */
static int spoil(int fd, void (*change)(struct buffer *bytes))
{
    struct buffer copy = BUFFER_INIT;
    struct sluice_span bytes;
    int spoiled;

    assert_int_equal(sealed_map(fd, &bytes), SLUICE_OK);
    buffer_add_span(&copy, bytes);
    sealed_unmap(bytes);
    (void)close(fd);
    change(&copy);
    assert_int_equal(sealed_write("spoiled", buffer_span(&copy), &spoiled), SLUICE_OK);
    buffer_done(&copy);
    return spoiled;
}

static void cut_the_end(struct buffer *bytes)
{
    bytes->len--;
}

static void change_the_version(struct buffer *bytes)
{
    bytes->ptr[2]++; /* tag, length, number */
}

static void test_a_state_that_cannot_be_read(void **state)
{
    static void (*const changes[])(struct buffer *) = {cut_the_end, change_the_version};

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct succession s;
        struct seen_job seen;

        start(&s, "log", "minimal_backoff_time = 1;\n");
        (void)commit(&s.f, "a@x.test", "smtp");
        expect_job(&s.f, &seen);
        job_done(&seen);
        follow(&s, spoil(hand_over(&s), changes[i]), 0);
        say_resumed(&s, NULL, 0);
        expect_again(&s);
    }
}

/* Behind the head: one byte in each place of the sections is another one. */
static size_t spoiled_place;

static void change_a_byte(struct buffer *bytes)
{
    bytes->ptr[bytes->len - 1 - spoiled_place % (bytes->len / 2)] ^= 0x15;
}

/* Whatever it makes of that, it starts, and mail that was not attempted goes. */
static void test_a_state_that_is_damaged(void **state)
{
    (void)state;
    for (spoiled_place = 0; spoiled_place < 60; spoiled_place += 13) {
        struct succession s;
        struct seen_job seen;
        bool is_postponed;

        start(&s, "log", "");
        (void)commit(&s.f, "a@x.test b@y.test", "smtp");
        (void)commit(&s.f, "a@customer.test", "etrn-only");
        expect_job(&s.f, &seen);
        job_done(&seen);
        int spoiled = spoil(hand_over(&s), change_a_byte);
        s.f.pid = s.next_pid;
        peer_open(&s.f.master, s.next_fd);
        hand_down(&s.f, s.f.snapshot, spoiled);
        (void)close(spoiled);
        add_receive(&s.f);
        add_deliver(&s.f);
        assert_int_equal(count_messages(&s.f), 2);
        assert_int_equal(release(&s.f, "customer.test", &is_postponed), 1);
        say_resumed(&s, NULL, 0);
        peer_expect_none(&s.f.master, MESSAGE_ACCUSE);
        end_deliver(&s.f, NULL);
        fixture_stop(&s.f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_result_comes_to_the_next_queue),
        cmocka_unit_test(test_jobs_are_part_of_a_message),
        cmocka_unit_test(test_what_deliver_has_lost_is_attempted_again),
        cmocka_unit_test(test_a_link_that_comes_late),
        cmocka_unit_test(test_a_link_that_never_comes),
        cmocka_unit_test(test_the_last_results_are_recorded),
        cmocka_unit_test(test_a_result_that_nobody_waits_for),
        cmocka_unit_test(test_mail_grows_old),
        cmocka_unit_test(test_what_is_under_way_is_not_given_up),
        cmocka_unit_test(test_a_release_goes_on),
        cmocka_unit_test(test_a_postponed_release_comes),
        cmocka_unit_test(test_a_site_stays_suspended),
        cmocka_unit_test(test_ids_stay_good),
        cmocka_unit_test(test_staged_files_stay_good),
        cmocka_unit_test(test_the_old_queue_dies_meanwhile),
        cmocka_unit_test(test_a_state_that_cannot_be_read),
        cmocka_unit_test(test_a_state_that_is_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
