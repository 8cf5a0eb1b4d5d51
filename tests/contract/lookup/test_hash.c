/* SPDX-License-Identifier: ISC */
/*
 * test_hash: files of lookup/hash: those of Postfix, damaged ones, changing ones, and its writer.
 */
#include "answers.h"
#include "host.h"

#include <db.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PATH_SIZE 128
#define LOOK_MS 1 /* the plugin looks so often */
#define LARGE_COUNT 80000 /* entries that make more than it copies */
#define ENTRY_COUNT 3000 /* enough for many pages and long ones */
#define LONG_LEN 9000    /* more than a page */

static const char *plugin_path; /* from the command line */

struct fixture {
    struct test_host host;
    struct test_errors errors;
    const struct sluice_plugin_desc *desc;
    const struct sluice_lookup_ops *ops;
    struct sluice_config *config;
    struct sluice_lookup *lookup;
    char folder[64], name[PATH_SIZE], file[PATH_SIZE];
};

static int setup(void **state)
{
    static struct fixture fixture; /* one at a time, and cmocka ends a failed test by longjmp */

    memset(&fixture, 0, sizeof(fixture));
    test_host_init(&fixture.host, "hash");
    test_errors_init(&fixture.errors);
    fixture.desc = test_plugin_load(plugin_path);
    fixture.ops = test_plugin_interface(fixture.desc, SLUICE_LOOKUP_ID);
    fixture.config = test_config_new(fixture.desc, NULL);
    snprintf(fixture.folder, sizeof(fixture.folder), "/tmp/sluice-hash-XXXXXX");
    assert_non_null(mkdtemp(fixture.folder));
    snprintf(fixture.name, PATH_SIZE, "%s/table", fixture.folder);
    snprintf(fixture.file, PATH_SIZE, "%s/table.db", fixture.folder);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[PATH_SIZE];

    fixture->ops->close(fixture->lookup);
    test_config_free(fixture->config);
    snprintf(command, sizeof(command), "rm -r %s", fixture->folder);
    return system(command);
}

/* ---- files, made with the library alone ------------------------------------------------------ */

static void put_raw(DB *db, const void *key, size_t key_len, const void *value, size_t value_len)
{
    DBT k, v;

    memset(&k, 0, sizeof(k));
    memset(&v, 0, sizeof(v));
    memcpy(&k.data, &key, sizeof(k.data));
    memcpy(&v.data, &value, sizeof(v.data));
    k.size = (u_int32_t)key_len;
    v.size = (u_int32_t)value_len;
    assert_int_equal(db->put(db, NULL, &k, &v, 0), 0);
}

static DB *raw_new(const char *file)
{
    DB *db;

    assert_int_equal(db_create(&db, NULL, 0), 0);
    assert_int_equal(db->set_h_nelem(db, 4096), 0);
    assert_int_equal(db->open(db, NULL, file, NULL, DB_HASH, DB_CREATE | DB_TRUNCATE, 0644), 0);
    return db;
}

/* As Postfix's postmap makes it; nul: 1 for its NUL bytes. */
static void make_table(const char *file, int count, size_t nul)
{
    DB *db = raw_new(file);
    char key[64], value[64];

    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "customer%d.tld", i);
        snprintf(value, sizeof(value), "etrn-only:[mail%d]", i);
        put_raw(db, key, strlen(key) + nul, value, strlen(value) + nul);
    }
    assert_int_equal(db->close(db, 0), 0);
}

static void make_one(const char *file, const char *key, const char *value)
{
    DB *db = raw_new(file);

    put_raw(db, key, strlen(key) + 1, value, strlen(value) + 1);
    assert_int_equal(db->close(db, 0), 0);
}

static void write_file(const char *file, const void *data, size_t len)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(close(fd), 0);
}

