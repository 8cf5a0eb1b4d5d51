/* SPDX-License-Identifier: ISC */
/*
 * reader: answers from NAME.db, and notices by itself when the file is another one.
 *
 * Each find takes the file's lock without waiting and compares what stat() says with what it said
 * when the file was opened; all that costs about a microsecond. A file that cannot be opened is
 * tried again when it changes, else once a second.
 */
#include "hash.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_BYTES (1024 * 1024) /* of pages, for each table */
#define RETRY_MS 1000
#define EDIT_SECONDS 100 /* a text this young may still be edited */

/* What tells one state of a file from another. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

/* How the keys of a file end; found out by the first one that is there (Postfix's rule). */
enum key_style { STYLE_UNKNOWN, STYLE_WITH_NUL, STYLE_WITHOUT_NUL };

struct sluice_lookup {
    const struct sluice_host *host;
    const struct sluice_clock *clock;
    char *path;
    char *key; /* scratch: the key with its NUL */
    size_t key_size;

    int fd; /* -1: not open */
    DB *db; /* NULL: not open */
    enum key_style style;
    struct stamp stamp; /* of what is open, or of what could not be opened */
    int64_t retry_ms;   /* what could not be opened is left alone until then */
    char why[HASH_TEXT_MAX];
};

static struct stamp stamp_of(const struct stat *file)
{
    struct stamp stamp;

    memset(&stamp, 0, sizeof(stamp)); /* padding too: stamps are compared and hashed as bytes */
    stamp.device = file->st_dev;
    stamp.inode = file->st_ino;
    stamp.size = file->st_size;
    stamp.modified = file->st_mtim;
    stamp.changed = file->st_ctim;
    return stamp;
}

