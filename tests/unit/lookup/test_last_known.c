/* SPDX-License-Identifier: ISC */
/*
 * What is known of a table for when it cannot be asked: for how long, how much, and after what becomes of a file.
 */
#include "lookup/last_known.h"

#include "task/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR_MS ((int64_t)3600 * 1000)
#define START ((int64_t)1700000000000)

static const struct last_known_limits usual = {.age_ms = 72 * HOUR_MS, .bytes_max = 1024 * 1024};
static char folder[64];

/* LMDB's two first pages say where all else is. */
#define LAST_STEP_END ((off_t)8192)
static bool last_step_fails;

/* In place of the C library's, for LMDB. */
__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *bytes, size_t len,
                                                      off_t at)
{
    if (last_step_fails && at < LAST_STEP_END) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

static int enter(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/sluice-test-XXXXXX");
    return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    (void)unlink("table");
    (void)unlink("table-lock");
    (void)unlink("table.damaged");
    (void)unlink("table.crash");
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static struct last_known *open_with(const struct last_known_limits *limits)
{
    struct last_known *known;
    struct error err = ERROR_INIT;

    assert_int_equal(last_known_open("table", limits, &known, &err), SLUICE_OK);
    return known;
}

static void put(struct last_known *known, const char *key, const char *value, int64_t wall_ms)
{
    (void)last_known_put(known, sluice_span_of(key), value != NULL ? SLUICE_OK : SLUICE_NOT_FOUND,
                         value != NULL ? sluice_span_of(value) : (struct sluice_span){0}, wall_ms);
}

static void expect_status(struct last_known *known, const char *key, int64_t wall_ms,
                          sluice_status status, const char *value)
{
    struct buffer got = BUFFER_INIT;

    assert_int_equal(last_known_find(known, sluice_span_of(key), wall_ms, &got), status);
    assert_int_equal(got.len, strlen(value));
    if (got.len > 0)
        assert_memory_equal(got.ptr, value, got.len);
    buffer_done(&got);
}

/* value NULL: it is known that there is none. */
static void expect(struct last_known *known, const char *key, int64_t wall_ms, const char *value)
{
    if (value != NULL)
        expect_status(known, key, wall_ms, SLUICE_OK, value);
    else
        expect_status(known, key, wall_ms, SLUICE_NOT_FOUND, "");
}

static void expect_unknown(struct last_known *known, const char *key, int64_t wall_ms)
{
    expect_status(known, key, wall_ms, SLUICE_TEMP, "");
}

static sluice_status write_all(struct last_known *known, int64_t wall_ms)
{
    struct error err = ERROR_INIT;
    sluice_status st = SLUICE_OK;

    if (last_known_begin_write(known)) {
        st = last_known_write(known, wall_ms, &err);
        last_known_end_write(known);
    }
    assert_true(st == SLUICE_OK || err.text[0] != '\0');
    return st;
}

static void test_it_outlives_the_process(void **state)
{
    struct last_known *known = open_with(&usual);

    (void)state;
    put(known, "joe", "joe@store", START);
    put(known, "ann", NULL, START);
    expect(known, "joe", START, "joe@store"); /* before it is written too */
    expect(known, "ann", START, NULL);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    expect(known, "joe", START, "joe@store");
    expect(known, "ann", START, NULL);
    last_known_close(known);
    known = open_with(&usual);
    expect(known, "joe", START, "joe@store");
    expect(known, "ann", START, NULL);
    expect_unknown(known, "never", START);
    last_known_close(known);
}

/* As a program left it that knew of no misses, which may come back, too. */
static void leave_as_before(void)
{
    static const char value[] = "\0\0\x01\x8b\xcf\xe5\x68\x00joe@store"; /* START, value */
    MDB_val key = {.mv_data = "sluice last known", .mv_size = 17};
    MDB_val is = {.mv_data = "1", .mv_size = 1};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 2), 0);
    assert_int_equal(mdb_env_open(env, "table", MDB_NOSUBDIR, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &key, &is, 0), 0);
    assert_int_equal(mdb_dbi_open(txn, "ages", MDB_CREATE, &dbi), 0);
    assert_int_equal(mdb_dbi_open(txn, "answers", MDB_CREATE, &dbi), 0);
    key = (MDB_val){.mv_data = "joe", .mv_size = 3};
    is = (MDB_val){.mv_data = (void *)(uintptr_t)value, .mv_size = sizeof(value) - 1};
    assert_int_equal(mdb_put(txn, dbi, &key, &is, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void test_a_file_without_misses(void **state)
{
    (void)state;
    leave_as_before();
    for (int i = 0; i < 2; i++) {
        struct last_known *known = open_with(&usual);

        expect(known, "joe", START, "joe@store");
        put(known, "ann", NULL, START);
        assert_int_equal(write_all(known, START), SLUICE_OK);
        expect(known, "ann", START, NULL);
        last_known_close(known);
        leave_as_before();
    }
    assert_int_equal(access("table.damaged", F_OK), -1);
}

static void test_how_much_there_is(void **state)
{
    struct last_known *known = open_with(&usual);
    struct last_known_size size;

    (void)state;
    last_known_measure(known, &size);
    assert_int_equal(size.entries, 0);
    assert_int_equal(size.oldest_ms, 0);
    put(known, "joe", "joe@store", START + 1);
    put(known, "ann", "ann@store", START);
    assert_int_equal(write_all(known, START + 1), SLUICE_OK);
    last_known_measure(known, &size);
    assert_int_equal(size.entries, 2);
    assert_true(size.bytes > 0);
    assert_int_equal(size.oldest_ms, START);
    last_known_close(known);
}

static void test_forgetting(void **state)
{
    struct last_known *known = open_with(&usual);
    struct last_known_size size;

    (void)state;
    put(known, "joe", "joe@store", START);
    put(known, "ann", "ann@store", START);
    put(known, "none", NULL, START);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    (void)last_known_put(known, sluice_span_of("joe"), SLUICE_TEMP, (struct sluice_span){0}, START);
    expect_unknown(known, "joe", START);
    assert_false(last_known_is_settled(known));
    assert_int_equal(write_all(known, START), SLUICE_OK);
    assert_true(last_known_is_settled(known));
    expect_unknown(known, "joe", START);
    expect(known, "ann", START, "ann@store");
    last_known_measure(known, &size);
    assert_int_equal(size.entries, 2);
    last_known_close(known);
}

/* What is put afterwards stays; what a thread is writing just then does not. */
static void test_forgetting_all(void **state)
{
    struct last_known *known = open_with(&usual);
    struct last_known_size size;
    struct error err = ERROR_INIT;

    (void)state;
    put(known, "joe", "joe@store", START);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    put(known, "ann", "ann@store", START);
    assert_true(last_known_begin_write(known));
    put(known, "eve", "eve@store", START);
    last_known_forget_all(known);
    put(known, "new", "new@store", START);
    expect_unknown(known, "joe", START);
    expect_unknown(known, "ann", START);
    expect_unknown(known, "eve", START);
    expect(known, "new", START, "new@store");
    assert_int_equal(last_known_write(known, START, &err), SLUICE_OK);
    last_known_end_write(known);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    expect(known, "new", START, "new@store");
    last_known_measure(known, &size);
    assert_int_equal(size.entries, 1);
    last_known_close(known);
}

static void test_the_last_answer_counts(void **state)
{
    struct last_known *known = open_with(&usual);

    (void)state;
    put(known, "joe", "joe@store", START);
    put(known, "ann", "ann@store", START);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    put(known, "joe", "new@store", START + 1);
    put(known, "ann", NULL, START + 1);
    expect(known, "joe", START + 1, "new@store");
    expect(known, "ann", START + 1, NULL);
    assert_int_equal(write_all(known, START + 1), SLUICE_OK);
    expect(known, "joe", START + 1, "new@store");
    expect(known, "ann", START + 1, NULL);
    put(known, "ann", "ann@again", START + 2);
    expect(known, "ann", START + 2, "ann@again");
    assert_int_equal(write_all(known, START + 2), SLUICE_OK);
    expect(known, "ann", START + 2, "ann@again");
    last_known_close(known);
}

static void test_while_it_is_being_written(void **state)
{
    struct last_known *known = open_with(&usual);
    struct error err = ERROR_INIT;

    (void)state;
    put(known, "joe", "joe@store", START);
    put(known, "ann", "ann@store", START);
    assert_true(last_known_begin_write(known));
    expect(known, "joe", START, "joe@store");
    put(known, "joe", "new@store", START + 1);
    put(known, "ann", NULL, START + 1);
    assert_false(last_known_begin_write(known));
    assert_int_equal(last_known_write(known, START, &err), SLUICE_OK);
    last_known_end_write(known);
    expect(known, "joe", START + 1, "new@store");
    expect(known, "ann", START + 1, NULL);
    assert_int_equal(write_all(known, START + 1), SLUICE_OK);
    expect(known, "joe", START + 1, "new@store");
    expect(known, "ann", START + 1, NULL);
    last_known_close(known);
}

static void expect_aged(struct last_known *known)
{
    expect(known, "joe", START + 72 * HOUR_MS - 1, "joe@store");
    expect(known, "ann", START + 72 * HOUR_MS - 1, NULL);
    expect_unknown(known, "joe", START + 72 * HOUR_MS);
    expect_unknown(known, "ann", START + 72 * HOUR_MS);
}

static void test_age(void **state)
{
    struct last_known *known = open_with(&usual);

    (void)state;
    put(known, "joe", "joe@store", START);
    put(known, "ann", NULL, START);
    expect_aged(known);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    expect_aged(known);
    last_known_close(known);
}

/* An answer that stays the same is not written each time, but often enough to stay young. */
static void test_the_same_answer_again(void **state)
{
    struct last_known *known = open_with(&usual);

    (void)state;
    put(known, "joe", "joe@store", START);
    put(known, "ann", NULL, START);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    put(known, "joe", "joe@store", START + HOUR_MS);
    put(known, "ann", NULL, START + HOUR_MS);
    assert_false(last_known_begin_write(known));
    put(known, "joe", "joe@store", START + 6 * HOUR_MS);
    put(known, "ann", NULL, START + 6 * HOUR_MS);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    expect(known, "joe", START + 77 * HOUR_MS, "joe@store");
    expect(known, "ann", START + 77 * HOUR_MS, NULL);
    last_known_close(known);
}

/* Longer than LMDB takes one. */
static void test_a_long_key(void **state)
{
    struct last_known *known = open_with(&usual);
    char key[1000];

    (void)state;
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    put(known, "joe", "joe@store", START);
    put(known, key, "long@store", START);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    expect_unknown(known, key, START);
    expect(known, "joe", START, "joe@store");
    last_known_close(known);
    assert_int_equal(access("table.damaged", F_OK), -1);
}

static const struct last_known_limits little = {.age_ms = 72 * HOUR_MS, .bytes_max = 256 * 1024};

/* Ten thousand answers about addresses that begin so. */
static void put_many(struct last_known *known, const char *name, const char *value)
{
    char key[32];

    for (int i = 0; i < 10000; i++) {
        (void)snprintf(key, sizeof(key), "%s%d@customer.tld", name, i);
        put(known, key, value, START + i);
        if (i % 1000 == 999)
            assert_int_equal(write_all(known, START + i), SLUICE_OK);
    }
}

static void test_the_oldest_go(void **state)
{
    struct last_known *known = open_with(&little);
    struct stat file;

    (void)state;
    put_many(known, "user", "OK");
    expect_unknown(known, "user0@customer.tld", START + 10000);
    expect_unknown(known, "user7000@customer.tld", START + 10000);
    expect(known, "user9000@customer.tld", START + 10000, "OK");
    expect(known, "user9999@customer.tld", START + 10000, "OK");
    assert_int_equal(stat("table", &file), 0);
    assert_true(file.st_size < 2 * 1024 * 1024);
    last_known_close(known);
}

/* Whoever tries all names of a directory takes the place of no value, nor of all other misses at once. */
static void test_misses_have_bounds_of_their_own(void **state)
{
    struct last_known *known = open_with(&little);
    char key[32];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "user%d@customer.tld", i);
        put(known, key, "OK", START - 1000);
    }
    assert_int_equal(write_all(known, START), SLUICE_OK);
    put_many(known, "none", NULL);
    expect_unknown(known, "none0@customer.tld", START + 10000);
    expect(known, "none9999@customer.tld", START + 10000, NULL);
    expect(known, "user0@customer.tld", START + 10000, "OK");
    expect(known, "user999@customer.tld", START + 10000, "OK");
    last_known_close(known);
}

/* As long as nothing can be written; one of the two is dropped, and it is not the value. */
static void test_misses_that_wait_have_too(void **state)
{
    struct last_known *known = open_with(&usual);
    char key[480];

    (void)state;
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    for (int i = 0; i < 30000; i++) {
        (void)snprintf(key, 16, "%015d", i);
        key[15] = 'k';
        put(known, key, NULL, START);
    }
    expect_unknown(known, key, START);
    put(known, "joe", "joe@store", START);
    expect(known, "joe", START, "joe@store");
    last_known_close(known);
}

static void expect_begun_anew(const char *why)
{
    struct last_known *known = open_with(&usual);

    print_message("%s\n", why);
    expect_unknown(known, "joe", START);
    put(known, "joe", "joe@store", START);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    expect(known, "joe", START, "joe@store");
    assert_int_equal(access("table.damaged", F_OK), 0);
    assert_int_equal(unlink("table.damaged"), 0);
    last_known_close(known);
}

static void test_a_file_that_is_none(void **state)
{
    char page[8192];
    FILE *file = fopen("table", "w");

    (void)state;
    assert_non_null(file);
    memset(page, 'x', sizeof(page));
    assert_int_equal(fwrite(page, 1, sizeof(page), file), sizeof(page));
    assert_int_equal(fclose(file), 0);
    expect_begun_anew("foreign bytes");
    assert_int_equal(truncate("table", 8192),
                     0); /* both its heads, and nothing of what they name */
    expect_begun_anew("cut off");
    assert_int_equal(truncate("table", 100), 0);
    expect_begun_anew("not even a head");
}

/* ---- damage inside ----------------------------------------------------------------------------- */

#define MANY 5000
#define PAGE 4096
#define PAGES_ALL 100000
#define LIVES_MAX 4 /* until it is healed: a crash or two of readers, one of a writer */

/* Without assertions, for processes that may not go on to the next test. */
static bool store_many(int64_t wall_ms)
{
    struct error err = ERROR_INIT;
    struct last_known *known;
    char key[32];

    if (last_known_open("table", &usual, &known, &err) != SLUICE_OK)
        return false;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof(key), "user%d@customer.tld", i);
        put(known, key, "store.customer.tld", wall_ms);
    }
    bool is_stored = last_known_begin_write(known) &&
                     last_known_write(known, wall_ms, &err) == SLUICE_OK;
    last_known_end_write(known);
    last_known_close(known);
    return is_stored;
}

