/* SPDX-License-Identifier: ISC */
/*
 * What the store log makes of damage: it keeps what can be read, reports what cannot, and cuts
 * nothing off. Bytes of its segments are changed while it is closed; doc/log-store.md says which.
 *
 *   contract-queue-log-salvage LOG.so
 *
 * The program's own pread() is what the plugin calls: a part of the disk that cannot be read.
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
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#define MESSAGES 20
#define CONTENT_SIZE 1000
#define HEADER_SIZE 64
/* PUT: header, record of 8 bytes, content; and the COMMIT after it. */
#define BATCH_SIZE (64 + 8 + CONTENT_SIZE + 64)

static char folder[SCRATCH_PATH_MAX];
static char segment[SCRATCH_PATH_MAX + 16];

/* Reads that touch these bytes of a file fail. */
static off_t hole_begin;
static off_t hole_end;

ssize_t pread64(int, void *, size_t, off_t);

#define DEFINE_PREAD(name)                                                                         \
    __attribute__((visibility("default"))) ssize_t name(int fd, void *data, size_t size, off_t at) \
    {                                                                                              \
        if (at < hole_end && at + (off_t)size > hole_begin) {                                      \
            errno = EIO;                                                                           \
            return -1;                                                                             \
        }                                                                                          \
        return syscall(SYS_pread64, fd, data, size, at);                                           \
    }

DEFINE_PREAD(pread)
DEFINE_PREAD(pread64)

static struct sluice_queue *open_ok(void)
{
    struct sluice_queue *queue = NULL;

    assert_int_equal(subject_open(folder, &queue), SLUICE_OK);
    return queue;
}

static struct sluice_span record_of(const char *text)
{
    return (struct sluice_span){text, 8};
}

static void apply_ok(struct sluice_queue *queue, struct change change)
{
    assert_int_equal(subject_apply(queue, &change, 1), SLUICE_OK);
}

/* Messages 1 to MESSAGES, each in a batch of its own, all in the first segment. */
static int setup(void **state)
{
    static const char content[CONTENT_SIZE] = "content";
    struct sluice_queue *queue;

    (void)state;
    scratch_make(folder);
    (void)snprintf(segment, sizeof(segment), "%s/00000001.seg", folder);
    queue = open_ok();
    for (uint64_t id = 1; id <= MESSAGES; id++)
        apply_ok(queue, change_put(id, 0, record_of("record 1"),
                                   (struct sluice_span){content, CONTENT_SIZE}));
    subject_close(queue);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static off_t batch_of(uint64_t id)
{
    return (off_t)(HEADER_SIZE + (id - 1) * BATCH_SIZE);
}

static void overwrite(off_t offset, int byte, size_t size)
{
    char *bytes = malloc(size);
    int fd = open(segment, O_RDWR);

    assert_non_null(bytes);
    assert_int_not_equal(fd, -1);
    memset(bytes, byte, size);
    assert_int_equal(pwrite(fd, bytes, size, offset), size);
    close(fd);
    free(bytes);
}

static sluice_status status_of(struct sluice_queue *queue, uint64_t id)
{
    struct found found;
    sluice_status st = subject_read(queue, id, &found);

    if (st == SLUICE_OK)
        assert_memory_equal(found.content, "content", 7);
    found_done(&found);
    return st;
}

/* Opens the store, twice: the second time it must look the same. */
static void assert_state(bool is_reported, uint64_t first, uint64_t last, sluice_status wanted)
{
    for (int round = 0; round < 2; round++) {
        struct sluice_queue *queue = open_ok();

        assert_int_equal(explained.count > 0, is_reported);
        for (uint64_t id = 1; id <= MESSAGES; id++)
            assert_int_equal(status_of(queue, id), id >= first && id <= last ? wanted : SLUICE_OK);
        apply_ok(queue, change_put(100 + (uint64_t)round, 0, record_of("record 1"),
                                   sluice_span_of("content")));
        subject_close(queue);
    }
}

static void test_content(void **state)
{
    (void)state;
    overwrite(batch_of(5) + 64 + 8 + 500, 'x', 1);
    assert_state(true, 5, 5, SLUICE_TEMP);
}

static void test_frame_header(void **state)
{
    (void)state;
    overwrite(batch_of(5) + 20, 'x', 1);
    assert_state(true, 5, 5, SLUICE_NOT_FOUND);
}

static void test_sectors(void **state)
{
    (void)state;
    overwrite(batch_of(5), 0, 3 * BATCH_SIZE);
    assert_state(true, 5, 7, SLUICE_NOT_FOUND);
}

static void test_segment_header(void **state)
{
    (void)state;
    overwrite(0, 0, HEADER_SIZE);
    assert_state(true, 1, 0, SLUICE_OK);
}

/* What the disk cannot read is no torn write: it is said. */
static void test_unreadable_sector(void **state)
{
    (void)state;
    hole_begin = batch_of(MESSAGES) / 4096 * 4096;
    hole_end = hole_begin + 4096;
    subject_close(open_ok());
    hole_end = 0;
    assert_true(explained.count > 0);
}

/* It cannot be told from a batch that was never acknowledged. */
static void test_tail(void **state)
{
    (void)state;
    overwrite(batch_of(MESSAGES) + 64 + 8 + 500, 'x', 1);
    assert_state(false, MESSAGES, MESSAGES, SLUICE_NOT_FOUND);
}

/* A batch of two messages and a removal; of its end nothing has reached the disk. */
static void test_torn_batch(void **state)
{
    struct change changes[] = {
        change_put(31, 0, record_of("record 1"), sluice_span_of("content")),
        change_put(32, 0, record_of("record 1"), sluice_span_of("content")),
        change_remove(3),
    };
    const off_t begin = batch_of(MESSAGES + 1);
    const off_t frames[] = {0, 80, 160, 224, 288}; /* three frames, COMMIT, the end */

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct sluice_queue *queue = open_ok();

        assert_int_equal(subject_apply(queue, changes, 3), SLUICE_OK);
        subject_close(queue);
        overwrite(begin + frames[i], 0, (size_t)(frames[4] - frames[i]));
        queue = open_ok();
        assert_int_equal(explained.count, 0);
        assert_int_equal(status_of(queue, 3), SLUICE_OK);
        assert_int_equal(status_of(queue, 31), SLUICE_NOT_FOUND);
        assert_int_equal(status_of(queue, 32), SLUICE_NOT_FOUND);
        subject_close(queue);
        overwrite(begin, 0, (size_t)frames[4]);
    }
}

