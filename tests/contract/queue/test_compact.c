/* SPDX-License-Identifier: ISC */
/*
 * Compaction of the store log: what goes through it does not stay on disk, what waits is neither lost
 * nor changed, and what cannot be read stays where it is.
 *
 * Maintenance is called by hand, so that each run is the same. This program defines pread, so that a place
 * of a file can be made unreadable, and fallocate, so that the disk can be small.
 */
#include "scratch.h"
#include "subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SEGMENT_SIZE (64 << 10) /* as set in main */
#define CONTENT_SIZE 2000
#define RECORD_SIZE 200
#define MESSAGES_MAX 12000
#define ROUNDS_MAX 1000 /* of maintain, in a row */

/* What is there, by id. */
struct message {
    bool is_there;
    unsigned char version; /* of the record */
};

static struct message messages[MESSAGES_MAX];
static uint64_t live_bytes;
static char folder[SCRATCH_PATH_MAX];
static uint64_t seed;

static dev_t hole_device;
static ino_t hole_inode;
static off_t hole_begin;
static off_t hole_end;

ssize_t pread64(int, void *, size_t, off_t);

static bool is_in_hole(int fd, off_t at, size_t size)
{
    struct stat info;

    return at < hole_end && at + (off_t)size > hole_begin && fstat(fd, &info) == 0 &&
           info.st_dev == hole_device && info.st_ino == hole_inode;
}

#define DEFINE_PREAD(name)                                                                         \
    __attribute__((visibility("default"))) ssize_t name(int fd, void *data, size_t size, off_t at) \
    {                                                                                              \
        if (is_in_hole(fd, at, size)) {                                                            \
            errno = EIO;                                                                           \
            return -1;                                                                             \
        }                                                                                          \
        return syscall(SYS_pread64, fd, data, size, at);                                           \
    }

DEFINE_PREAD(pread)
DEFINE_PREAD(pread64)

static uint64_t disk_size; /* 0: as it is */
static uint64_t allocated_bytes;

/* What is smaller was not allocated. */
static int add_allocated(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (type == FTW_F && info->st_size >= SEGMENT_SIZE)
        allocated_bytes += (uint64_t)info->st_size;
    return 0;
}

static bool has_space(off_t size)
{
    allocated_bytes = 0;
    return disk_size == 0 || (nftw(folder, add_allocated, 4, FTW_PHYS) == 0 &&
                              allocated_bytes + (uint64_t)size <= disk_size);
}

int fallocate64(int, int, off_t, off_t);

#define DEFINE_FALLOCATE(name)                                                                     \
    __attribute__((visibility("default"))) int name(int fd, int mode, off_t at, off_t size)        \
    {                                                                                              \
        if (!has_space(size)) {                                                                    \
            errno = ENOSPC;                                                                        \
            return -1;                                                                             \
        }                                                                                          \
        return (int)syscall(SYS_fallocate, fd, mode, at, size);                                    \
    }

DEFINE_FALLOCATE(fallocate)
DEFINE_FALLOCATE(fallocate64)

/* ---- what a message is ----------------------------------------------------------------------- */

static void fill(char *bytes, size_t size, uint64_t id, unsigned version)
{
    memset(bytes, 'x', size);
    (void)snprintf(bytes, size, "%llu in version %u", (unsigned long long)id, version);
}

static struct sluice_span record_of(uint64_t id)
{
    static char record[RECORD_SIZE];

    fill(record, sizeof(record), id, messages[id].version);
    return (struct sluice_span){record, sizeof(record)};
}

static struct sluice_span content_of(uint64_t id)
{
    static char content[CONTENT_SIZE];

    fill(content, sizeof(content), id, 0);
    return (struct sluice_span){content, sizeof(content)};
}

static void apply_ok(struct sluice_queue *queue, struct change change)
{
    if (subject_apply(queue, &change, 1) != SLUICE_OK)
        fail_msg("apply: %s", explained.text);
}

/* False: it is not taken. */
static bool try_put(struct sluice_queue *queue, uint64_t id)
{
    struct change change = change_put(id, 0, record_of(id), content_of(id));

    if (subject_apply(queue, &change, 1) != SLUICE_OK)
        return false;
    messages[id] = (struct message){.is_there = true};
    live_bytes += RECORD_SIZE + CONTENT_SIZE;
    return true;
}

