/* SPDX-License-Identifier: ISC */
/* Checkpoints of a segment: what is written is read, and what is not whole is as good as not there. */
#include "checkpoint.h"
#include "name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUMBER 7
#define SALT UINT64_C(0x1234567890abcdef)
#define OTHER_SALT UINT64_C(0xfeedbeef12345679)
#define FIRST_BATCH 41
#define LONG_RECORD 300000 /* longer than what is read at once */
#define LONG_CONTENT 1000000

struct piece {
    uint8_t type;
    bool is_large;
    size_t record_size;
    size_t content_size;
};

static const struct piece pieces[] = {
    {FRAME_PUT, false, 10, 100},  {FRAME_PUT, true, 200, 5000},
    {FRAME_COMMIT, false, 0, 0},  {FRAME_REMOVE, false, 0, 0},
    {FRAME_UPDATE, false, 77, 0}, {FRAME_PUT, false, LONG_RECORD, 0},
    {FRAME_COMMIT, false, 0, 0},  {FRAME_COPY, false, 400, LONG_CONTENT},
    {FRAME_UPDATE, false, 1, 0},  {FRAME_COMMIT, false, 0, 0},
};

#define PIECES (sizeof(pieces) / sizeof(pieces[0]))

static char path[] = "/tmp/checkpoint-XXXXXX";
static int folder;
static int segment;
static struct frame frames[PIECES];
static uint64_t offsets[PIECES];
static struct checkpoint_header known;

/* ---- a segment ------------------------------------------------------------------------------ */

static void write_at(int fd, const void *bytes, size_t size, uint64_t offset)
{
    assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
}

static uint8_t *record_of(size_t i)
{
    uint8_t *record = malloc(pieces[i].record_size + 1);

    assert_non_null(record);
    memset(record, (int)('a' + i), pieces[i].record_size);
    return record;
}

static uint64_t write_piece(size_t i, uint64_t sequence, uint64_t offset)
{
    uint8_t *record = record_of(i);
    uint8_t header[FORMAT_FRAME_SIZE];

    frames[i] = (struct frame){.type = pieces[i].type,
                               .is_large = pieces[i].is_large,
                               .position = (uint32_t)i,
                               .sequence = sequence,
                               .id = 100 + i,
                               .flags = (uint32_t)i,
                               .record_size = (uint32_t)pieces[i].record_size,
                               .content_size = pieces[i].content_size,
                               .record_crc = format_crc(record, pieces[i].record_size)};
    format_frame(header, SALT, &frames[i]);
    write_at(segment, header, sizeof(header), offset);
    write_at(segment, record, pieces[i].record_size, offset + FORMAT_FRAME_SIZE);
    free(record);
    offsets[i] = offset;
    return offset + frame_size(&frames[i]);
}

static void write_segment(void)
{
    uint64_t offset = FORMAT_HEADER_SIZE;
    uint64_t sequence = FIRST_BATCH;
    uint8_t header[FORMAT_HEADER_SIZE];

    format_header(header, &(struct segment_header){FORMAT_VERSION, NUMBER, SALT, FIRST_BATCH, 40});
    write_at(segment, header, sizeof(header), 0);
    for (size_t i = 0; i < PIECES; i++) {
        offset = write_piece(i, sequence, offset);
        if (pieces[i].type == FRAME_COMMIT)
            sequence++;
    }
    known = (struct checkpoint_header){
        .number = NUMBER, .salt = SALT, .last = sequence - 1, .end = offset, .count = PIECES};
}

static int setup(void **state)
{
    (void)state;
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    if (mkdtemp(path) == NULL)
        return -1;
    folder = open(path, O_RDONLY | O_DIRECTORY);
    segment = openat(folder, "segment", O_RDWR | O_CREAT, 0600);
    write_segment();
    return folder == -1 || segment == -1 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    close(segment);
    (void)name_unlink(folder, NAME_CHECKPOINT, NUMBER);
    (void)name_unlink(folder, NAME_CHECKPOINT, NUMBER + 1);
    (void)unlinkat(folder, "segment", 0);
    close(folder);
    return rmdir(path);
}

/* ---- its checkpoint ------------------------------------------------------------------------- */

static void write_ok(void)
{
    assert_int_equal(checkpoint_write(folder, segment, &known, NULL), SLUICE_OK);
}

static int open_file(void)
{
    char name[NAME_SIZE];
    int fd;

    name_format(name, NAME_CHECKPOINT, NUMBER);
    fd = openat(folder, name, O_RDWR);
    assert_int_not_equal(fd, -1);
    return fd;
}

static void flip(uint64_t offset)
{
    int fd = open_file();
    uint8_t byte;

    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    write_at(fd, &byte, 1, offset);
    close(fd);
}

static sluice_status status_of_open(uint32_t number, uint64_t salt)
{
    struct checkpoint checkpoint;
    sluice_status st = checkpoint_open(folder, number, salt, &checkpoint);

    if (st == SLUICE_OK)
        checkpoint_close(&checkpoint);
    return st;
}

static void assert_not_found(void)
{
    assert_int_equal(status_of_open(NUMBER, SALT), SLUICE_NOT_FOUND);
}

