/* SPDX-License-Identifier: ISC */
/*
 * How the store log starts: from checkpoints, and as well without them; and what becomes of segments
 * that are used again. doc/log-store.md says what the files are.
 *
 *   contract-queue-log-checkpoint LOG.so
 */
#include "scratch.h"
#include "subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MESSAGES 200 /* some five segments of 64 KiB */
#define CONTENT_SIZE 1500
#define HEADER_SIZE 64
#define PATH_SIZE (SCRATCH_PATH_MAX + 64)

static char folder[SCRATCH_PATH_MAX];

/* ---- the store ------------------------------------------------------------------------------ */

static struct sluice_queue *open_ok(void)
{
    struct sluice_queue *queue = NULL;

    assert_int_equal(subject_open(folder, &queue), SLUICE_OK);
    assert_int_equal(explained.count, 0);
    return queue;
}

static void maintain_all(struct sluice_queue *queue)
{
    for (int i = 0; i < 100; i++) {
        sluice_status st = subject_maintain(queue, 0);

        if (st == SLUICE_NOT_FOUND)
            return;
        assert_int_equal(st, SLUICE_OK);
    }
    fail_msg("maintain finds no end");
}

static void put(struct sluice_queue *queue, uint64_t id)
{
    static const char content[CONTENT_SIZE] = "content";
    char record[32];
    struct change change;

    (void)snprintf(record, sizeof(record), "record of %llu", (unsigned long long)id);
    change = change_put(id, (uint32_t)id, sluice_span_of(record),
                        (struct sluice_span){content, sizeof(content)});
    assert_int_equal(subject_apply(queue, &change, 1), SLUICE_OK);
}

static void update(struct sluice_queue *queue, uint64_t id)
{
    struct change change = change_update(id, 0, sluice_span_of("a record that came later"));

    assert_int_equal(subject_apply(queue, &change, 1), SLUICE_OK);
}

static void remove_one(struct sluice_queue *queue, uint64_t id)
{
    struct change change = change_remove(id);

    assert_int_equal(subject_apply(queue, &change, 1), SLUICE_OK);
}

static bool is_there(uint64_t id)
{
    return id > 20 || id % 2 == 1;
}

static bool is_updated_at_once(uint64_t id)
{
    return id % 7 == 0;
}

static bool is_updated_later(uint64_t id)
{
    return id <= 20 && id % 5 == 0 && is_there(id);
}