static void put(struct sluice_queue *queue, uint64_t id)
{
    if (!try_put(queue, id))
        fail_msg("put: %s", explained.text);
}

static void update(struct sluice_queue *queue, uint64_t id)
{
    messages[id].version++;
    apply_ok(queue, change_update(id, messages[id].version, record_of(id)));
}

static void take_away(struct sluice_queue *queue, uint64_t id)
{
    messages[id].is_there = false;
    apply_ok(queue, change_remove(id));
    live_bytes -= RECORD_SIZE + CONTENT_SIZE;
}

/* The status of reading it; what is given must be right. */
static sluice_status look(struct sluice_queue *queue, uint64_t id)
{
    struct found found;
    sluice_status st = subject_read(queue, id, &found);

    if (st == SLUICE_OK) {
        assert_int_equal(found.flags, messages[id].version);
        assert_int_equal(found.record_size, RECORD_SIZE);
        assert_memory_equal(found.record, record_of(id).ptr, RECORD_SIZE);
        assert_int_equal(found.content_read, CONTENT_SIZE);
        assert_memory_equal(found.content, content_of(id).ptr, CONTENT_SIZE);
    }
    found_done(&found);
    return st;
}

static void check(struct sluice_queue *queue)
{
    for (uint64_t id = 1; id < MESSAGES_MAX; id++)
        assert_int_equal(look(queue, id), messages[id].is_there ? SLUICE_OK : SLUICE_NOT_FOUND);
}

static uint64_t choose(uint64_t limit)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % limit;
}

/* ---- the store ------------------------------------------------------------------------------- */

static struct sluice_queue *open_ok(void)
{
    struct sluice_queue *queue = NULL;

    if (subject_open(folder, &queue) != SLUICE_OK || explained.count > 0)
        fail_msg("open: %s", explained.text);
    return queue;
}

/* Until there is nothing to do. What fails is tried again, or left alone. */
static void maintain(struct sluice_queue *queue)
{
    int rounds = 0;

    while (subject_maintain(queue, 0) != SLUICE_NOT_FOUND)
        assert_true(++rounds < ROUNDS_MAX);
}

static uint64_t segment_bytes;

static int add_segment(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)type;
    (void)ftw;
    if (strstr(path, ".seg") != NULL)
        segment_bytes += (uint64_t)info->st_size;
    return 0;
}

/* Of all segments, with the one that is ready. */
static uint64_t used_bytes(void)
{
    segment_bytes = 0;
    assert_int_equal(nftw(folder, add_segment, 4, FTW_PHYS), 0);
    return segment_bytes;
}

static void assert_bounded(void)
{
    /* The segment that is written, the one that is ready, and two that are not worth it. */
    uint64_t bound = live_bytes * 13 / 10 + 4 * SEGMENT_SIZE;

    if (used_bytes() > bound)
        fail_msg("%llu bytes on disk for %llu", (unsigned long long)used_bytes(),
                 (unsigned long long)live_bytes);
}

