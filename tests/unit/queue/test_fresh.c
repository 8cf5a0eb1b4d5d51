/* SPDX-License-Identifier: ISC */
/*
 * What has just been committed goes without being read back, as far as there is room for it.
 */
#include "fixture.h"

#include "base/sealed.h"
#include "queue/fresh.h"

static const sluice_status all_good[16] = {SLUICE_OK};

static void expect_content(struct fixture *f, const char *content, size_t len)
{
    struct seen_job seen;

    expect_job(f, &seen);
    struct sluice_span got = seen.job.content;
    if (seen.frame->fd != -1)
        assert_int_equal(sealed_map(seen.frame->fd, &got), SLUICE_OK);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.ptr, content, len);
    if (seen.frame->fd != -1)
        sealed_unmap(got);
    answer_job(f, &seen, SITE_REACHED, all_good);
}

/* With a memory file. */
static void commit_file(struct fixture *f, const char *content, size_t len)
{
    int fd;

    assert_int_equal(sealed_write("content", (struct sluice_span){.ptr = content, .len = len}, &fd),
                     SLUICE_OK);
    send_commit(f, f->next_id, "a@x.test", "smtp", "", fd, len);
    assert_int_equal(expect_committed(f, f->next_id++), SLUICE_OK);
    (void)close(fd);
}

static void test_goes_without_being_read(void **state)
{
    struct fixture f;
    bool is_postponed;

    (void)state;
    fixture_start_on(&f, "plain", "minimal_backoff_time = 1;\netrn_minimum_interval = 0;\n");
    fixture_set_file(&f, "mute", true);
    (void)commit(&f, "a@x.test", "smtp");
    expect_content(&f, "hello\r\n", 7);
    wait_until_empty(&f);
    commit_file(&f, "hello\r\n", 7);
    expect_content(&f, "hello\r\n", 7);
    wait_until_empty(&f);

    /* What waits is not kept. */
    (void)commit(&f, "a@x.test", "etrn-only");
    assert_int_equal(release(&f, "x.test", &is_postponed), 1);
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    fixture_set_file(&f, "mute", false);
    expect_content(&f, "hello\r\n", 7);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* More than is kept, before anybody takes it: what comes later is read, unless what is there has been
 * there for long. While the store gives nothing back, as much goes as is kept. */
static void test_more_than_there_is_room_for(void **state)
{
    enum { SIZE = 600000, KEPT = FRESH_BYTES_MAX / SIZE, READ = 20 };
    static char content[SIZE + 1];
    static char last[SIZE + 1];
    struct fixture f;

    (void)state;
    memset(content, 'x', SIZE);
    memset(last, 'y', SIZE);
    fixture_start_on(&f, "plain",
                     "minimal_backoff_time = 1;\ndefault_destination_concurrency_limit = 1000;\n");
    end_deliver(&f, NULL);
    for (int i = 0; i < KEPT + READ; i++)
        commit_file(&f, content, SIZE);
    (void)usleep((FRESH_TIME_MS + 100) * 1000);
    commit_file(&f, last, SIZE);
    fixture_set_file(&f, "mute", true);
    add_deliver(&f);
    for (int i = 0; i < KEPT - 1; i++)
        expect_content(&f, content, SIZE);
    expect_content(&f, last, SIZE);
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    fixture_set_file(&f, "mute", false);
    for (int i = 0; i < READ + 1; i++)
        expect_content(&f, content, SIZE);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* Removed, or the end of the queue, before its first job. */
static void test_never_goes(void **state)
{
    struct fixture f;
    char request[80];

    (void)state;
    fixture_start_on(&f, "plain", "");
    end_deliver(&f, NULL);
    (void)snprintf(request, sizeof(request), "{\"command\": \"queue remove\", \"id\": \"%016llX\"}",
                   (unsigned long long)commit(&f, "a@x.test", "smtp"));
    (void)commit(&f, "b@x.test", "smtp");
    json_decref(ask(&f, request));
    wait_for_messages(&f, 1);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_without_being_read),
        cmocka_unit_test(test_more_than_there_is_room_for),
        cmocka_unit_test(test_never_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