/* Messages 1 to MESSAGES. */
static int setup(void **state)
{
    struct sluice_queue *queue;

    (void)state;
    scratch_make(folder);
    queue = open_ok();
    for (uint64_t id = 1; id <= MESSAGES; id++) {
        put(queue, id);
        if (is_updated_at_once(id))
            update(queue, id);
        maintain_all(queue);
    }
    for (uint64_t id = 1; id <= MESSAGES; id++) {
        if (!is_there(id))
            remove_one(queue, id);
        else if (is_updated_later(id))
            update(queue, id);
    }
    maintain_all(queue);
    subject_close(queue);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static void check_message(void *user, const struct found *found)
{
    unsigned *seen = user;
    char record[32];

    (void)snprintf(record, sizeof(record), "record of %llu", (unsigned long long)found->id);
    assert_true(found->id >= 1 && found->id <= MESSAGES);
    seen[found->id]++;
    if (is_updated_at_once(found->id) || is_updated_later(found->id))
        (void)snprintf(record, sizeof(record), "a record that came later");
    assert_int_equal(found->record_size, strlen(record));
    assert_memory_equal(found->record, record, strlen(record));
    assert_int_equal(found->content_size, CONTENT_SIZE);
}

/* Each message that is there comes once, as it is now. */
static void assert_scan(struct sluice_queue *queue)
{
    unsigned seen[MESSAGES + 1] = {0};

    assert_int_equal(subject_scan(queue, check_message, seen), SLUICE_OK);
    assert_int_equal(explained.count, 0);
    for (uint64_t id = 1; id <= MESSAGES; id++)
        assert_int_equal(seen[id], is_there(id) ? 1 : 0);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void path_of(char path[PATH_SIZE], uint32_t number, const char *kind)
{
    (void)snprintf(path, PATH_SIZE, "%s/%08x.%s", folder, number, kind);
}

static bool has_file(uint32_t number, const char *kind)
{
    char path[PATH_SIZE];

    path_of(path, number, kind);
    return access(path, F_OK) == 0;
}

static int count_files(const char *kind)
{
    int count = 0;

    for (uint32_t number = 1; number < 64; number++)
        count += has_file(number, kind);
    return count;
}

static int open_file(uint32_t number, const char *kind)
{
    char path[PATH_SIZE];
    int fd;

    path_of(path, number, kind);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_not_equal(fd, -1);
    return fd;
}

static size_t read_file(uint32_t number, const char *kind, char *bytes, size_t size)
{
    int fd = open_file(number, kind);
    ssize_t got = pread(fd, bytes, size, 0);

    assert_true(got > 0);
    close(fd);
    return (size_t)got;
}

static uint64_t number_at(const char *bytes, int size)
{
    uint64_t number = 0;

    for (int i = size; i > 0; i--)
        number = number << 8 | (unsigned char)bytes[i - 1];
    return number;
}

static void set_number_at(char *bytes, int size, uint64_t number)
{
    for (int i = 0; i < size; i++)
        bytes[i] = (char)(number >> (8 * i));
}

static void fill_with_zeros(uint32_t number, off_t begin)
{
    int fd = open_file(number, "seg");
    struct stat info;

    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(ftruncate(fd, begin), 0);
    assert_int_equal(ftruncate(fd, info.st_size), 0);
    close(fd);
}

/* ---- checkpoints ---------------------------------------------------------------------------- */

static void test_start_reads_checkpoints(void **state)
{
    struct sluice_queue *queue;

    (void)state;
    assert_true(count_files("chk") >= 2);
    for (uint32_t number = 1; number < 64; number++) {
        if (has_file(number, "chk"))
            fill_with_zeros(number, HEADER_SIZE);
    }
    queue = open_ok();
    assert_scan(queue);
    subject_close(queue);
}

static void spoil_nothing(int fd)
{
    (void)fd;
}

static void spoil_header(int fd)
{
    assert_int_equal(pwrite(fd, "x", 1, 20), 1);
}

static void spoil_frames(int fd)
{
    assert_int_equal(pwrite(fd, "x", 1, HEADER_SIZE + 70), 1);
}

static void spoil_record(int fd)
{
    struct stat info;

    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(pwrite(fd, "\xff", 1, info.st_size - 1), 1);
}

static void cut_short(int fd)
{
    struct stat info;

    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(ftruncate(fd, info.st_size - 1), 0);
}

static void empty(int fd)
{
    assert_int_equal(ftruncate(fd, 0), 0);
}

/* Whole, but of another segment. */
static void exchange(int fd)
{
    static char bytes[1 << 20];
    size_t size = read_file(2, "chk", bytes, sizeof(bytes));

    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, bytes, size, 0), size);
}

/* Whole in itself, but without the last batch of the segment: a PUT and its COMMIT. */
static void leave_out_last(int fd)
{
    static char bytes[1 << 20];
    size_t size = read_file(1, "chk", bytes, sizeof(bytes));
    uint64_t count = number_at(bytes + 40, 8) - 2;
    size_t records = HEADER_SIZE + (size_t)count * HEADER_SIZE;
    const char *last = bytes + records;
    uint64_t record_size = number_at(last + 32, 4);
    uint64_t frame_size = (HEADER_SIZE + record_size + number_at(last + 24, 8) + 7) & ~UINT64_C(7);

    assert_int_equal(last[44], 1);
    set_number_at(bytes + 24, 8, number_at(bytes + 24, 8) - 1);
    set_number_at(bytes + 32, 8, number_at(bytes + 32, 8) - frame_size - HEADER_SIZE);
    set_number_at(bytes + 40, 8, count);
    set_number_at(bytes + 48, 8, number_at(bytes + 48, 8) - record_size);
    set_number_at(bytes + 60, 4, crc32(0, (const Bytef *)bytes, 60));
    memmove(bytes + records, last + 2 * HEADER_SIZE, size - records - 2 * HEADER_SIZE);
    size -= 2 * HEADER_SIZE + record_size;
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(pwrite(fd, bytes, size, 0), size);
}

