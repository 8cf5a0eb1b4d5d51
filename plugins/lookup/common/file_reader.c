/* SPDX-License-Identifier: ISC */
/*
 * file_reader: answers from NAME and its suffix, and notices by itself when the file is another one.
 *
 * A small file is copied when it is opened, and the library reads the copy, which no writer touches:
 * a find needs no lock, and whether the file is another one now is asked every LOOK_MS. That leaves a
 * find 1 µs of 4, and none of 3 system calls. While a writer is at the file the copy goes on answering.
 *
 * With a large file each find takes the file's lock without waiting and compares what stat() says with
 * what it said when the file was opened. What cannot be opened is tried again when it changes, else
 * once a second.
 */
#include "file_table.h"

#include "explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_MAX ((off_t)4 * 1024 * 1024) /* larger files are not copied */
#define LOOK_MS 1 /* who has run postmap and asks again gets the new answer */
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
    char *path, *companion; /* the latter NULL: needs none */
    char *key;              /* scratch: the key with its NUL */
    size_t key_size;

    int fd; /* of the file or of its copy; -1: not open */
    int is_copy;
    int64_t look_ms; /* a copy needs no look at the file before */
    void *data;      /* the format's; NULL: not open */
    enum key_style style;
    struct stamp stamp; /* of what is open, or of what could not be opened */
    int64_t retry_ms;   /* what could not be opened is left alone until then */
    char why[EXPLAIN_MAX];
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
    file_format.close(lookup->data);
    if (lookup->fd != -1)
        (void)close(lookup->fd); /* and with it the lock */
    lookup->data = NULL;
    lookup->fd = -1;
    lookup->is_copy = 0;
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
static int lock_file(int fd)
{
    return flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

static sluice_status being_rewritten(const struct sluice_lookup *lookup,
                                     const struct sluice_errors *errors)
{
    return explain(errors, SLUICE_TEMP, "database %s: is being rewritten", lookup->path);
}

static int copy_bytes(int from, int to, off_t size)
{
    off_t offset = 0;

    while (offset < size) {
        ssize_t n = sendfile(to, from, &offset, (size_t)(size - offset));
        if (n == 0 || (n == -1 && errno != EINTR))
            return 0;
    }
    return 1;
}

/* Puts a copy in the file's place, if one can be made. */
static void make_copy(struct sluice_lookup *lookup)
{
    int copy = lookup->stamp.size <= COPY_MAX ? memfd_create("sluice-table", MFD_CLOEXEC) : -1;

    if (copy == -1)
        return;
    if (copy_bytes(lookup->fd, copy, lookup->stamp.size) == 0) {
        (void)close(copy);
        return;
    }
    (void)close(lookup->fd);
    lookup->fd = copy;
    lookup->is_copy = 1;
}

static const char *open_format(struct sluice_lookup *lookup)
{
    char copy_path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
    struct file_source source = {
        .fd = lookup->fd,
        .path = lookup->is_copy ? copy_path : lookup->path,
        .is_copy = lookup->is_copy,
        .size = (uint64_t)lookup->stamp.size,
    };

    (void)snprintf(copy_path, sizeof(copy_path), "/proc/self/fd/%d", lookup->fd);
    return file_format.open(&source, &lookup->data);
}

/* With the file open and locked: hands it to the format. */
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
    make_copy(lookup);
    wrong = open_format(lookup);
    if (wrong != NULL || lookup->is_copy)
        return wrong;
    /* A library opens by name: was that the file that has been checked? */
    if (stat(lookup->path, &named) == -1)
        return strerror(errno);
    stamp = stamp_of(&named);
    return is_same(&stamp, &lookup->stamp) ? NULL : "changed while it was opened";
}