static unsigned char *read_file(const char *file, size_t *ret_len)
{
    struct stat found;
    unsigned char *data;
    int fd = open(file, O_RDONLY);

    assert_int_not_equal(fd, -1);
    assert_int_equal(fstat(fd, &found), 0);
    *ret_len = (size_t)found.st_size;
    data = malloc(*ret_len + 1);
    assert_non_null(data);
    assert_int_equal(read(fd, data, *ret_len), *ret_len);
    assert_int_equal(close(fd), 0);
    return data;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static sluice_status try_open(struct fixture *fixture)
{
    return fixture->ops->open(&fixture->host.sdk, fixture->config, fixture->name,
                              &fixture->errors.sdk, &fixture->lookup);
}

static sluice_status find_now(struct fixture *fixture, const char *key, struct answer *answer)
{
    answer_init(answer);
    test_errors_init(&fixture->errors);
    return fixture->ops->find(fixture->lookup, sluice_span_of(key), 0, &answer->sdk,
                              &fixture->errors.sdk);
}

/* When it is time to look whether the file is another one. */
static sluice_status find(struct fixture *fixture, const char *key, struct answer *answer)
{
    fixture->host.monotonic_ms += LOOK_MS;
    return find_now(fixture, key, answer);
}

static void assert_found(struct fixture *fixture, const char *key, const char *value)
{
    struct answer answer;

    assert_int_equal(find(fixture, key, &answer), SLUICE_OK);
    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.value, value);
    assert_int_equal(fixture->errors.count, 0);
}

static void assert_missing(struct fixture *fixture, const char *key)
{
    struct answer answer;

    assert_int_equal(find(fixture, key, &answer), SLUICE_NOT_FOUND);
    assert_int_equal(fixture->errors.count, 0);
}

/* TEMP with one text that names the file and the reason. */
static void assert_temp(struct fixture *fixture, const char *key, const char *reason)
{
    struct answer answer;

    assert_int_equal(find(fixture, key, &answer), SLUICE_TEMP);
    assert_int_equal(answer.count, 0);
    assert_int_equal(fixture->errors.count, 1);
    assert_non_null(strstr(fixture->errors.text, fixture->file));
    if (strstr(fixture->errors.text, reason) == NULL)
        fail_msg("expected \"%s\" in \"%s\"", reason, fixture->errors.text);
}

static void tick(struct fixture *fixture)
{
    fixture->host.monotonic_ms += 1000;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void test_reads_both_styles(void **state)
{
    struct fixture *fixture = *state;

    for (size_t nul = 0; nul < 2; nul++) {
        make_table(fixture->file, ENTRY_COUNT, nul);
        assert_int_equal(try_open(fixture), SLUICE_OK);
        for (int i = 0; i < ENTRY_COUNT; i++) {
            char key[64], value[64];

            snprintf(key, sizeof(key), "customer%d.tld", i);
            snprintf(value, sizeof(value), "etrn-only:[mail%d]", i);
            assert_found(fixture, key, value);
        }
        assert_missing(fixture, "customer3000.tld");
        fixture->ops->close(fixture->lookup);
        fixture->lookup = NULL;
    }
}

/* T-52: the style that succeeds first is the only one from then on. */
static void test_style_sticks(void **state)
{
    struct fixture *fixture = *state;
    DB *db = raw_new(fixture->file);

    put_raw(db, "with", 5, "1", 2);
    put_raw(db, "without", 7, "2", 1);
    assert_int_equal(db->close(db, 0), 0);
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_missing(fixture, "neither");
    assert_found(fixture, "without", "2");
    assert_missing(fixture, "with");
    fixture->ops->close(fixture->lookup);
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "with", "1");
    assert_missing(fixture, "without");
}

/* T-2, T-53 */
static void test_values(void **state)
{
    struct fixture *fixture = *state;
    char *large = malloc(LONG_LEN);
    DB *db = raw_new(fixture->file);
    struct answer answer;

    assert_non_null(large);
    memset(large, 'v', LONG_LEN);
    put_raw(db, "cut", 4, "abc\0def", 8);
    put_raw(db, "empty", 6, "", 1);
    put_raw(db, "nothing", 8, "", 0);
    put_raw(db, "long", 5, large, LONG_LEN);
    assert_int_equal(db->close(db, 0), 0);
    free(large);
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "cut", "abc");
    assert_found(fixture, "empty", ""); /* the host makes it an error */
    assert_found(fixture, "nothing", "");
    assert_int_equal(find(fixture, "long", &answer), SLUICE_OK);
    assert_int_equal(answer.len, LONG_LEN);
}