static const struct {
    const char *name;
    void (*spoil)(int fd);
    bool is_gone; /* after that it is deleted */
    bool is_made_again;
} spoilers[] = {
    {"as it is", spoil_nothing, false, true},
    {"missing", spoil_nothing, true, true},
    {"header", spoil_header, false, true},
    {"frames", spoil_frames, false, true},
    {"record", spoil_record, false, false},
    {"short", cut_short, false, true},
    {"empty", empty, false, true},
    {"of another segment", exchange, false, true},
    {"without the last batch", leave_out_last, false, true},
};

/* What is wrong with a checkpoint costs time, and nothing else. */
static void test_spoilt(void **state)
{
    static char before[1 << 20];
    static char after[1 << 20];
    size_t size = read_file(1, "chk", before, sizeof(before));

    (void)state;
    for (size_t i = 0; i < sizeof(spoilers) / sizeof(spoilers[0]); i++) {
        int fd = open_file(1, "chk");
        char path[PATH_SIZE];
        struct sluice_queue *queue;

        print_message("    %s\n", spoilers[i].name);
        spoilers[i].spoil(fd);
        close(fd);
        path_of(path, 1, "chk");
        if (spoilers[i].is_gone)
            assert_int_equal(unlink(path), 0);
        queue = open_ok();
        assert_scan(queue);
        maintain_all(queue);
        subject_close(queue);
        if (!spoilers[i].is_made_again) { /* only its record is wrong, and the segment has that */
            assert_int_equal(unlink(path), 0);
            queue = open_ok();
            maintain_all(queue);
            subject_close(queue);
        }
        assert_int_equal(read_file(1, "chk", after, sizeof(after)), size);
        assert_memory_equal(before, after, size);
    }
}

/* One without its segment is removed. */
static void test_orphan(void **state)
{
    char path[PATH_SIZE];
    char orphan[PATH_SIZE];

    (void)state;
    path_of(path, 1, "chk");
    path_of(orphan, 0x30, "chk");
    assert_int_equal(link(path, orphan), 0);
    subject_close(open_ok());
    assert_false(has_file(0x30, "chk"));
    assert_true(has_file(1, "chk"));
}

static uint32_t last_segment(void)
{
    uint32_t last = 0;

    for (uint32_t number = 1; number < 64; number++) {
        if (has_file(number, "seg"))
            last = number;
    }
    return last;
}

/* A segment whose successors are gone is the last one again. Its checkpoint says where it ends, so
 * nothing may be added to it. */
static void test_last_has_checkpoint(void **state)
{
    static char bytes[1 << 20];
    char path[PATH_SIZE];
    struct sluice_queue *queue;
    uint32_t number = last_segment();
    uint64_t end;

    (void)state;
    for (; !has_file(number, "chk"); number--) {
        path_of(path, number, "seg");
        (void)unlink(path);
    }
    (void)read_file(number, "chk", bytes, sizeof(bytes));
    end = number_at(bytes + 32, 8);
    fill_with_zeros(number, (off_t)end);
    assert_true(end + 200 < read_file(number, "seg", bytes, sizeof(bytes)));
    queue = open_ok();
    update(queue, 1); /* there is room for that */
    subject_close(queue);
    (void)read_file(number, "seg", bytes, sizeof(bytes));
    assert_int_equal(number_at(bytes + end, 8), 0);
}