static int is_same(const struct stamp *a, const struct stamp *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static void table_shut(struct sluice_lookup *lookup)
{
    if (lookup->db != NULL)
        (void)lookup->db->close(lookup->db, DB_NOSYNC); /* only read */
    if (lookup->fd != -1)
        (void)close(lookup->fd); /* and with it the lock */
    lookup->db = NULL;
    lookup->fd = -1;
}

/* Shuts the table and remembers why, so that a bad file is not read through at every find. */
static sluice_status table_give_up(struct sluice_lookup *lookup, const char *reason,
                                   const struct sluice_errors *errors)
{
    table_shut(lookup);
    lookup->retry_ms = lookup->clock->monotonic_ms(lookup->host) + RETRY_MS;
    (void)snprintf(lookup->why, sizeof(lookup->why), "open database %s: %s", lookup->path, reason);
    errors->explain(errors, "4.3.0", lookup->why);
    return SLUICE_TEMP;
}

/* Does not wait: a look-up is asked on the role's loop. A file system without locks has none. */
static sluice_status table_lock(struct sluice_lookup *lookup, const struct sluice_errors *errors)
{
    if (flock(lookup->fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK)
        return hash_fail(errors, SLUICE_TEMP, "database %s: is being rewritten", lookup->path);
    return SLUICE_OK;
}

static const char *open_library(struct sluice_lookup *lookup)
{
    int error = hash_db_new(&lookup->db);

    if (error != 0)
        return db_strerror(error);
    error = lookup->db->set_cachesize(lookup->db, 0, CACHE_BYTES, 1);
    /* No mapping: a file cut off by its writer would end the process. */
    if (error == 0)
        error = lookup->db->open(lookup->db, NULL, lookup->path, NULL, DB_HASH,
                                 DB_RDONLY | DB_NOMMAP, 0);
    return error != 0 ? db_strerror(error) : NULL;
}

/* With the file open and locked: looks it through and hands it to the library. */
static const char *open_checked(struct sluice_lookup *lookup)
{
    struct stat file, named;
    struct stamp stamp;
    const char *wrong;

    if (fstat(lookup->fd, &file) == -1)
        return strerror(errno);
    lookup->stamp = stamp_of(&file);
    if (!S_ISREG(file.st_mode))
        return "not a regular file";
    wrong = check_file(lookup->fd, (uint64_t)file.st_size);
    if (wrong == NULL)
        wrong = open_library(lookup);
    if (wrong != NULL)
        return wrong;
    /* The library opened by name: was that the file that has been checked? */
    if (stat(lookup->path, &named) == -1)
        return strerror(errno);
    stamp = stamp_of(&named);
    return is_same(&stamp, &lookup->stamp) ? NULL : "changed while it was opened";
}

static sluice_status table_open(struct sluice_lookup *lookup, const struct sluice_errors *errors)
{
    const char *wrong;

    lookup->style = STYLE_UNKNOWN;
    lookup->fd = open(lookup->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (lookup->fd == -1)
        return table_give_up(lookup, strerror(errno), errors);
    if (table_lock(lookup, errors) != SLUICE_OK) {
        table_shut(lookup);
        return SLUICE_TEMP;
    }
    wrong = open_checked(lookup);
    return wrong == NULL ? SLUICE_OK : table_give_up(lookup, wrong, errors);
}

/* OK: the file that is there now is open and locked; table_end() is due. */
static sluice_status table_begin(struct sluice_lookup *lookup, const struct sluice_errors *errors)
{
    struct stat file;
    struct stamp stamp;

    if (lookup->fd != -1 && table_lock(lookup, errors) != SLUICE_OK)
        return SLUICE_TEMP;
    if (stat(lookup->path, &file) == -1)
        return table_give_up(lookup, strerror(errno), errors);
    stamp = stamp_of(&file);
    if (is_same(&stamp, &lookup->stamp)) {
        if (lookup->fd != -1)
            return SLUICE_OK;
        if (lookup->clock->monotonic_ms(lookup->host) < lookup->retry_ms) {
            errors->explain(errors, "4.3.0", lookup->why);
            return SLUICE_TEMP;
        }
    }
    table_shut(lookup);
    lookup->stamp = stamp;
    return table_open(lookup, errors);
}

static void table_end(struct sluice_lookup *lookup)
{
    if (lookup->fd != -1)
        (void)flock(lookup->fd, LOCK_UN); /* fails only where there are no locks */
}

/* Says so when the text was edited and postmap forgotten; not while an editor is at work. */
static void warn_if_older(const struct sluice_lookup *lookup, const char *source)
{
    const struct sluice_host *host = lookup->host;
    const struct sluice_log *log = host->get_service(host, SLUICE_LOG_ID);
    char line[HASH_TEXT_MAX];
    struct stat text;

    if (log == NULL || stat(source, &text) == -1 ||
        text.st_mtim.tv_sec <= lookup->stamp.modified.tv_sec ||
        lookup->clock->wall_ms(host) / 1000 - text.st_mtim.tv_sec < EDIT_SECONDS)
        return;
    (void)snprintf(line, sizeof(line), "database %s is older than source file %s", lookup->path,
                   source);
    log->write(host, SLUICE_LOG_WARNING, line);
}

sluice_status hash_open(const struct sluice_host *host, const struct sluice_config *config,
                        const char *name, const struct sluice_errors *errors,
                        struct sluice_lookup **ret_lookup)
{
    struct sluice_lookup *lookup;

    (void)config; /* its only option is the writer's */
    if (name[0] == '\0')
        return hash_fail(errors, SLUICE_CONFIG, "hash: needs the path of a table");
    lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return hash_fail(errors, SLUICE_TEMP, "open database %s: out of memory", name);
    lookup->host = host;
    lookup->fd = -1;
    lookup->clock = host->get_service(host, SLUICE_CLOCK_ID);
    if (lookup->clock == NULL) {
        hash_close(lookup);
        return hash_fail(errors, SLUICE_CONFIG, "hash: the host has no clock");
    }
    if (asprintf(&lookup->path, "%s" HASH_SUFFIX, name) == -1) {
        lookup->path = NULL;
        hash_close(lookup);
        return hash_fail(errors, SLUICE_TEMP, "open database %s: out of memory", name);
    }
    if (table_begin(lookup, errors) != SLUICE_OK) {
        hash_close(lookup);
        return SLUICE_CONFIG;
    }
    table_end(lookup);
    warn_if_older(lookup, name);
    *ret_lookup = lookup;
    return SLUICE_OK;
}

void hash_close(struct sluice_lookup *lookup)
{
    if (lookup == NULL)
        return;
    table_shut(lookup);
    free(lookup->path);
    free(lookup->key);
    free(lookup);
}

/* The key with a NUL behind it; the copy is the table's, until the next find. */
static const char *terminated(struct sluice_lookup *lookup, struct sluice_span key)
{
    if (key.len >= lookup->key_size) {
        char *larger = realloc(lookup->key, key.len + 1);

        if (larger == NULL)
            return NULL;
        lookup->key = larger;
        lookup->key_size = key.len + 1;
    }
    if (key.len > 0)
        memcpy(lookup->key, key.ptr, key.len);
    lookup->key[key.len] = '\0';
    return lookup->key;
}

/* An error number of the library; a hit settles how this file's keys end. */
static int get_styled(struct sluice_lookup *lookup, const char *key, size_t len, DBT *value)
{
    int error = DB_NOTFOUND;

    if (lookup->style != STYLE_WITHOUT_NUL) {
        DBT with_nul = hash_dbt(key, len + 1);

        error = lookup->db->get(lookup->db, NULL, &with_nul, value, 0);
        if (error == 0)
            lookup->style = STYLE_WITH_NUL;
    }
    if (error == DB_NOTFOUND && lookup->style != STYLE_WITH_NUL) {
        DBT without_nul = hash_dbt(key, len);

        error = lookup->db->get(lookup->db, NULL, &without_nul, value, 0);
        if (error == 0)
            lookup->style = STYLE_WITHOUT_NUL;
    }
    return error;
}

static sluice_status find_locked(struct sluice_lookup *lookup, struct sluice_span key,
                                 const struct sluice_lookup_sink *sink,
                                 const struct sluice_errors *errors)
{
    DBT value = hash_dbt(NULL, 0);
    const char *copy = terminated(lookup, key);
    int error;

    if (copy == NULL || key.len >= UINT32_MAX)
        return hash_fail(errors, SLUICE_TEMP, "database %s: out of memory", lookup->path);
    error = get_styled(lookup, copy, key.len, &value);
    if (error == DB_NOTFOUND)
        return SLUICE_NOT_FOUND;
    if (error != 0)
        return table_give_up(lookup, db_strerror(error), errors);
    sink->value(sink, hash_value(&value));
    return SLUICE_OK;
}

sluice_status hash_find(struct sluice_lookup *lookup, struct sluice_span key, int64_t deadline_ms,
                        const struct sluice_lookup_sink *sink, const struct sluice_errors *errors)
{
    sluice_status status = table_begin(lookup, errors);

    (void)deadline_ms; /* does not wait */
    if (status != SLUICE_OK)
        return status;
    status = find_locked(lookup, key, sink, errors);
    table_end(lookup);
    return status;
}

/* FNV-1a over the stamp: no more is promised than another number for another state. */
sluice_status hash_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    uint64_t generation = UINT64_C(14695981039346656037);
    struct stat file;
    struct stamp stamp;
    unsigned char bytes[sizeof(stamp)];

    if (stat(lookup->path, &file) == -1)
        return SLUICE_TEMP;
    stamp = stamp_of(&file);
    memcpy(bytes, &stamp, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        generation = (generation ^ bytes[i]) * UINT64_C(1099511628211);
    *ret_generation = generation;
    return SLUICE_OK;
}

sluice_status hash_list(struct sluice_lookup *lookup, const struct sluice_lookup_entry_sink *sink,
                        const struct sluice_errors *errors)
{
    int error = 0;
    sluice_status status = table_begin(lookup, errors);

    if (status != SLUICE_OK)
        return status;
    status = hash_each(lookup->db, sink, &error);
    if (error != 0)
        status = table_give_up(lookup, db_strerror(error), errors);
    table_end(lookup);
    return status;
}