static void test_update(void **state)
{
    struct sluice_queue *queue = open_ok();
    struct found found;

    (void)state;
    apply_ok(queue, change_update(3, 2, record_of("record 2")));
    apply_ok(queue, change_update(4, 2, record_of("record 2")));
    subject_close(queue);
    overwrite(batch_of(MESSAGES + 1) + 64, 'x', 1);
    queue = open_ok();
    assert_true(explained.count > 0);
    assert_int_equal(subject_read(queue, 3, &found), SLUICE_OK);
    assert_memory_equal(found.record, "record 1", 8);
    found_done(&found);
    assert_int_equal(subject_read(queue, 4, &found), SLUICE_OK);
    assert_memory_equal(found.record, "record 2", 8);
    found_done(&found);
    subject_close(queue);
}

/* What is damaged stays for whoever looks into it, also when all messages are gone. */
static void test_evidence(void **state)
{
    struct sluice_queue *queue;
    struct stat info;

    (void)state;
    overwrite(batch_of(5), 0, BATCH_SIZE);
    queue = open_ok();
    for (uint64_t id = 1; id <= MESSAGES; id++) {
        if (id != 5)
            apply_ok(queue, change_remove(id));
    }
    subject_close(queue);
    subject_close(open_ok());
    assert_int_equal(stat(segment, &info), 0);
}

static bool has_large(const char *name)
{
    char path[SCRATCH_PATH_MAX + 64];

    (void)snprintf(path, sizeof(path), "%s/large/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* A content of no message is what a crash left; in a damaged store nobody can know. */
static void test_orphan(void **state)
{
    char path[SCRATCH_PATH_MAX + 64];
    int fd;

    (void)state;
    for (int is_damaged = 0; is_damaged < 2; is_damaged++) {
        (void)snprintf(path, sizeof(path), "%s/large/00000000000000AA", folder);
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_int_not_equal(fd, -1);
        close(fd);
        if (is_damaged)
            overwrite(batch_of(5), 0, BATCH_SIZE);
        subject_close(open_ok());
        assert_int_equal(has_large("00000000000000AA"), is_damaged);
    }
}

static void set_version(unsigned char version)
{
    unsigned char header[HEADER_SIZE];
    int fd = open(segment, O_RDWR);
    uint32_t crc;

    assert_int_equal(pread(fd, header, sizeof(header), 0), sizeof(header));
    header[8] = version;
    crc = (uint32_t)crc32(0, header, 60);
    for (int i = 0; i < 4; i++)
        header[60 + i] = (unsigned char)(crc >> (8 * i));
    assert_int_equal(pwrite(fd, header, sizeof(header), 0), sizeof(header));
    close(fd);
}

static void test_newer_version(void **state)
{
    struct sluice_queue *queue = NULL;

    (void)state;
    set_version(3);
    assert_int_equal(subject_open(folder, &queue), SLUICE_CONFIG);
    assert_non_null(strstr(explained.text, "newer version"));
}

/* It is read, but what is written now goes elsewhere. */
static void test_version_1(void **state)
{
    char path[SCRATCH_PATH_MAX + 32];

    (void)state;
    set_version(1);
    assert_state(false, 0, 0, SLUICE_TEMP);
    (void)snprintf(path, sizeof(path), "%s/00000002.seg", folder);
    assert_int_equal(access(path, F_OK), 0);
}

int main(int argc, char **argv)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_unreadable_sector), CASE(test_torn_batch),    CASE(test_orphan),
        CASE(test_content),           CASE(test_frame_header),  CASE(test_sectors),
        CASE(test_segment_header),    CASE(test_tail),          CASE(test_update),
        CASE(test_evidence),          CASE(test_newer_version),
        CASE(test_version_1),
    };

    if (argc != 2)
        return EXIT_FAILURE;
    subject_load(argv[1]);
    subject_set("reserve", "64K");
    subject_set("segment_size", "64K");
    return cmocka_run_group_tests_name("salvage", tests, NULL, NULL);
}