/* Opens what is there now, and had that stamp a moment ago, in place of what is open. */
static sluice_status table_open(struct sluice_lookup *lookup, const struct stamp *stamp,
                                const struct sluice_errors *errors)
{
    int fd = open(lookup->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *wrong;

    if (fd == -1) {
        lookup->stamp = *stamp;
        return table_give_up(lookup, strerror(errno), errors);
    }
    if (!lock_file(fd)) {
        (void)close(fd);
        if (lookup->is_copy)
            return SLUICE_OK; /* what it was before goes on answering */
        table_shut(lookup);
        return being_rewritten(lookup, errors);
    }
    table_shut(lookup);
    lookup->fd = fd;
    lookup->style = STYLE_UNKNOWN;
    wrong = open_checked(lookup);
    return wrong == NULL ? SLUICE_OK : table_give_up(lookup, wrong, errors);
}

/* OK: what is there is open; TEMP: it could not be opened a moment ago. Else NOT_FOUND. */
static sluice_status table_known(struct sluice_lookup *lookup, const struct stamp *stamp,
                                 int64_t now_ms, const struct sluice_errors *errors)
{
    if (!is_same(stamp, &lookup->stamp))
        return SLUICE_NOT_FOUND;
    if (lookup->fd != -1)
        return SLUICE_OK;
    if (now_ms >= lookup->retry_ms)
        return SLUICE_NOT_FOUND;
    errors->explain(errors, "4.3.0", lookup->why);
    return SLUICE_TEMP;
}

static int has_companion(const struct sluice_lookup *lookup)
{
    return lookup->companion == NULL || access(lookup->companion, F_OK) == 0;
}

/* OK: the file that is there now is open, and locked if it is no copy; table_end() is due. */
static sluice_status table_begin(struct sluice_lookup *lookup, const struct sluice_errors *errors)
{
    int64_t now_ms = lookup->clock->monotonic_ms(lookup->host);
    struct stat file;
    struct stamp stamp;
    sluice_status status;

    if (lookup->is_copy && now_ms < lookup->look_ms)
        return SLUICE_OK;
    if (lookup->fd != -1 && !lookup->is_copy && !lock_file(lookup->fd))
        return being_rewritten(lookup, errors);
    if (stat(lookup->path, &file) == -1 || !has_companion(lookup))
        return table_give_up(lookup, strerror(errno), errors);
    lookup->look_ms = now_ms + LOOK_MS;
    stamp = stamp_of(&file);
    status = table_known(lookup, &stamp, now_ms, errors);
    if (status != SLUICE_NOT_FOUND)
        return status;
    return table_open(lookup, &stamp, errors);
}

static void table_end(struct sluice_lookup *lookup)
{
    if (lookup->fd != -1 && !lookup->is_copy)
        (void)flock(lookup->fd, LOCK_UN); /* fails only where there are no locks */
}

/* Says so when the text was edited and postmap forgotten; not while an editor is at work. */
static void warn_if_older(const struct sluice_lookup *lookup, const char *source)
{
    const struct sluice_host *host = lookup->host;
    const struct sluice_log *log = host->get_service(host, SLUICE_LOG_ID);
    char line[EXPLAIN_MAX];
    struct stat text;

    if (log == NULL || stat(source, &text) == -1 ||
        text.st_mtim.tv_sec <= lookup->stamp.modified.tv_sec ||
        lookup->clock->wall_ms(host) / 1000 - text.st_mtim.tv_sec < EDIT_SECONDS)
        return;
    (void)snprintf(line, sizeof(line), "database %s is older than source file %s", lookup->path,
                   source);
    log->write(host, SLUICE_LOG_WARNING, line);
}

static int set_paths(struct sluice_lookup *lookup, const char *name)
{
    if (asprintf(&lookup->path, "%s%s", name, file_format.suffix) == -1)
        lookup->path = NULL;
    if (file_format.companion_suffix != NULL &&
        asprintf(&lookup->companion, "%s%s", name, file_format.companion_suffix) == -1) {
        lookup->companion = NULL;
        return 0;
    }
    return lookup->path != NULL;
}

sluice_status file_open(const struct sluice_host *host, const struct sluice_config *config,
                        const char *name, const struct sluice_errors *errors,
                        struct sluice_lookup **ret_lookup)
{
    struct sluice_lookup *lookup;

    (void)config; /* its only option is the writer's */
    if (name[0] == '\0')
        return explain(errors, SLUICE_CONFIG, "needs the path of a table");
    lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return explain(errors, SLUICE_TEMP, "open database %s: out of memory", name);
    lookup->host = host;
    lookup->fd = -1;
    lookup->clock = host->get_service(host, SLUICE_CLOCK_ID);
    if (lookup->clock == NULL) {
        file_close(lookup);
        return explain(errors, SLUICE_CONFIG, "the host has no clock");
    }
    if (!set_paths(lookup, name)) {
        file_close(lookup);
        return explain(errors, SLUICE_TEMP, "open database %s: out of memory", name);
    }
    if (table_begin(lookup, errors) != SLUICE_OK) {
        file_close(lookup);
        return SLUICE_CONFIG;
    }
    table_end(lookup);
    warn_if_older(lookup, name);
    *ret_lookup = lookup;
    return SLUICE_OK;
}

void file_close(struct sluice_lookup *lookup)
{
    if (lookup == NULL)
        return;
    table_shut(lookup);
    free(lookup->path);
    free(lookup->companion);
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

/* Asks in the style of the file; a hit settles which that is. */
static sluice_status get_styled(struct sluice_lookup *lookup, struct sluice_span key,
                                struct sluice_span *ret_value, const char **ret_why)
{
    struct sluice_span with_nul = {key.ptr, key.len + 1};
    sluice_status status = SLUICE_NOT_FOUND;

    if (lookup->style != STYLE_WITHOUT_NUL) {
        status = file_format.get(lookup->data, with_nul, ret_value, ret_why);
        if (status == SLUICE_OK)
            lookup->style = STYLE_WITH_NUL;
    }
    if (status == SLUICE_NOT_FOUND && lookup->style != STYLE_WITH_NUL) {
        status = file_format.get(lookup->data, key, ret_value, ret_why);
        if (status == SLUICE_OK)
            lookup->style = STYLE_WITHOUT_NUL;
    }
    return status;
}

/* The value that was stored: up to its first NUL byte (spec T-53). */
static struct sluice_span value_of(struct sluice_span stored)
{
    const char *nul = stored.len > 0 ? memchr(stored.ptr, '\0', stored.len) : NULL;

    if (nul != NULL)
        stored.len = (size_t)(nul - stored.ptr);
    return stored;
}

static sluice_status find_open(struct sluice_lookup *lookup, struct sluice_span key,
                               const struct sluice_lookup_sink *sink,
                               const struct sluice_errors *errors)
{
    const char *copy = terminated(lookup, key);
    const char *why = NULL;
    struct sluice_span value;
    sluice_status status;

    if (copy == NULL || key.len >= UINT32_MAX)
        return explain(errors, SLUICE_TEMP, "database %s: out of memory", lookup->path);
    status = get_styled(lookup, (struct sluice_span){copy, key.len}, &value, &why);
    if (status == SLUICE_OK)
        sink->value(sink, value_of(value));
    else if (status != SLUICE_NOT_FOUND)
        return table_give_up(lookup, why, errors);
    return status;
}

sluice_status file_find(struct sluice_lookup *lookup, struct sluice_span key, int64_t deadline_ms,
                        const struct sluice_lookup_sink *sink, const struct sluice_errors *errors)
{
    sluice_status status = table_begin(lookup, errors);

    (void)deadline_ms; /* does not wait */
    if (status != SLUICE_OK)
        return status;
    status = find_open(lookup, key, sink, errors);
    table_end(lookup);
    return status;
}

/* FNV-1a over the stamp: no more is promised than another number for another state. */
sluice_status file_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    uint64_t generation = UINT64_C(14695981039346656037);
    struct stat file;
    struct stamp stamp;
    unsigned char bytes[sizeof(stamp)];

    if (stat(lookup->path, &file) == -1 || !has_companion(lookup))
        return SLUICE_TEMP;
    stamp = stamp_of(&file);
    memcpy(bytes, &stamp, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        generation = (generation ^ bytes[i]) * UINT64_C(1099511628211);
    *ret_generation = generation;
    return SLUICE_OK;
}

/* Between a format and the sink: entries without the NUL bytes of their style. */
struct trim {
    struct sluice_lookup_entry_sink sdk;
    const struct sluice_lookup_entry_sink *sink;
};

static sluice_status trim_entry(const struct sluice_lookup_entry_sink *sdk, struct sluice_span key,
                                struct sluice_span value)
{
    const struct trim *trim = (const struct trim *)(const void *)sdk; /* its first member */

    if (key.len > 0 && key.ptr[key.len - 1] == '\0')
        key.len--;
    return trim->sink->entry(trim->sink, key, value_of(value));
}

sluice_status file_list(struct sluice_lookup *lookup, const struct sluice_lookup_entry_sink *sink,
                        const struct sluice_errors *errors)
{
    struct trim trim = {.sdk = {.struct_size = sizeof(trim.sdk), .entry = trim_entry},
                        .sink = sink};
    const char *why = NULL;
    sluice_status status = table_begin(lookup, errors);

    if (status != SLUICE_OK)
        return status;
    status = file_format.each(lookup->data, &trim.sdk, &why);
    if (why != NULL)
        status = table_give_up(lookup, why, errors);
    table_end(lookup);
    return status;
}