static int count_many(struct last_known *known)
{
    char key[32];
    int count = 0;

    for (int i = 0; i < MANY; i++) {
        struct buffer got = BUFFER_INIT;

        (void)snprintf(key, sizeof(key), "user%d@customer.tld", i);
        if (last_known_find(known, sluice_span_of(key), START, &got) == SLUICE_OK)
            count++;
        buffer_done(&got);
    }
    return count;
}

/* What a process does with it: reads all, writes all anew. True: it got to its end. */
__attribute__((noreturn)) static void read_and_write(void)
{
    struct error err = ERROR_INIT;
    struct last_known *known;

    for (int number = 1; number < 32; number++)
        (void)signal(number, SIG_DFL); /* cmocka's would go on with the next test */
    (void)alarm(60);
    crash_handler_start();
    if (last_known_open("table", &usual, &known, &err) != SLUICE_OK)
        _exit(2);
    (void)count_many(known);
    last_known_close(known);
    _exit(store_many(START + 24 * HOUR_MS) ? 0 : 3);
}

/* True: it got to its end, in a process of its own. */
static bool live(void)
{
    pid_t child = fork();
    int status;

    assert_int_not_equal(child, -1);
    if (child == 0)
        read_and_write();
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

static void damage(off_t first, off_t count, int (*byte)(size_t at))
{
    char page[PAGE];
    struct stat file;
    int fd = open("table", O_WRONLY);

    assert_int_equal(stat("table", &file), 0);
    assert_true(file.st_size > 20 * PAGE);
    for (off_t at = first * PAGE; at < file.st_size && at < (first + count) * PAGE; at += PAGE) {
        for (size_t i = 0; i < PAGE; i++)
            page[i] = (char)byte((size_t)at + i);
        assert_int_equal(pwrite(fd, page, PAGE, at), PAGE);
    }
    assert_int_equal(close(fd), 0);
}

static int byte_zero(size_t at)
{
    (void)at;
    return 0;
}

static int byte_full(size_t at)
{
    (void)at;
    return 0xff;
}

static int byte_random(size_t at)
{
    static unsigned state = 1;

    state = state * 1103515245 + 12345 + (unsigned)at;
    return (int)(state >> 16 & 0xff);
}

/* As a page that has its head looks to who goes by that. */
static int byte_behind_heads(size_t at)
{
    static const unsigned char head[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 200, 0, 220, 0};

    return at % PAGE < sizeof(head) ? head[at % PAGE] : byte_random(at);
}

static const struct {
    const char *name;
    off_t first; /* page; 0 and 1 are the file's heads */
    off_t count;
    int (*byte)(size_t at);
} damages[] = {
    {"zeroes everywhere", 2, PAGES_ALL, byte_zero},
    {"ones everywhere", 2, PAGES_ALL, byte_full},
    {"nonsense everywhere", 2, PAGES_ALL, byte_random},
    {"nonsense in leaves", 2, PAGES_ALL, byte_behind_heads},
    {"zeroes in the middle", 6, 10, byte_zero},
    {"nonsense in the middle", 6, 10, byte_random},
    {"nonsense in leaves in the middle", 6, 10, byte_behind_heads},
};

/* Whoever reads it may crash; not for ever. */
static void test_damage_inside(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        int lives = 0;

        print_message("%s\n", damages[i].name);
        assert_true(store_many(START));
        damage(damages[i].first, damages[i].count, damages[i].byte);
        while (!live())
            assert_true(++lives < LIVES_MAX);
        struct last_known *known = open_with(&usual);
        assert_int_equal(count_many(known), MANY);
        last_known_close(known);
        assert_int_equal(access("table.crash", F_OK), -1);
        assert_int_equal(access("table.damaged", F_OK), 0);
        assert_int_equal(unlink("table.damaged"), 0);
        assert_int_equal(unlink("table"), 0);
    }
}