static int setup(void **state)
{
    (void)state;
    memset(messages, 0, sizeof(messages));
    live_bytes = 0;
    seed = 1;
    scratch_make(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hole_begin = hole_end = 0;
    disk_size = 0;
    scratch_remove(folder);
    return 0;
}

static struct sluice_queue *reopen(struct sluice_queue *queue)
{
    subject_close(queue);
    return open_ok();
}

/* ---- small disks ----------------------------------------------------------------------------- */

#define DISK_SEGMENTS 3 /* two of which are kept back */

/* There are never two segments' worth of waste; but without the results' reserve no mail is taken. */
static void test_full_disk_of_few_segments(void **state)
{
    struct sluice_queue *queue;
    uint64_t count = 1;

    (void)state;
    disk_size = DISK_SEGMENTS * SEGMENT_SIZE;
    queue = open_ok();
    while (try_put(queue, count))
        count++;
    assert_true(count > 1);
    for (uint64_t id = 1; id < count; id++)
        update(queue, id); /* in the reserve */
    for (uint64_t id = 2; id < count; id++)
        take_away(queue, id);
    maintain(queue);
    put(queue, count);
    check(queue);
    queue = reopen(queue);
    check(queue);
    subject_close(queue);
}

/* ---- what goes through ----------------------------------------------------------------------- */

#define DOMAINS 40
#define STANDING 2000 /* messages that wait at a time */

/* Mail for sites that are not there: each comes now and then, and takes all that waits for it. */
static void test_a_day_of_sites_that_come_and_go(void **state)
{
    static uint64_t waiting[DOMAINS][MESSAGES_MAX];
    static size_t counts[DOMAINS];
    struct sluice_queue *queue = open_ok();
    size_t standing = 0;

    (void)state;
    memset(counts, 0, sizeof(counts));
    for (uint64_t id = 1; id < MESSAGES_MAX; id++) {
        uint64_t domain = choose(DOMAINS);

        put(queue, id);
        waiting[domain][counts[domain]++] = id;
        standing++;
        while (standing > STANDING) {
            domain = choose(DOMAINS);
            standing -= counts[domain];
            while (counts[domain] > 0)
                take_away(queue, waiting[domain][--counts[domain]]);
        }
        if (id % 10 == 0)
            maintain(queue);
        if (id % 10 == 0 && standing > STANDING / 2)
            assert_bounded();
    }
    check(queue);
    queue = reopen(queue);
    check(queue);
    subject_close(queue);
}

/* A message that waits holds its segment, the removals of what was put there hold theirs, and so on; unless
 * compaction ends that. */
static void test_something_always_waits(void **state)
{
    struct sluice_queue *queue = open_ok();

    (void)state;
    for (uint64_t id = 1; id < MESSAGES_MAX; id++) {
        put(queue, id);
        if (id > 20 && id % 50 != 20)
            take_away(queue, id - 20);
        if (id > 500 && id % 50 == 0)
            take_away(queue, id - 500); /* what has waited for longer */
        maintain(queue);
        assert_bounded();
    }
    queue = reopen(queue);
    check(queue);
    subject_close(queue);
}

/* The record that counts is the last, wherever the content lies. */
static void test_records_that_change(void **state)
{
    struct sluice_queue *queue = open_ok();

    (void)state;
    for (uint64_t id = 1; id < 3000; id++) {
        put(queue, id);
        for (int i = 0; i < 3; i++) {
            uint64_t other = 1 + choose(id);

            if (messages[other].is_there)
                update(queue, other);
        }
        if (id > 300)
            for (uint64_t old = id - 300; old < id - 290; old++) {
                if (messages[old].is_there && choose(3) == 0)
                    take_away(queue, old);
            }
        maintain(queue);
        assert_bounded();
        if (id % 500 == 0)
            queue = reopen(queue);
    }
    check(queue);
    queue = reopen(queue);
    check(queue);
    subject_close(queue);
}

/* ---- what cannot be read --------------------------------------------------------------------- */

static const char *segment_path(unsigned number)
{
    static char path[SCRATCH_PATH_MAX + 16];

    (void)snprintf(path, sizeof(path), "%s/%08x.seg", folder, number);
    return path;
}

/* Some segments, of the first of which every other message has gone. */
static struct sluice_queue *fill_some(void)
{
    struct sluice_queue *queue = open_ok();

    for (uint64_t id = 1; id <= 300; id++)
        put(queue, id);
    for (uint64_t id = 1; id <= 200; id += 2)
        take_away(queue, id);
    return queue;
}

static void make_hole(const char *path, off_t begin, off_t end)
{
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    hole_device = info.st_dev;
    hole_inode = info.st_ino;
    hole_begin = begin;
    hole_end = end;
}

/* Says so once, and lets it be; the others are compacted all the same. */
static void assert_victim_stays(struct sluice_queue *queue)
{
    int reports = 0;

    for (int i = 0; i < ROUNDS_MAX; i++) {
        sluice_status st = subject_maintain(queue, 0);

        if (st == SLUICE_NOT_FOUND)
            break;
        reports += strstr(explained.text, "stays as it is") != NULL;
    }
    assert_int_equal(reports, 1);
    assert_int_equal(access(segment_path(1), F_OK), 0);
    assert_int_equal(access(segment_path(2), F_OK), -1);
}

static void test_victim_that_the_disk_cannot_read(void **state)
{
    struct sluice_queue *queue = fill_some();

    (void)state;
    make_hole(segment_path(1), 20000, 20512);
    assert_victim_stays(queue);
    hole_end = hole_begin = 0;
    check(queue);
    queue = reopen(queue);
    check(queue);
    maintain(queue); /* the disk can read it again */
    assert_int_equal(access(segment_path(1), F_OK), -1);
    check(queue);
    subject_close(queue);
}

static void test_damaged_message_is_kept(void **state)
{
    struct sluice_queue *queue = fill_some();
    struct found found;
    off_t at = 64 + 1 * ((64 + RECORD_SIZE + CONTENT_SIZE) + 64) + 64 + RECORD_SIZE + 100;
    int fd = open(segment_path(1), O_WRONLY);

    (void)state;
    assert_int_equal(pwrite(fd, "damage", 6, at), 6);
    close(fd);
    assert_int_equal(look(queue, 2), SLUICE_TEMP);
    assert_victim_stays(queue);
    subject_close(queue);
    assert_int_equal(subject_open(folder, &queue), SLUICE_OK);
    assert_int_equal(look(queue, 2), SLUICE_TEMP); /* it is there, and cannot be read */
    assert_int_equal(subject_read_record(queue, 2, &found), SLUICE_OK);
    found_done(&found);
    for (uint64_t id = 3; id <= 300; id++)
        assert_int_equal(look(queue, id), messages[id].is_there ? SLUICE_OK : SLUICE_NOT_FOUND);
    subject_close(queue);
}

/* What was copied already is removed, and then the copy's segment goes: the original must not come back. */
static void lose_after(int steps)
{
    struct sluice_queue *queue = fill_some();

    for (int i = 0; i < steps; i++)
        (void)subject_maintain(queue, 0);
    if (access(segment_path(1), F_OK) == 0)
        make_hole(segment_path(1), 0, SEGMENT_SIZE);
    maintain(queue);
    for (uint64_t id = 1; id <= 300; id++) {
        if (messages[id].is_there && id != 26) /* that keeps the victim */
            take_away(queue, id);
    }
    for (uint64_t id = 301; id <= 450; id++) {
        put(queue, id);
        if (id % 3 != 0)
            take_away(queue, id);
        maintain(queue);
    }
    hole_begin = hole_end = 0;
    queue = reopen(queue);
    check(queue);
    subject_close(queue);
}

static void test_victim_that_is_lost_half_way(void **state)
{
    for (int steps = 1; steps < 10; steps++) {
        lose_after(steps);
        (void)teardown(state);
        (void)setup(state);
    }
}

/* ---- large contents -------------------------------------------------------------------------- */

/* A content in a file of its own stays there. */
static void test_large_content(void **state)
{
    struct sluice_queue *queue = open_ok();
    size_t size = (size_t)5 << 20;
    char *bytes = calloc(1, size);
    struct found found;

    (void)state;
    assert_non_null(bytes);
    apply_ok(queue, change_put(MESSAGES_MAX, 3, sluice_span_of("large"),
                               (struct sluice_span){bytes, size}));
    for (uint64_t id = 1; id <= 500; id++) {
        put(queue, id);
        if (id > 10)
            take_away(queue, id - 10);
    }
    maintain(queue);
    assert_int_equal(access(segment_path(1), F_OK), -1);
    queue = reopen(queue);
    assert_int_equal(subject_read(queue, MESSAGES_MAX, &found), SLUICE_OK);
    assert_int_equal(found.flags, 3);
    assert_int_equal(found.content_read, size);
    assert_memory_equal(found.content, bytes, size);
    found_done(&found);
    apply_ok(queue, change_remove(MESSAGES_MAX));
    subject_close(queue);
    free(bytes);
}

int main(int argc, char **argv)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_day_of_sites_that_come_and_go),
        CASE(test_something_always_waits),
        CASE(test_records_that_change),
        CASE(test_victim_that_the_disk_cannot_read),
        CASE(test_damaged_message_is_kept),
        CASE(test_victim_that_is_lost_half_way),
        CASE(test_large_content),
        CASE(test_full_disk_of_few_segments),
    };

    if (argc != 2)
        return EXIT_FAILURE;
    subject_load(argv[1]);
    subject_set("reserve", "64K");
    subject_set("segment_size", "64K");
    return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
