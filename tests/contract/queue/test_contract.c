/* SPDX-License-Identifier: ISC */
/* What every store does, durable or not. */
#include "cases.h"
#include "model.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char folder[SCRATCH_PATH_MAX];
    struct sluice_queue *queue;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    scratch_make(fixture->folder);
    assert_int_equal(subject_open(fixture->folder, &fixture->queue), SLUICE_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    subject_close(fixture->queue);
    scratch_remove(fixture->folder);
    free(fixture);
    return 0;
}

static struct sluice_queue *queue_of(void **state)
{
    return ((struct fixture *)*state)->queue;
}

static struct sluice_span text(const char *bytes)
{
    return sluice_span_of(bytes);
}

static void apply_ok(struct sluice_queue *queue, struct change change)
{
    assert_int_equal(subject_apply(queue, &change, 1), SLUICE_OK);
}

static void assert_message(struct sluice_queue *queue, uint64_t id, uint32_t flags,
                           struct sluice_span record, struct sluice_span content)
{
    struct found found;

    assert_int_equal(subject_read(queue, id, &found), SLUICE_OK);
    assert_int_equal(found.messages, 1);
    assert_int_equal(found.contents, 1);
    assert_true(found.id == id);
    assert_int_equal(found.flags, flags);
    assert_int_equal(found.record_size, record.len);
    assert_int_equal(found.content_size, content.len);
    assert_int_equal(found.content_read, content.len);
    if (record.len > 0)
        assert_memory_equal(found.record, record.ptr, record.len);
    if (content.len > 0)
        assert_true(memcmp(found.content, content.ptr, content.len) == 0);
    found_done(&found);

    assert_int_equal(subject_read_record(queue, id, &found), SLUICE_OK);
    assert_int_equal(found.messages, 1);
    assert_int_equal(found.contents, 0);
    assert_int_equal(found.record_size, record.len);
    assert_int_equal(found.content_size, content.len);
    if (record.len > 0)
        assert_memory_equal(found.record, record.ptr, record.len);
    found_done(&found);
}

static void assert_absent(struct sluice_queue *queue, uint64_t id)
{
    struct found found;

    assert_int_equal(subject_read(queue, id, &found), SLUICE_NOT_FOUND);
    assert_int_equal(found.messages + found.contents, 0);
    found_done(&found);
}

static uint64_t count_of(struct sluice_queue *queue)
{
    struct sluice_queue_space space;

    assert_int_equal(subject_space(queue, &space), SLUICE_OK);
    return space.message_count;
}

static void count_scanned(void *user, const struct found *found)
{
    (void)found;
    (*(size_t *)user)++;
}

static size_t scanned(struct sluice_queue *queue)
{
    size_t count = 0;

    assert_int_equal(subject_scan(queue, count_scanned, &count), SLUICE_OK);
    return count;
}

static void test_empty(void **state)
{
    const struct change nothing = change_remove(1);

    assert_int_equal(scanned(queue_of(state)), 0);
    assert_int_equal(count_of(queue_of(state)), 0);
    assert_absent(queue_of(state), 1);
    assert_int_equal(subject_apply(queue_of(state), &nothing, 0), SLUICE_OK);
}

static void test_life(void **state)
{
    struct sluice_queue *queue = queue_of(state);

    apply_ok(queue, change_put(17, 5, text("record"), text("content")));
    assert_message(queue, 17, 5, text("record"), text("content"));
    assert_int_equal(count_of(queue), 1);
    apply_ok(queue, change_update(17, 6, text("another record")));
    assert_message(queue, 17, 6, text("another record"), text("content"));
    apply_ok(queue, change_update(17, UINT32_MAX, text("")));
    assert_message(queue, 17, UINT32_MAX, text(""), text("content"));
    assert_int_equal(scanned(queue), 1);
    apply_ok(queue, change_remove(17));
    assert_absent(queue, 17);
    assert_int_equal(scanned(queue), 0);
    assert_int_equal(count_of(queue), 0);
}