/* ---- spares --------------------------------------------------------------------------------- */

static void remove_all(struct sluice_queue *queue)
{
    for (uint64_t id = 1; id <= MESSAGES; id++) {
        if (is_there(id))
            remove_one(queue, id);
    }
    maintain_all(queue);
}

static void count_one(void *user, const struct found *found)
{
    assert_true(found->id > MESSAGES);
    (*(unsigned *)user)++;
}

static void assert_count(struct sluice_queue *queue, unsigned wanted)
{
    unsigned count = 0;

    assert_int_equal(subject_scan(queue, count_one, &count), SLUICE_OK);
    assert_int_equal(explained.count, 0);
    assert_int_equal(count, wanted);
}

/* Messages go, others come into the same files; those that went stay away. */
static void test_recycled(void **state)
{
    struct sluice_queue *queue = open_ok();
    unsigned count = 0;

    (void)state;
    remove_all(queue);
    assert_true(count_files("spare") > 0);
    assert_int_equal(count_files("chk"), 0);
    while (count_files("spare") > 0 && count < 1000)
        put(queue, MESSAGES + ++count); /* without maintain, so that none come after them */
    assert_int_equal(count_files("spare"), 0);
    for (int round = 0; round < 3; round++) {
        assert_count(queue, count);
        subject_close(queue);
        queue = open_ok();
    }
    subject_close(queue);
}

/* A header that tore when the segment was to be begun: it holds nothing, least of all the frames that the
 * file held before. */
static void test_torn_header(void **state)
{
    struct sluice_queue *queue = open_ok();
    uint32_t number;
    int fd;

    (void)state;
    remove_all(queue);
    for (uint64_t id = MESSAGES + 1; id <= 2 * MESSAGES; id++) { /* each file has been used */
        put(queue, id);
        remove_one(queue, id);
        maintain_all(queue);
    }
    subject_close(queue);
    number = last_segment();
    fd = open_file(number, "seg");
    assert_int_equal(pwrite(fd, "x", 1, 20), 1);
    close(fd);
    queue = open_ok();
    assert_count(queue, 0);
    subject_close(queue);
    assert_false(has_file(number, "seg"));
}

/* What a spare holds means nothing, not even if it is a whole segment. */
static void test_spare_is_not_read(void **state)
{
    struct sluice_queue *queue = open_ok();
    char old[PATH_SIZE];
    char spare[PATH_SIZE];

    (void)state;
    remove_all(queue);
    subject_close(queue);
    scratch_remove(folder);
    assert_int_equal(setup(NULL), 0);
    for (uint32_t number = 1; number < 64; number++) {
        path_of(old, number, "seg");
        path_of(spare, number, "spare");
        (void)rename(old, spare);
    }
    queue = open_ok();
    assert_count(queue, 0);
    put(queue, MESSAGES + 1);
    assert_count(queue, 1);
    subject_close(queue);
}

/* Spares of another size, as of an older configuration, and more than are wanted go. */
static void test_other_size(void **state)
{
    struct sluice_queue *queue = open_ok();
    int fd;
    char path[PATH_SIZE];

    (void)state;
    remove_all(queue);
    subject_close(queue);
    path_of(path, 0x20, "spare");
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_not_equal(fd, -1);
    assert_int_equal(ftruncate(fd, 4096), 0);
    close(fd);
    queue = open_ok();
    assert_false(has_file(0x20, "spare"));
    assert_true(count_files("spare") <= 3);
    subject_close(queue);
}

int main(int argc, char **argv)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_start_reads_checkpoints),
        CASE(test_spoilt),
        CASE(test_orphan),
        CASE(test_last_has_checkpoint),
        CASE(test_recycled),
        CASE(test_torn_header),
        CASE(test_spare_is_not_read),
        CASE(test_other_size),
    };

    if (argc != 2)
        return EXIT_FAILURE;
    subject_load(argv[1]);
    subject_set("reserve", "64K");
    subject_set("segment_size", "64K");
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
