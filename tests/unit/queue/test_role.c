/* SPDX-License-Identifier: ISC */
/*
 * The queue role as a process: from COMMIT to JOB to RESULT, and what happens on the way.
 */
#include "fixture.h"

#include "base/id.h"
#include "base/sealed.h"

static const sluice_status all_good[16] = {SLUICE_OK};
static const sluice_status later_alone[16] = {SLUICE_TEMP};

static void test_a_message_goes_through(void **state)
{
    struct fixture f;
    struct seen_job seen;

    (void)state;
    fixture_start(&f, "");
    uint64_t id = commit(&f, "a@x.test b@y.test a@x.test", "smtp");
    assert_int_equal(count_messages(&f), 1);
    expect_job(&f, &seen);
    assert_true(seen.job.message_id == id);
    assert_false(seen.job.is_released);
    assert_true(span_equal(seen.job.transport, SPAN_LITERAL("smtp")));
    assert_true(span_equal(seen.job.nexthop, SPAN_LITERAL("[hub.test]")));
    assert_true(span_equal(seen.job.content, SPAN_LITERAL("hello\r\n")));
    assert_int_equal(seen.envelope.recipient_count, 3); /* both domains of the site in one job */
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void test_each_recipient_has_its_own_end(void **state)
{
    const sluice_status statuses[] = {SLUICE_OK, SLUICE_TEMP, SLUICE_PERM};
    struct fixture f;
    struct seen_job seen;
    char text[128];

    (void)state;
    fixture_start(&f, "minimal_backoff_time = 1;\n");
    (void)commit(&f, "a@x.test b@x.test c@x.test", "smtp");
    expect_job(&f, &seen);
    answer_job(&f, &seen, SITE_REACHED, statuses);

    expect_job(&f, &seen); /* a second later: what remains, alone */
    assert_int_equal(seen.envelope.recipient_count, 1);
    assert_true(span_equal(seen.envelope.recipients[0].address, SPAN_LITERAL("b@x.test")));
    assert_int_equal(seen.envelope.recipients[0].attempts, 1);
    show_recipient(&f, 0, text, sizeof(text));
    assert_string_equal(text, "delivered 1 taken");
    show_recipient(&f, 2, text, sizeof(text));
    assert_string_equal(text, "failed 1 not now");
    answer_job(&f, &seen, SITE_REACHED, all_good);

    peer_expect_none(&f.deliver, MESSAGE_JOB); /* the one that failed stays, and is not retried */
    assert_int_equal(count_messages(&f), 1);
    frame_free(peer_expect(&f.deliver, MESSAGE_REPORT)); /* until its report is there */
    peer_close(&f.deliver);
    fixture_stop(&f);
}

static void test_a_deferred_transport_waits_for_its_release(void **state)
{
    const sluice_status later[] = {SLUICE_TEMP};
    struct fixture f;
    struct seen_job seen;
    char text[128];
    bool is_postponed;

    (void)state;
    fixture_start(&f, "etrn_minimum_interval = 0;\n");
    (void)commit(&f, "a@customer.test b@other.test", "etrn-only");
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    show_recipient(&f, 0, text, sizeof(text));
    assert_string_equal(text, "waiting 0 deferred transport");

    assert_int_equal(release(&f, "nobody.test", &is_postponed), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(release(&f, "customer.test", &is_postponed), 1);
        expect_job(&f, &seen);
        assert_true(seen.job.is_released);
        assert_int_equal(seen.envelope.recipient_count, 1);
        assert_true(
            span_equal(seen.envelope.recipients[0].address, SPAN_LITERAL("a@customer.test")));
        answer_job(&f, &seen, SITE_FAILED, i == 0 ? later : all_good);
        peer_expect_none(&f.deliver, MESSAGE_JOB);
    }
    assert_int_equal(release(&f, "", &is_postponed), 1);
    expect_job(&f, &seen);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void test_early_releases_are_postponed(void **state)
{
    struct fixture f;
    struct seen_job seen;
    bool is_postponed;

    (void)state;
    fixture_start(&f, "etrn_minimum_interval = 1;\n");
    for (int i = 0; i < 2; i++) {
        (void)commit(&f, "a@customer.test", "etrn-only");
        assert_int_equal(release(&f, "customer.test", &is_postponed), 1);
        assert_int_equal(is_postponed, i == 1);
        expect_job(&f, &seen);
        answer_job(&f, &seen, SITE_REACHED, all_good);
        wait_until_empty(&f);
    }
    fixture_stop(&f);
}

static void test_a_deliver_that_goes_gives_its_jobs_back(void **state)
{
    struct fixture f;
    struct seen_job seen;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &seen);
    job_done(&seen);
    end_deliver(&f, NULL);
    add_deliver(&f);
    expect_job(&f, &seen);
    assert_int_equal(seen.envelope.recipients[0].attempts, 0); /* that was none */
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void expect_isolate(struct fixture *f, bool is_wanted)
{
    struct frame *frame = peer_expect(&f->master, MESSAGE_ISOLATE);
    struct message_isolate isolate;

    assert_int_equal(message_isolate_decode(frame_body(frame), &isolate), SLUICE_OK);
    assert_int_equal(isolate.is_wanted, is_wanted);
    frame_free(frame);
}

static void expect_job_for(struct fixture *f, uint64_t id, struct seen_job *seen)
{
    expect_job(f, seen);
    assert_true(seen->job.message_id == id);
}

/* Three messages under way in a process that crashes on the second, as its last words say. */
static uint64_t crash_with_three(struct fixture *f, char name[ID_TEXT_SIZE])
{
    uint64_t first = commit(f, "a@x.test", "smtp");
    struct seen_job seen;

    (void)commit(f, "b@x.test", "smtp");
    (void)commit(f, "c@x.test", "smtp");
    for (int i = 0; i < 3; i++) {
        expect_job(f, &seen);
        job_done(&seen);
    }
    end_deliver(f, id_format(first + 1, name));
    return first;
}

static void test_a_crash_makes_suspects(void **state)
{
    char name[ID_TEXT_SIZE];
    char text[128];
    struct fixture f;
    struct seen_job seen;

    (void)state;
    fixture_start(&f, "");
    uint64_t first = crash_with_three(&f, name);
    expect_isolate(&f, true);
    add_deliver(&f);
    peer_expect_none(&f.deliver, MESSAGE_JOB); /* ordinary processes have nothing to do with it */
    end_deliver(&f, NULL);
    add_deliver_link(&f, true);

    expect_job_for(&f, first, &seen);
    peer_expect_none(&f.deliver, MESSAGE_JOB); /* one at a time at first */
    answer_job(&f, &seen, SITE_REACHED, all_good);
    expect_job_for(&f, first + 2, &seen);
    peer_expect_none(&f.deliver, MESSAGE_JOB); /* not with who was named */
    answer_job(&f, &seen, SITE_REACHED, all_good);
    expect_job_for(&f, first + 1, &seen);
    job_done(&seen);
    end_deliver(&f, "");
    add_deliver_link(&f, true);
    expect_job_for(&f, first + 1, &seen);
    job_done(&seen);
    end_deliver(&f, name);

    wait_for_messages(&f, 1);
    add_deliver_link(&f, true);
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    show_recipient(&f, 0, text, sizeof(text));
    assert_string_equal(text,
                        "waiting 0 held after 3 crashes of deliver, plugin transport/test bad");
    fixture_stop(&f);
}

static void test_who_was_only_near_is_cleared(void **state)
{
    char name[ID_TEXT_SIZE];
    struct fixture f;
    struct seen_job seen;

    (void)state;
    fixture_start(&f, "minimal_backoff_time = 1;\nmaximal_backoff_time = 1;\n");
    uint64_t first = crash_with_three(&f, name);
    add_deliver_link(&f, true);
    expect_job_for(&f, first, &seen);
    answer_job(&f, &seen, SITE_REACHED, later_alone); /* an attempt that ended, in whatever way */
    expect_job_for(&f, first + 2, &seen);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    expect_job_for(&f, first + 1, &seen);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    end_deliver(&f, NULL);
    add_deliver(&f);
    expect_job_for(&f, first, &seen); /* by the ordinary way again */
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void send_large(const char *store)
{
    struct fixture f;
    struct seen_job seen;
    char bytes[4096];
    size_t size = 0;

    fixture_start_on(&f, store, "");
    uint64_t id = f.next_id++;
    assert_int_equal(channel_send_body(f.receive.channel, MESSAGE_STAGE, id, SPAN_EMPTY),
                     SLUICE_OK);
    struct frame *staged = peer_expect(&f.receive, MESSAGE_STAGED);
    assert_true(staged->ref == id && staged->fd != -1);
    memset(bytes, 'x', sizeof(bytes));
    for (; size < 200 * 1024; size += sizeof(bytes))
        assert_int_equal(write(staged->fd, bytes, sizeof(bytes)), sizeof(bytes));
    send_commit(&f, id, "a@x.test", "smtp", "", staged->fd, size);
    frame_free(staged);
    assert_int_equal(expect_committed(&f, id), SLUICE_OK);

    expect_job(&f, &seen);
    assert_int_equal(seen.job.content.len, 0);
    assert_true(seen.frame->fd != -1);
    assert_int_equal(lseek(seen.frame->fd, 0, SEEK_END), size);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void test_large_content_travels_as_a_file(void **state)
{
    (void)state;
    send_large("memory");
}

/* Zeros, and that byte behind them. */
static int memory_file(size_t size, char last)
{
    char *bytes = calloc(1, size);
    int fd;

    assert_non_null(bytes);
    bytes[size - 1] = last;
    assert_int_equal(sealed_write("content", (struct sluice_span){.ptr = bytes, .len = size}, &fd),
                     SLUICE_OK);
    free(bytes);
    return fd;
}

static void expect_memory_file(struct fixture *f, size_t size, char last)
{
    struct sluice_span mapped;
    struct seen_job seen;

    expect_job(f, &seen);
    assert_int_equal(seen.job.content.len, 0);
    assert_int_equal(sealed_map(seen.frame->fd, &mapped), SLUICE_OK);
    assert_int_equal(mapped.len, size);
    assert_int_equal(mapped.ptr[size - 1], last);
    sealed_unmap(mapped);
    answer_job(f, &seen, SITE_REACHED, all_good);
}

/* As it came, or, after it has waited, as the store gives it back. */
static void test_content_in_memory_files(void **state)
{
    static const size_t sizes[] = {1, CONTENT_INLINE_MAX + 1, CONTENT_MEMORY_MAX};
    struct fixture f;
    bool is_postponed;

    (void)state;
    fixture_start(&f, "etrn_minimum_interval = 0;\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int fd = memory_file(sizes[i], (char)('a' + i));
        send_commit(&f, f.next_id, "a@x.test", "smtp", "", fd, sizes[i]);
        assert_int_equal(expect_committed(&f, f.next_id++), SLUICE_OK);
        expect_memory_file(&f, sizes[i], (char)('a' + i));
        wait_until_empty(&f);
        if (sizes[i] > CONTENT_INLINE_MAX) {
            send_commit(&f, f.next_id, "a@x.test", "etrn-only", "", fd, sizes[i]);
            assert_int_equal(expect_committed(&f, f.next_id++), SLUICE_OK);
            assert_int_equal(release(&f, "x.test", &is_postponed), 1);
            expect_memory_file(&f, sizes[i], (char)('a' + i));
            wait_until_empty(&f);
        }
        (void)close(fd);
    }
    fixture_stop(&f);
}

/* The queue stages a file of its own, and makes another one for deliver. */
static void test_large_content_in_a_store_without_files(void **state)
{
    (void)state;
    send_large("plain");
}

/* New mail is refused for now; a result is kept, tried until it is recorded, and not repeated. */
static void test_a_store_that_fails(void **state)
{
    const sluice_status statuses[] = {SLUICE_OK, SLUICE_TEMP};
    struct fixture f;
    struct seen_job seen;
    char text[128];

    (void)state;
    fixture_start_on(&f, "plain", "minimal_backoff_time = 1;\n");
    (void)commit(&f, "a@x.test b@x.test", "smtp");
    expect_job(&f, &seen);
    fixture_set_file(&f, "fail", true);
    answer_job(&f, &seen, SITE_REACHED, statuses);
    uint64_t id = f.next_id++;
    send_commit(&f, id, "a@x.test", "smtp", "hello\r\n", -1, 7);
    assert_int_equal(expect_committed(&f, id), SLUICE_TEMP);
    assert_int_equal(count_messages(&f), 1);

    expect_job(&f, &seen); /* the retry knows what was not recorded */
    assert_int_equal(seen.envelope.recipient_count, 1);
    assert_int_equal(seen.envelope.recipients[0].attempts, 1);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    assert_int_equal(count_messages(&f), 1); /* done with, but the store does not know */
    show_recipient(&f, 0, text, sizeof(text));
    assert_string_equal(text, " 0 "); /* and so it is not listed */

    fixture_set_file(&f, "fail", false);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* Either it was in time and there is no message, or it was too late and there is one. */
static void test_a_withdrawal_has_one_answer(void **state)
{
    struct fixture f;
    long long kept = 0;

    (void)state;
    fixture_start(&f, "");
    for (int i = 0; i < 20; i++) {
        uint64_t id = f.next_id++;

        send_commit(&f, id, "a@x.test", "etrn-only", "hello\r\n", -1, 7);
        assert_int_equal(channel_send_body(f.receive.channel, MESSAGE_WITHDRAW, id, SPAN_EMPTY),
                         SLUICE_OK);
        kept += expect_committed(&f, id) == SLUICE_OK;
    }
    peer_expect_none(&f.receive, MESSAGE_COMMITTED);
    assert_int_equal(count_messages(&f), kept);
    fixture_stop(&f);
}

/* What is withdrawn while results are tried again is one of those that came meanwhile, and the others
 * are still taken. */
static void test_a_withdrawal_beside_results_that_failed(void **state)
{
    const sluice_status later[] = {SLUICE_TEMP};
    struct fixture f;
    struct seen_job seen;

    (void)state;
    fixture_start_on(&f, "slow", "");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &seen);
    fixture_set_file(&f, "fail", true);
    fixture_set_file(&f, "hold", true);
    answer_job(&f, &seen, SITE_REACHED, later);
    fixture_wait_for_file(&f, "held", true); /* the result is with the store */
    uint64_t first = f.next_id++;
    uint64_t second = f.next_id++;
    send_commit(&f, first, "a@x.test", "etrn-only", "hello\r\n", -1, 7);
    send_commit(&f, second, "a@x.test", "etrn-only", "hello\r\n", -1, 7);
    wait_for_messages(&f, 3);
    fixture_set_file(&f, "go", true); /* it fails, and is with the store again */
    fixture_wait_for_file(&f, "go", false);
    fixture_wait_for_file(&f, "held", true);
    assert_int_equal(channel_send_body(f.receive.channel, MESSAGE_WITHDRAW, first, SPAN_EMPTY),
                     SLUICE_OK);
    assert_int_equal(expect_committed(&f, first), SLUICE_TEMP);
    fixture_set_file(&f, "fail", false);
    fixture_set_file(&f, "hold", false);
    assert_int_equal(expect_committed(&f, second), SLUICE_OK);
    assert_int_equal(count_messages(&f), 2);
    fixture_stop(&f);
}

/* What the queue process says on standard error goes to a file meanwhile. */
static void wait_for_words(const char *path, const char *words)
{
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    char text[16384];
    bool is_there = false;

    while (!is_there && clock_monotonic_ms() < deadline_ms) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t len = read(fd, text, sizeof(text) - 1);

        (void)close(fd);
        text[len > 0 ? len : 0] = '\0';
        is_there = strstr(text, words) != NULL;
        pump();
    }
    assert_true(is_there);
}

static void test_a_store_that_hangs_is_waited_for(void **state)
{
    char path[] = "/tmp/sluice-words-XXXXXX";
    struct fixture f;

    (void)state;
    int words = mkstemp(path);
    int saved = dup(STDERR_FILENO);
    assert_true(words != -1 && dup2(words, STDERR_FILENO) != -1);
    fixture_start_on(&f, "slow", "");
    (void)dup2(saved, STDERR_FILENO);
    fixture_set_file(&f, "hold", true);
    uint64_t id = f.next_id++;
    send_commit(&f, id, "a@x.test", "etrn-only", "hello\r\n", -1, 7);
    wait_for_words(path, "the queue store has been busy with a batch for ");
    fixture_set_file(&f, "hold", false);
    assert_int_equal(expect_committed(&f, id), SLUICE_OK);
    wait_for_words(path, "the queue store is back");
    fixture_stop(&f);
    (void)close(saved);
    (void)close(words);
    (void)unlink(path);
}

static void let_maintenance_go(void *fixture)
{
    (void)task_sleep_until(clock_monotonic_ms() + MOMENT_MS);
    fixture_set_file(fixture, "keep-maintaining", false);
}

/* The store aborts if it is closed before maintain has returned, or maintained twice at a time. */
static void test_maintenance_beside_commits(void **state)
{
    struct fixture f;

    (void)state;
    fixture_start_on(&f, "aside", "");
    fixture_set_file(&f, "keep-maintaining", true);
    fixture_wait_for_file(&f, "maintaining", true);
    (void)commit(&f, "a@x.test", "etrn-only");
    fixture_wait_for_file(&f, "maintaining", true); /* still */
    assert_int_equal(task_start("let go", let_maintenance_go, &f, NULL), SLUICE_OK);
    fixture_stop(&f);
}

/* What receive must not do: its link is closed, and nothing of it is in the queue. */
static void test_nonsense_from_receive(void **state)
{
    static const struct {
        const char *name;
        int64_t id; /* beyond the next one */
        const char *addresses;
        size_t size;
    } cases[] = {
        {"an id that was not leased", INT32_MAX, "a@x.test", 7},
        {"no recipients", 0, "", 7},
        {"a size that is not the content's", 0, "a@x.test", 8},
    };
    struct fixture f;

    (void)state;
    fixture_start(&f, "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        send_commit(&f, f.next_id + (uint64_t)cases[i].id, cases[i].addresses, "smtp", "hello\r\n",
                    -1, cases[i].size);
        peer_expect_closed(&f.receive);
        peer_close(&f.receive);
        assert_int_equal(count_messages(&f), 0);
        add_receive(&f); /* never with ids that were given out before */
    }
    int fd = memory_file(CONTENT_MEMORY_MAX + 1, 'x'); /* more than credit is for */
    send_commit(&f, f.next_id, "a@x.test", "smtp", "", fd, CONTENT_MEMORY_MAX + 1);
    peer_expect_closed(&f.receive);
    peer_close(&f.receive);
    (void)close(fd);
    add_receive(&f);
    uint64_t id = commit(&f, "a@x.test", "etrn-only");
    send_commit(&f, id, "a@x.test", "smtp", "hello\r\n", -1, 7); /* the same id again */
    peer_expect_closed(&f.receive);
    assert_int_equal(count_messages(&f), 1);
    fixture_stop(&f);
}

static void test_control(void **state)
{
    static const struct {
        const char *request;
        size_t lines;
        const char *status;
    } cases[] = {
        {"{\"command\": \"status\"}", 2, "OK"},
        {"{\"command\": \"queue list\"}", 3, "OK"},
        {"{\"command\": \"queue list\", \"domain\": \"Customer.test\"}", 2, "OK"},
        {"{\"command\": \"queue list\", \"site\": \"etrn-only:[HUB.test]\"}", 3, "OK"},
        {"{\"command\": \"queue list\", \"site\": \"smtp:nowhere\"}", 1, "OK"},
        {"{\"command\": \"queue show\", \"id\": \"0000000000000001\"}", 1, "NOT_FOUND"},
        {"{\"command\": \"queue show\", \"id\": \"../etc/passwd\"}", 1, "NOT_FOUND"},
        {"{\"command\": \"site list\"}", 2, "OK"},
        {"{\"command\": \"site show\", \"name\": \"etrn-only:[hub.test]\"}", 2, "OK"},
        {"{\"command\": \"site show\", \"name\": \"x\"}", 1, "NOT_FOUND"},
        {"{\"command\": \"flush\", \"domain\": \"elsewhere.test\"}", 1, "NOT_FOUND"},
        {"{\"command\": \"flush\", \"domain\": \"listed.test\"}", 2, "OK"},
        {"{\"command\": \"flush\", \"domain\": \"customer.test\"}", 2, "OK"},
        {"{\"command\": \"site release\", \"name\": \"nowhere.test\"}", 1, "NOT_FOUND"},
        {"{\"command\": \"site release\", \"name\": \"Listed.test\"}", 2, "OK"},
        {"{\"command\": \"site release\", \"name\": \"@test\"}", 2, "OK"},
        {"{\"command\": \"site release\", \"name\": \"#etrn-only\"}", 2, "OK"},
        {"{\"command\": \"site release\", \"name\": \"#branches\"}", 2, "OK"},
        {"{\"command\": \"site release\", \"name\": \"#nosuch\"}", 1, "NOT_FOUND"},
        {"{\"command\": \"queue release\", \"id\": \"0000000000000001\"}", 1, "NOT_FOUND"},
        {"{\"command\": \"queue release\", \"id\": \"ALL\"}", 2, "OK"},
        {"{\"command\": \"no such\"}", 1, "UNSUPPORTED"},
        {"{\"command\": 7}", 1, "UNSUPPORTED"},
        {"[]", 1, "PERM"},
        {"what?", 1, "PERM"},
    };
    struct fixture f;

    (void)state;
    fixture_start(&f, "relay_domains = [ \"listed.test\" ];\n"
                      "etrn_queues = ( { name = \"branches\"; domains = [ \"x.test\" ]; } );\n");
    (void)commit(&f, "a@customer.test", "etrn-only");
    (void)commit(&f, "a@other.test", "etrn-only");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *lines = ask(&f, cases[i].request);
        size_t count = json_array_size(lines);

        print_message("%s\n", cases[i].request);
        assert_int_equal(count, cases[i].lines);
        assert_string_equal(member(json_array_get(lines, count - 1), "status"), cases[i].status);
        json_decref(lines);
    }
    fixture_stop(&f);
}

static void test_a_drain_waits_for_results(void **state)
{
    struct fixture f;
    struct seen_job seen;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &seen);
    assert_int_equal(channel_send_body(f.master.channel, MESSAGE_DRAIN, 0, SPAN_EMPTY), SLUICE_OK);
    for (int i = 0; i < 50; i++)
        pump();
    assert_int_equal(waitpid(f.pid, NULL, WNOHANG), 0); /* it is still there */
    answer_job(&f, &seen, SITE_REACHED, all_good);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_goes_through),
        cmocka_unit_test(test_each_recipient_has_its_own_end),
        cmocka_unit_test(test_a_deferred_transport_waits_for_its_release),
        cmocka_unit_test(test_early_releases_are_postponed),
        cmocka_unit_test(test_a_deliver_that_goes_gives_its_jobs_back),
        cmocka_unit_test(test_a_crash_makes_suspects),
        cmocka_unit_test(test_who_was_only_near_is_cleared),
        cmocka_unit_test(test_content_in_memory_files),
        cmocka_unit_test(test_large_content_travels_as_a_file),
        cmocka_unit_test(test_large_content_in_a_store_without_files),
        cmocka_unit_test(test_a_store_that_fails),
        cmocka_unit_test(test_a_withdrawal_has_one_answer),
        cmocka_unit_test(test_a_withdrawal_beside_results_that_failed),
        cmocka_unit_test(test_a_store_that_hangs_is_waited_for),
        cmocka_unit_test(test_maintenance_beside_commits),
        cmocka_unit_test(test_nonsense_from_receive),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_a_drain_waits_for_results),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