static void test_whole_life_in_a_batch(void **state)
{
    struct change changes[] = {
        change_put(1, 0, text("a"), text("A")), change_update(1, 2, text("b")),
        change_put(2, 0, text("c"), text("C")), change_remove(2),
        change_update(1, 3, text("d")),
    };

    assert_int_equal(subject_apply(queue_of(state), changes, 5), SLUICE_OK);
    assert_message(queue_of(state), 1, 3, text("d"), text("A"));
    assert_absent(queue_of(state), 2);
}

static void test_host_record(void **state)
{
    struct sluice_queue *queue = queue_of(state);

    apply_ok(queue, change_put(0, 1, text("lease 1000"), text("")));
    apply_ok(queue, change_put(UINT64_MAX, 1, text("last"), text("x")));
    assert_int_equal(count_of(queue), 1); /* without id 0 */
    assert_int_equal(scanned(queue), 2);
    apply_ok(queue, change_update(0, 2, text("lease 2000")));
    assert_message(queue, 0, 2, text("lease 2000"), text(""));
    assert_message(queue, UINT64_MAX, 1, text("last"), text("x"));
}

/* Each is refused with PERM, and what stands before it in the batch is not done either. */
static const struct {
    const char *name;
    int32_t kind;
    uint64_t id;
} bad_changes[] = {
    {"PUT of an id that is there", SLUICE_QUEUE_PUT, 7},
    {"PUT of an id of this batch", SLUICE_QUEUE_PUT, 8},
    {"UPDATE of an id that is not there", SLUICE_QUEUE_UPDATE, 9},
    {"REMOVE of an id that is not there", SLUICE_QUEUE_REMOVE, 9},
    {"UPDATE of an id removed in this batch", SLUICE_QUEUE_UPDATE, 6},
    {"REMOVE of an id removed in this batch", SLUICE_QUEUE_REMOVE, 6},
};

static void test_bad_change(void **state)
{
    struct sluice_queue *queue = queue_of(state);

    apply_ok(queue, change_put(6, 1, text("six"), text("6")));
    apply_ok(queue, change_put(7, 1, text("seven"), text("7")));
    for (size_t i = 0; i < sizeof(bad_changes) / sizeof(bad_changes[0]); i++) {
        struct change changes[] = {
            change_put(8, 0, text("eight"), text("8")),
            change_update(7, 2, text("changed")),
            change_remove(6),
            change_put(bad_changes[i].id, 3, text("bad"), text("bad")),
            change_put(10, 0, text("ten"), text("10")),
        };

        print_message("    %s\n", bad_changes[i].name);
        changes[3].base.kind = bad_changes[i].kind;
        assert_int_equal(subject_apply(queue, changes, 5), SLUICE_PERM);
        assert_int_equal(explained.count, 1);
        assert_message(queue, 6, 1, text("six"), text("6"));
        assert_message(queue, 7, 1, text("seven"), text("7"));
        assert_absent(queue, 8);
        assert_absent(queue, 9);
        assert_absent(queue, 10);
    }
    assert_int_equal(scanned(queue), 2);
}

static struct sluice_span filled(size_t size, uint64_t seed)
{
    char *bytes = malloc(size + 1);

    assert_non_null(bytes);
    model_fill(bytes, size, seed);
    return (struct sluice_span){bytes, size};
}

static void release(struct sluice_span span)
{
    free((char *)(uintptr_t)span.ptr);
}

static int staged_file(struct sluice_queue *queue, uint64_t id, struct sluice_span content)
{
    int fd = -1;

    assert_int_equal(subject_stage(queue, id, &fd), SLUICE_OK);
    assert_int_not_equal(fd, -1);
    for (size_t at = 0; at < content.len;) {
        ssize_t wrote = write(fd, content.ptr + at, content.len - at);

        assert_true(wrote > 0);
        at += (size_t)wrote;
    }
    return fd;
}

static const size_t content_sizes[] = {0,      1,             4096,    65535,         65536,  65537,
                                       200000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 8 << 20};

#define SIZE_COUNT (sizeof(content_sizes) / sizeof(content_sizes[0]))