/* ---- files that change ----------------------------------------------------------------------- */

static void test_missing_at_open(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(try_open(fixture), SLUICE_CONFIG);
    assert_null(fixture->lookup);
    assert_int_equal(fixture->errors.count, 1);
    assert_non_null(strstr(fixture->errors.text, "open database /tmp/sluice-hash-"));
    assert_non_null(strstr(fixture->errors.text, "/table.db: No such file or directory"));
    fixture->name[0] = '\0';
    assert_int_equal(try_open(fixture), SLUICE_CONFIG);
}

static void test_goes_and_comes_back(void **state)
{
    struct fixture *fixture = *state;

    make_one(fixture->file, "k", "before");
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "k", "before");
    assert_int_equal(unlink(fixture->file), 0);
    assert_temp(fixture, "k", "No such file or directory");
    assert_temp(fixture, "other", "No such file or directory");
    make_one(fixture->file, "k", "after");
    assert_found(fixture, "k", "after"); /* at once: the file is another one */
}

static void test_replaced_and_rewritten(void **state)
{
    struct fixture *fixture = *state;
    uint64_t first, second, third;
    char other[PATH_SIZE];

    make_one(fixture->file, "k", "1");
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "k", "1");
    assert_int_equal(fixture->ops->generation(fixture->lookup, &first), SLUICE_OK);

    snprintf(other, sizeof(other), "%s/other.db", fixture->folder);
    make_one(other, "k", "2");
    assert_int_equal(rename(other, fixture->file), 0);
    assert_found(fixture, "k", "2");
    assert_int_equal(fixture->ops->generation(fixture->lookup, &second), SLUICE_OK);
    assert_int_not_equal(first, second);

    make_table(fixture->file, 10, 1); /* in place, as Postfix does it */
    assert_found(fixture, "customer7.tld", "etrn-only:[mail7]");
    assert_missing(fixture, "k");
    assert_int_equal(fixture->ops->generation(fixture->lookup, &third), SLUICE_OK);
    assert_int_not_equal(second, third);
    assert_int_equal(unlink(fixture->file), 0);
    assert_int_equal(fixture->ops->generation(fixture->lookup, &third), SLUICE_TEMP);
}

static int open_locked(const struct fixture *fixture)
{
    int fd = open(fixture->file, O_RDWR);

    assert_int_not_equal(fd, -1);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    return fd;
}

/* Postfix's postmap holds the lock while it rewrites: what was there before counts meanwhile. */
static void test_locked_by_a_writer(void **state)
{
    struct fixture *fixture = *state;
    int fd;

    make_one(fixture->file, "k", "v");
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "k", "v");
    fd = open_locked(fixture);
    assert_found(fixture, "k", "v");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_found(fixture, "k", "v");
    assert_missing(fixture, "other");
    assert_int_equal(flock(fd, LOCK_UN), 0);
    assert_temp(fixture, "other", "the file is empty");
    assert_int_equal(close(fd), 0);
    make_one(fixture->file, "k", "w");
    assert_found(fixture, "k", "w");
    assert_int_equal(close(open_locked(fixture)), 0); /* no find leaves its lock behind */
}

/* One that is too large to be copied is locked by each find: nothing is "not found" meanwhile. */
static void test_large_locked_by_a_writer(void **state)
{
    struct fixture *fixture = *state;
    struct stat info;
    int fd;

    make_table(fixture->file, LARGE_COUNT, 1);
    assert_int_equal(stat(fixture->file, &info), 0);
    assert_true(info.st_size > 4 * 1024 * 1024);
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "customer7.tld", "etrn-only:[mail7]");
    fd = open_locked(fixture);
    assert_temp(fixture, "customer7.tld", "is being rewritten");
    assert_temp(fixture, "other", "is being rewritten");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_temp(fixture, "other", "is being rewritten");
    assert_int_equal(flock(fd, LOCK_UN), 0);
    assert_temp(fixture, "other", "the file is empty");
    assert_int_equal(close(fd), 0);
    make_one(fixture->file, "k", "w");
    assert_found(fixture, "k", "w");
    assert_int_equal(close(open_locked(fixture)), 0); /* no find leaves its lock behind */
}