static void assert_piece(struct checkpoint *checkpoint, size_t i, size_t spoilt)
{
    const uint8_t *bytes = checkpoint_record(checkpoint);
    uint8_t *record = record_of(i);

    assert_int_equal(checkpoint->frame.type, frames[i].type);
    assert_int_equal(checkpoint->frame.id, frames[i].id);
    assert_int_equal(checkpoint->frame.sequence, frames[i].sequence);
    assert_int_equal(checkpoint->frame.content_size, frames[i].content_size);
    assert_int_equal(checkpoint->offset, offsets[i]);
    if (i == spoilt) {
        assert_null(bytes);
    } else {
        assert_non_null(bytes);
        assert_memory_equal(bytes, record, frames[i].record_size);
    }
    free(record);
}

/* All of it, but for the record of that piece. */
static void assert_read(size_t spoilt)
{
    struct checkpoint checkpoint;

    assert_int_equal(checkpoint_open(folder, NUMBER, SALT, &checkpoint), SLUICE_OK);
    for (size_t i = 0; i < PIECES; i++) {
        assert_true(checkpoint_next(&checkpoint));
        assert_piece(&checkpoint, i, spoilt);
    }
    assert_false(checkpoint_next(&checkpoint));
    assert_int_equal(checkpoint.taken, PIECES);
    checkpoint_close(&checkpoint);
}

static void test_read(void **state)
{
    (void)state;
    write_ok();
    assert_read(PIECES);
}

static void test_missing(void **state)
{
    (void)state;
    assert_not_found();
}

static void test_other_salt(void **state)
{
    (void)state;
    write_ok();
    assert_int_equal(status_of_open(NUMBER, OTHER_SALT), SLUICE_NOT_FOUND);
}

static void test_other_number(void **state)
{
    char name[NAME_SIZE];
    char other[NAME_SIZE];

    (void)state;
    write_ok();
    name_format(name, NAME_CHECKPOINT, NUMBER);
    name_format(other, NAME_CHECKPOINT, NUMBER + 1);
    assert_int_equal(renameat(folder, name, folder, other), 0);
    assert_int_equal(status_of_open(NUMBER + 1, SALT), SLUICE_NOT_FOUND);
}

static void test_torn(void **state)
{
    struct stat info;
    int fd;

    (void)state;
    write_ok();
    fd = open_file();
    assert_int_equal(fstat(fd, &info), 0);
    for (off_t size = info.st_size - 1; size > 0; size = size * 9 / 10) {
        assert_int_equal(ftruncate(fd, size), 0);
        assert_not_found();
    }
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_not_found();
    assert_int_equal(ftruncate(fd, info.st_size), 0); /* zeros */
    assert_not_found();
    close(fd);
}

/* Any byte of the header and of the frames' headers. */
static void test_wrong_checksum(void **state)
{
    (void)state;
    write_ok();
    for (uint64_t at = 0; at < FORMAT_HEADER_SIZE + PIECES * FORMAT_FRAME_SIZE; at++) {
        flip(at);
        assert_not_found();
        flip(at);
    }
    assert_read(PIECES);
}

/* One record is spoilt, and no other. */
static void test_wrong_record(void **state)
{
    uint64_t at = FORMAT_HEADER_SIZE + PIECES * FORMAT_FRAME_SIZE;

    (void)state;
    write_ok();
    for (size_t i = 0; i < PIECES; i++) {
        if (pieces[i].record_size == 0)
            continue;
        flip(at);
        assert_read(i);
        flip(at);
        at += pieces[i].record_size;
    }
}

static void test_newer_version(void **state)
{
    uint8_t bytes[FORMAT_HEADER_SIZE];
    struct checkpoint_header header;
    int fd;

    (void)state;
    write_ok();
    fd = open_file();
    assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(format_parse_checkpoint(bytes, &header), FORMAT_OK);
    header.version++;
    format_checkpoint(bytes, &header);
    write_at(fd, bytes, sizeof(bytes), 0);
    close(fd);
    assert_not_found();
}

/* Frames that are there, but are not all: the header says so. */
static void test_too_few(void **state)
{
    (void)state;
    write_ok();
    for (int i = 0; i < 3; i++) {
        struct checkpoint_header wrong = known;

        wrong.count -= i == 0;
        wrong.end -= i == 1;
        wrong.last -= i == 2;
        assert_int_equal(checkpoint_write(folder, segment, &wrong, NULL), SLUICE_TEMP);
    }
    assert_read(PIECES); /* the sound one is still there */
}

static void test_unreadable_segment(void **state)
{
    (void)state;
    write_at(segment, "x", 1, offsets[4] + 20);
    assert_int_equal(checkpoint_write(folder, segment, &known, NULL), SLUICE_TEMP);
    assert_not_found();
}

/* A wrong one gives way. */
static void test_again(void **state)
{
    (void)state;
    write_ok();
    flip(0);
    assert_not_found();
    write_ok();
    assert_read(PIECES);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_read),         CASE(test_missing),
        CASE(test_other_salt),   CASE(test_other_number),
        CASE(test_torn),         CASE(test_wrong_checksum),
        CASE(test_wrong_record), CASE(test_newer_version),
        CASE(test_too_few),      CASE(test_unreadable_segment),
        CASE(test_again),
    };

    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