static void test_content_sizes(void **state)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        struct sluice_span content = filled(content_sizes[i], i);

        apply_ok(queue_of(state), change_put(i + 1, 0, text("r"), content));
        assert_message(queue_of(state), i + 1, 0, text("r"), content);
        apply_ok(queue_of(state), change_update(i + 1, 1, text("another")));
        assert_message(queue_of(state), i + 1, 1, text("another"), content);
        release(content);
    }
}

static void test_staged_sizes(void **state)
{
    struct sluice_queue *queue = queue_of(state);

    if (!subject_can_stage())
        skip();
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        struct sluice_span content = filled(content_sizes[i], i);
        struct change change = change_put(i + 1, 0, text("r"), text(""));

        change.base.content_fd = staged_file(queue, i + 1, content);
        apply_ok(queue, change);
        close(change.base.content_fd);
        assert_message(queue, i + 1, 0, text("r"), content);
        release(content);
    }
    for (size_t i = 0; i < SIZE_COUNT; i++)
        apply_ok(queue, change_remove(i + 1));
    assert_int_equal(scanned(queue), 0);
}

static void note_size(void *user, const struct found *found)
{
    *(uint64_t *)user = found->content_size;
}

/* Whoever fills the file is not trusted: it is as long as it says, or not taken. */
static void test_staged_terabyte(void **state)
{
    const off_t size = (off_t)1 << 40;
    struct change change = change_put(1, 0, text("r"), text(""));
    uint64_t found = 0;
    sluice_status st;

    if (!subject_can_stage())
        skip();
    change.base.content_fd = staged_file(queue_of(state), 1, text(""));
    if (ftruncate(change.base.content_fd, size) == -1)
        skip(); /* not on this file system */
    st = subject_apply(queue_of(state), &change, 1);
    close(change.base.content_fd);
    if (st != SLUICE_OK)
        assert_int_equal(explained.count, 1);
    assert_int_equal(subject_scan(queue_of(state), note_size, &found), SLUICE_OK);
    assert_true(found == (st == SLUICE_OK ? (uint64_t)size : 0));
    apply_ok(queue_of(state), change_put(2, 0, text("r"), text("content")));
}

/* A staged file that never comes, and one whose batch is refused and comes again in a better one. */
static void test_stage_abandoned(void **state)
{
    struct sluice_queue *queue = queue_of(state);
    struct change changes[] = {change_put(2, 0, text("r"), text("")), change_remove(3)};

    if (!subject_can_stage())
        skip();
    close(staged_file(queue, 1, text("nobody wants this")));
    assert_absent(queue, 1);
    changes[0].base.content_fd = staged_file(queue, 2, text("at the second try"));
    assert_int_equal(subject_apply(queue, changes, 2), SLUICE_PERM);
    assert_absent(queue, 2);
    assert_int_equal(subject_apply(queue, changes, 1), SLUICE_OK);
    close(changes[0].base.content_fd);
    assert_message(queue, 2, 0, text("r"), text("at the second try"));
}

static void test_record_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 8, 4096, 65536, 200 << 10};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sluice_span record = filled(sizes[i], i + 50);

        apply_ok(queue_of(state), change_put(i, 0, record, text("c")));
        assert_message(queue_of(state), i, 0, record, text("c"));
        apply_ok(queue_of(state), change_update(i, 1, text("short")));
        apply_ok(queue_of(state), change_update(i, 2, record));
        assert_message(queue_of(state), i, 2, record, text("c"));
        release(record);
    }
}

static void test_big_batch(void **state)
{
    enum { COUNT = 5000 };
    struct sluice_span content = filled(300, 1);
    struct change *changes = calloc(COUNT, sizeof(*changes));

    assert_non_null(changes);
    for (size_t i = 0; i < COUNT; i++)
        changes[i] = change_put(model_id(i + 1), (uint32_t)i, text("record"), content);
    assert_int_equal(subject_apply(queue_of(state), changes, COUNT), SLUICE_OK);
    assert_int_equal(count_of(queue_of(state)), COUNT);
    assert_message(queue_of(state), model_id(COUNT), COUNT - 1, text("record"), content);
    for (size_t i = 0; i < COUNT; i++)
        changes[i] = change_remove(model_id(i + 1));
    assert_int_equal(subject_apply(queue_of(state), changes, COUNT), SLUICE_OK);
    assert_int_equal(scanned(queue_of(state)), 0);
    free(changes);
    release(content);
}