/* Who is killed, even in the middle of a write, leaves all that was written before. */
static void test_killed_while_it_writes(void **state)
{
    (void)state;
    assert_true(store_many(START));
    for (int i = 1; i <= 20; i++) {
        pid_t child = fork();
        int status;

        assert_int_not_equal(child, -1);
        for (int64_t later = 1; child == 0; later++)
            (void)store_many(START + (12 * i + later) * HOUR_MS);
        (void)usleep((useconds_t)i * 5000);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        struct last_known *known = open_with(&usual);
        assert_int_equal(count_many(known), MANY);
        last_known_close(known);
        assert_int_equal(access("table.damaged", F_OK), -1);
    }
}

/* What a write that fails was to bring is not known later; what was written before is. */
static void test_a_full_disk(void **state)
{
    struct last_known *known = open_with(&usual);
    struct rlimit whole;
    struct rlimit full;
    struct stat file;
    char value[60000];

    (void)state;
    put(known, "joe", "joe@store", START);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    assert_int_equal(stat("table", &file), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
    full = whole;
    full.rlim_cur = (rlim_t)file.st_size; /* the nearest that needs no file system of its own */
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    put(known, "ann", value, START);
    sluice_status st = write_all(known, START);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
    assert_int_equal(st, SLUICE_TEMP);
    expect(known, "joe", START, "joe@store");
    expect_unknown(known, "ann", START);
    put(known, "ann", "ann@store", START);
    assert_int_equal(write_all(known, START), SLUICE_OK);
    expect(known, "ann", START, "ann@store");
    last_known_close(known);
}

/* By 80 MB, which is more than is mapped of a file with the usual limits; in the form of known_records.c. */
static void grow_beyond(void)
{
    static char value[60000] = "\0\0\x01\x8b\xcf\xe5\x68"; /* START, then what it says */
    char age[40] = "\0\0\x01\x8b\xcf\xe5\x68";
    char *name = age + 8;
    MDB_val nothing = {.mv_data = age, .mv_size = 0};
    MDB_val is = {.mv_data = value, .mv_size = sizeof(value)};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi ages;
    MDB_dbi answers;

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 2), 0);
    assert_int_equal(mdb_env_set_mapsize(env, (size_t)256 * 1024 * 1024), 0);
    assert_int_equal(mdb_env_open(env, "table", MDB_NOSUBDIR | MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "ages", 0, &ages), 0);
    assert_int_equal(mdb_dbi_open(txn, "answers", 0, &answers), 0);
    for (int i = 0; i < 1400; i++) {
        size_t len = (size_t)snprintf(name, sizeof(age) - 8, "large%d", i);
        MDB_val by_age = {.mv_data = age, .mv_size = 8 + len};
        MDB_val by_key = {.mv_data = name, .mv_size = len};

        assert_int_equal(mdb_put(txn, ages, &by_age, &nothing, 0), 0);
        assert_int_equal(mdb_put(txn, answers, &by_key, &is, 0), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void expect_small(struct last_known *known)
{
    struct last_known_size size;

    expect(known, "joe", START + 1, "joe@store");
    last_known_measure(known, &size);
    assert_in_range(size.bytes, 1, usual.bytes_max);
    assert_int_equal(access("table.damaged", F_OK), -1);
}

static void test_limits_that_became_smaller(void **state)
{
    (void)state;
    last_known_close(open_with(&usual));
    grow_beyond();
    struct last_known *known = open_with(&usual);
    put(known, "joe", "joe@store", START + 1);
    assert_int_equal(write_all(known, START + 1), SLUICE_OK);
    expect_small(known);
    last_known_close(known);
}

/* As while a process of the configuration before, with larger limits, writes its last answers. */
static void test_another_process_makes_it_larger(void **state)
{
    struct last_known *known = open_with(&usual);
    pid_t child;
    int status;

    (void)state;
    put(known, "joe", "joe@store", START + 1);
    assert_int_equal(write_all(known, START + 1), SLUICE_OK);
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        grow_beyond();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    put(known, "ann", "ann@store", START + 1);
    assert_int_equal(write_all(known, START + 1), SLUICE_OK);
    expect(known, "ann", START + 1, "ann@store");
    expect_small(known);
    last_known_close(known);
}

/* That of a write, after which it counts. */
static void test_the_last_step_fails(void **state)
{
    struct last_known *known = open_with(&usual);

    (void)state;
    put(known, "joe", "joe@store", START + 1);
    assert_int_equal(write_all(known, START + 1), SLUICE_OK);
    put(known, "ann", "ann@store", START + 1);
    last_step_fails = true;
    sluice_status st = write_all(known, START + 1);
    last_step_fails = false;
    assert_int_equal(st, SLUICE_TEMP);
    expect_unknown(known, "never", START + 1);
    put(known, "ann", "ann@store", START + 1);
    assert_int_equal(write_all(known, START + 1), SLUICE_OK);
    expect(known, "ann", START + 1, "ann@store");
    expect_small(known);
    last_known_close(known);
}

static void test_no_folder(void **state)
{
    struct last_known *known;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(last_known_open("no/table", &usual, &known, &err), SLUICE_TEMP);
    assert_non_null(strstr(err.text, "no/table"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_it_outlives_the_process),
        TEST(test_how_much_there_is),
        TEST(test_forgetting),
        TEST(test_forgetting_all),
        TEST(test_a_file_without_misses),
        TEST(test_the_last_answer_counts),
        TEST(test_while_it_is_being_written),
        TEST(test_age),
        TEST(test_the_same_answer_again),
        TEST(test_a_long_key),
        TEST(test_the_oldest_go),
        TEST(test_misses_have_bounds_of_their_own),
        TEST(test_misses_that_wait_have_too),
        TEST(test_a_file_that_is_none),
        TEST(test_damage_inside),
        TEST(test_killed_while_it_writes),
        TEST(test_a_full_disk),
        TEST(test_limits_that_became_smaller),
        TEST(test_another_process_makes_it_larger),
        TEST(test_the_last_step_fails),
        TEST(test_no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