/* A change is seen at the next look, and looks are not dearer than they have to be. */
static void test_looks_now_and_then(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;

    make_one(fixture->file, "k", "1");
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "k", "1");
    make_one(fixture->file, "k", "2");
    fixture->host.monotonic_ms += LOOK_MS - 1;
    assert_int_equal(find_now(fixture, "k", &answer), SLUICE_OK);
    assert_string_equal(answer.value, "1");
    fixture->host.monotonic_ms++;
    assert_int_equal(find_now(fixture, "k", &answer), SLUICE_OK);
    assert_string_equal(answer.value, "2");
}

/* A bad file is looked through again when it changes, else once a second. */
static void test_bad_file_is_left_alone(void **state)
{
    struct fixture *fixture = *state;

    make_one(fixture->file, "k", "v");
    assert_int_equal(try_open(fixture), SLUICE_OK);
    write_file(fixture->file, "garbage", 7);
    for (int i = 0; i < 3; i++) {
        assert_temp(fixture, "k", "not a Berkeley DB hash file");
        tick(fixture);
    }
    make_one(fixture->file, "k", "good again");
    assert_found(fixture, "k", "good again");
}

/* T-43 */
static void test_older_than_its_source(void **state)
{
    static const struct {
        const char *name;
        time_t table, source;
        int is_told;
    } cases[] = {
        {"newer", 1000, 900, 0},
        {"as old", 1000, 1000, 0},
        {"older", 1000, 1001, 1},
        {"older, but the source is just being edited", 1000, 1699999950, 0},
    };
    struct fixture *fixture = *state;

    make_one(fixture->file, "k", "v");
    write_file(fixture->name, "k v", 3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct timespec table[2] = {{.tv_sec = cases[i].table}, {.tv_sec = cases[i].table}};
        struct timespec source[2] = {{.tv_sec = cases[i].source}, {.tv_sec = cases[i].source}};

        print_message("%s\n", cases[i].name);
        assert_int_equal(utimensat(AT_FDCWD, fixture->file, table, 0), 0);
        assert_int_equal(utimensat(AT_FDCWD, fixture->name, source, 0), 0);
        fixture->host.log[0] = '\0';
        assert_int_equal(try_open(fixture), SLUICE_OK);
        assert_int_equal(strstr(fixture->host.log, " is older than source file ") != NULL,
                         cases[i].is_told);
        assert_found(fixture, "k", "v");
        fixture->ops->close(fixture->lookup);
        fixture->lookup = NULL;
    }
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Whatever is left of a table, a key that was in it is never "not found" (T-45). */
static void test_cut_off_anywhere(void **state)
{
    struct fixture *fixture = *state;
    size_t len, cut;
    unsigned char *whole;
    struct answer answer;

    make_table(fixture->file, ENTRY_COUNT, 1);
    assert_int_equal(try_open(fixture), SLUICE_OK);
    whole = read_file(fixture->file, &len);
    for (cut = 0; cut < len; cut += cut < 1024 ? 100 : 4096) {
        write_file(fixture->file, whole, cut);
        assert_int_equal(find(fixture, "customer1234.tld", &answer), SLUICE_TEMP);
    }
    write_file(fixture->file, whole, len);
    assert_found(fixture, "customer1234.tld", "etrn-only:[mail1234]");
    free(whole);
}

static void test_other_files(void **state)
{
    struct fixture *fixture = *state;
    unsigned char noise[16384];
    DB *db;

    make_one(fixture->file, "k", "v");
    assert_int_equal(try_open(fixture), SLUICE_OK);
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (unsigned char)(i * 2654435761u >> 13);
    write_file(fixture->file, noise, sizeof(noise));
    assert_temp(fixture, "k", "not a Berkeley DB hash file");
    write_file(fixture->file, "customer.tld smtp:\n", 19);
    assert_temp(fixture, "k", "not a Berkeley DB hash file");
    assert_int_equal(unlink(fixture->file), 0);
    assert_int_equal(mkdir(fixture->file, 0700), 0);
    assert_temp(fixture, "k", "not a regular file");
    assert_int_equal(rmdir(fixture->file), 0);
    assert_int_equal(mkfifo(fixture->file, 0600), 0);
    assert_temp(fixture, "k", "not a regular file"); /* and does not wait for a writer */
    assert_int_equal(unlink(fixture->file), 0);

    assert_int_equal(db_create(&db, NULL, 0), 0);
    assert_int_equal(db->open(db, NULL, fixture->file, NULL, DB_BTREE, DB_CREATE, 0600), 0);
    put_raw(db, "k", 2, "v", 2);
    assert_int_equal(db->close(db, 0), 0);
    assert_temp(fixture, "k", "not a Berkeley DB hash file");
}

/*
 * Bytes of each page's header and offsets, one after the other, set to nonsense: the file is refused
 * or read, but nothing crashes or runs for ever.
 */
static void test_damaged_bytes(void **state)
{
    static const unsigned char nonsense[] = {0x00, 0x01, 0x7f, 0xff};
    struct fixture *fixture = *state;
    size_t len, refused = 0;
    unsigned char *data;
    DB *db = raw_new(fixture->file);
    char *large = calloc(1, LONG_LEN);

    assert_non_null(large);
    memset(large, 'v', LONG_LEN - 1);
    put_raw(db, "k", 2, "v", 2);
    put_raw(db, "long", 5, large, LONG_LEN);
    assert_int_equal(db->close(db, 0), 0);
    free(large);
    assert_int_equal(try_open(fixture), SLUICE_OK);
    data = read_file(fixture->file, &len);
    for (size_t at = 0; at < len; at += at % 4096 < 256 ? 1 : 509) {
        for (size_t i = 0; i < sizeof(nonsense); i++) {
            unsigned char kept = data[at];
            struct answer answer;

            data[at] = nonsense[i];
            write_file(fixture->file, data, len);
            tick(fixture);
            refused += find(fixture, "k", &answer) == SLUICE_TEMP ? 1 : 0;
            (void)find(fixture, "long", &answer); /* the sanitizers watch */
            data[at] = kept;
        }
    }
    free(data);
    assert_true(refused > 100);
}

/* ---- writing --------------------------------------------------------------------------------- */

struct build {
    struct fixture *fixture;
    struct sluice_lookup_writer *writer;
};

static void build_open(struct build *build, struct fixture *fixture, int32_t is_update,
                       uint32_t mode)
{
    build->fixture = fixture;
    build->writer = NULL;
    assert_int_equal(fixture->ops->write_open(&fixture->host.sdk, fixture->config, fixture->name,
                                              is_update, mode, &fixture->errors.sdk,
                                              &build->writer),
                     SLUICE_OK);
}

static sluice_status build_put(struct build *build, const char *key, const char *value,
                               int32_t replace)
{
    return build->fixture->ops->write_put(build->writer, sluice_span_of(key), sluice_span_of(value),
                                          replace, &build->fixture->errors.sdk);
}

static sluice_status build_commit(struct build *build)
{
    return build->fixture->ops->write_commit(build->writer, &build->fixture->errors.sdk);
}

static int exists(const struct fixture *fixture, const char *suffix)
{
    char path[2 * PATH_SIZE];

    snprintf(path, sizeof(path), "%s%s", fixture->name, suffix);
    return access(path, F_OK) == 0;
}

static void test_writer(void **state)
{
    struct fixture *fixture = *state;
    struct build build;
    struct stat file;

    build_open(&build, fixture, 0, 0640);
    assert_int_equal(build_put(&build, "a", "1", 0), SLUICE_OK);
    assert_int_equal(build_put(&build, "a", "2", 0), SLUICE_NOT_FOUND); /* first value kept */
    assert_int_equal(build_put(&build, "b", "3", 0), SLUICE_OK);
    assert_int_equal(build_put(&build, "b", "4", 1), SLUICE_OK);
    assert_int_equal(build_put(&build, "c", "5", 1), SLUICE_OK);
    assert_int_equal(
        fixture->ops->write_remove(build.writer, sluice_span_of("c"), &fixture->errors.sdk),
        SLUICE_OK);
    assert_int_equal(
        fixture->ops->write_remove(build.writer, sluice_span_of("c"), &fixture->errors.sdk),
        SLUICE_NOT_FOUND);
    assert_false(exists(fixture, ".db"));
    assert_int_equal(build_commit(&build), SLUICE_OK);
    assert_false(exists(fixture, ".db.new"));
    assert_int_equal(stat(fixture->file, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0640);

    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "a", "1");
    assert_found(fixture, "b", "4");
    assert_missing(fixture, "c");
}

/* An update begins with what is there, whoever wrote it; another build begins with nothing. */
static void test_update(void **state)
{
    struct fixture *fixture = *state;
    struct build build;
    struct stat file;

    make_table(fixture->file, 100, 0);
    build_open(&build, fixture, 1, 0644);
    assert_int_equal(build_put(&build, "customer5.tld", "x", 0), SLUICE_NOT_FOUND);
    assert_int_equal(build_put(&build, "customer6.tld", "y", 1), SLUICE_OK);
    assert_int_equal(build_put(&build, "new.tld", "z", 0), SLUICE_OK);
    assert_int_equal(build_commit(&build), SLUICE_OK);
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "customer5.tld", "etrn-only:[mail5]");
    assert_found(fixture, "customer6.tld", "y");
    assert_found(fixture, "customer99.tld", "etrn-only:[mail99]");
    assert_found(fixture, "new.tld", "z");

    build_open(&build, fixture, 0, 0644);
    assert_int_equal(build_put(&build, "only.tld", "1", 0), SLUICE_OK);
    assert_found(fixture, "new.tld", "z"); /* readers are not in the way, nor kept out */
    assert_int_equal(build_commit(&build), SLUICE_OK);
    assert_found(fixture, "only.tld", "1");
    assert_missing(fixture, "new.tld");
    assert_int_equal(chmod(fixture->file, 0604), 0);
    build_open(&build, fixture, 0, 0640);
    assert_int_equal(build_commit(&build), SLUICE_OK);
    assert_int_equal(stat(fixture->file, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0604); /* a table that is there keeps its mode */
}

static void test_update_of_a_damaged_table(void **state)
{
    struct fixture *fixture = *state;
    struct sluice_lookup_writer *writer = NULL;

    write_file(fixture->file, "garbage", 7);
    assert_int_not_equal(fixture->ops->write_open(&fixture->host.sdk, fixture->config,
                                                  fixture->name, 1, 0600, &fixture->errors.sdk,
                                                  &writer),
                         SLUICE_OK);
    assert_null(writer);
    assert_true(fixture->errors.text[0] != '\0');
    assert_false(exists(fixture, ".db.new"));
}

static void test_abort_keeps_the_old_table(void **state)
{
    struct fixture *fixture = *state;
    struct build build;

    make_one(fixture->file, "k", "old");
    build_open(&build, fixture, 0, 0600);
    assert_int_equal(build_put(&build, "k", "new", 0), SLUICE_OK);
    fixture->ops->write_abort(build.writer);
    assert_false(exists(fixture, ".db.new"));
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "k", "old");
}