static void test_random_operations(void **state)
{
    struct model model = {0};

    for (size_t k = 0; k < 150; k++) {
        struct model_batch batch;

        model_make(&model, 4711, k, &batch);
        assert_int_equal(model_send(&batch, queue_of(state)), SLUICE_OK);
        model_accept(&model, &batch);
    }
    assert_null(model_compare(&model, queue_of(state)));
    model_done(&model);
}

/* ---- readers at the same time --------------------------------------------------------------- */

#define READERS 3
#define READ_IDS 8

struct readers {
    struct sluice_queue *queue;
    atomic_bool is_over;
    atomic_int wrong;
};

/* Record and content both say the id; flags count up and never go back. */
static void read_once(struct readers *readers, uint64_t id, uint32_t *last_flags)
{
    struct found found;
    sluice_status st = subject_read(readers->queue, id, &found);

    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND)
        atomic_fetch_add(&readers->wrong, 1);
    if (st == SLUICE_OK &&
        (found.flags < *last_flags || found.record_size != 8 || found.contents != 1 ||
         memcmp(found.record, &id, 8) != 0 || memcmp(found.content, &id, 8) != 0))
        atomic_fetch_add(&readers->wrong, 1);
    if (st == SLUICE_OK)
        *last_flags = found.flags;
    found_done(&found);
}

static void *reader(void *argument)
{
    struct readers *readers = argument;
    uint32_t last_flags[READ_IDS] = {0};
    struct sluice_queue_space space;

    while (!atomic_load(&readers->is_over)) {
        for (uint64_t id = 0; id < READ_IDS; id++)
            read_once(readers, id + 1, &last_flags[id]);
        if (subject_space(readers->queue, &space) != SLUICE_OK)
            atomic_fetch_add(&readers->wrong, 1);
    }
    return NULL;
}

static void write_for_readers(struct sluice_queue *queue)
{
    static char big[70000];

    for (uint64_t id = 1; id <= READ_IDS; id++) {
        struct sluice_span name = {(const char *)&id, sizeof(id)};
        struct sluice_span content = {big, id % 2 == 0 ? sizeof(big) : 1000};

        memcpy(big, &id, sizeof(id));
        apply_ok(queue, change_put(id, 1, name, content));
    }
    for (uint32_t round = 2; round < 30; round++) {
        for (uint64_t id = 1; id <= READ_IDS; id++)
            apply_ok(queue, change_update(id, round, (struct sluice_span){(const char *)&id, 8}));
    }
    for (uint64_t id = 1; id <= READ_IDS; id++)
        apply_ok(queue, change_remove(id));
}

static void test_readers(void **state)
{
    struct readers readers = {.queue = queue_of(state)};
    pthread_t threads[READERS];

    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &readers), 0);
    write_for_readers(readers.queue);
    atomic_store(&readers.is_over, true);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&readers.wrong), 0);
}

static void test_close_null(void **state)
{
    (void)state;
    subject_close(NULL);
}

int run_contract_cases(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_empty),
        CASE(test_life),
        CASE(test_whole_life_in_a_batch),
        CASE(test_host_record),
        CASE(test_bad_change),
        CASE(test_content_sizes),
        CASE(test_staged_sizes),
        CASE(test_staged_terabyte),
        CASE(test_stage_abandoned),
        CASE(test_record_sizes),
        CASE(test_big_batch),
        CASE(test_random_operations),
        CASE(test_readers),
        cmocka_unit_test(test_close_null),
    };

    return cmocka_run_group_tests_name("contract", tests, NULL, NULL);
}