/* T-42: killed while it builds. What is left behind is in nobody's way. */
static void test_killed_while_building(void **state)
{
    struct fixture *fixture = *state;
    struct build build;
    int status;
    pid_t child;

    make_one(fixture->file, "k", "old");
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        build_open(&build, fixture, 0, 0600);
        (void)build_put(&build, "k", "new", 0);
        _exit(7); /* as if killed: nothing is closed or removed */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_true(exists(fixture, ".db.new"));
    assert_int_equal(try_open(fixture), SLUICE_OK);
    assert_found(fixture, "k", "old");
    build_open(&build, fixture, 1, 0600);
    assert_int_equal(build_put(&build, "k", "newer", 1), SLUICE_OK);
    assert_int_equal(build_commit(&build), SLUICE_OK);
    assert_found(fixture, "k", "newer");
}

/* Several at once: each entry of each is there at the end. */
static void test_writers_take_turns(void **state)
{
    enum { WRITERS = 8 };
    struct fixture *fixture = *state;
    pid_t children[WRITERS];
    char key[16];

    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        assert_int_not_equal(children[i], -1);
        if (children[i] == 0) {
            struct build build;

            snprintf(key, sizeof(key), "k%d", i);
            build_open(&build, fixture, 1, 0600);
            _exit(build_put(&build, key, "v", 0) == SLUICE_OK && build_commit(&build) == SLUICE_OK
                      ? 0
                      : 1);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        int status;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(try_open(fixture), SLUICE_OK);
    for (int i = 0; i < WRITERS; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_found(fixture, key, "v");
    }
}

static void test_does_not_follow_a_link(void **state)
{
    struct fixture *fixture = *state;
    struct sluice_lookup_writer *writer = NULL;
    char link_path[PATH_SIZE + 8], victim[PATH_SIZE];
    size_t len;

    snprintf(link_path, sizeof(link_path), "%s.new", fixture->file);
    snprintf(victim, sizeof(victim), "%s/victim", fixture->folder);
    write_file(victim, "precious", 8);
    assert_int_equal(symlink(victim, link_path), 0);
    assert_int_equal(fixture->ops->write_open(&fixture->host.sdk, fixture->config, fixture->name, 0,
                                              0600, &fixture->errors.sdk, &writer),
                     SLUICE_TEMP);
    free(read_file(victim, &len));
    assert_int_equal(len, 8);
}

/* What Postfix would find: NUL bytes after both, or, on request, none. */
static void test_terminators(void **state)
{
    static const char *const without[] = {"terminated", "false", NULL};
    struct fixture *fixture = *state;

    for (size_t nul = 0; nul < 2; nul++) {
        struct build build;
        DBT key, value;
        DB *db;

        test_config_free(fixture->config);
        fixture->config = test_config_new(fixture->desc, nul == 1 ? NULL : without);
        build_open(&build, fixture, 0, 0600);
        assert_int_equal(build_put(&build, "k", "value", 0), SLUICE_OK);
        assert_int_equal(build_commit(&build), SLUICE_OK);
        assert_int_equal(db_create(&db, NULL, 0), 0);
        assert_int_equal(db->open(db, NULL, fixture->file, NULL, DB_HASH, DB_RDONLY, 0), 0);
        memset(&key, 0, sizeof(key));
        memset(&value, 0, sizeof(value));
        key.data = (char[]){"k"};
        key.size = (u_int32_t)(1 + nul);
        assert_int_equal(db->get(db, NULL, &key, &value, 0), 0);
        assert_int_equal(value.size, 5 + nul);
        assert_int_equal(db->close(db, 0), 0);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads_both_styles),
        TEST(test_style_sticks),
        TEST(test_values),
        TEST(test_missing_at_open),
        TEST(test_goes_and_comes_back),
        TEST(test_replaced_and_rewritten),
        TEST(test_locked_by_a_writer),
        TEST(test_large_locked_by_a_writer),
        TEST(test_looks_now_and_then),
        TEST(test_bad_file_is_left_alone),
        TEST(test_older_than_its_source),
        TEST(test_cut_off_anywhere),
        TEST(test_other_files),
        TEST(test_damaged_bytes),
        TEST(test_writer),
        TEST(test_update),
        TEST(test_update_of_a_damaged_table),
        TEST(test_abort_keeps_the_old_table),
        TEST(test_killed_while_building),
        TEST(test_writers_take_turns),
        TEST(test_does_not_follow_a_link),
        TEST(test_terminators),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s hash.so\n", argv[0]);
        return 2;
    }
    plugin_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
