/* SPDX-License-Identifier: ISC */
/* watched: see watched.h. */
#include "watched.h"

#include "explain.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 1000
#define CLOCK_TICK_MS 10 /* that a file's time may be behind */

/* What tells one state of a file from another; all zero: it is not there. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct watched {
    const struct sluice_host *host;
    const struct sluice_clock *clock;
    const struct sluice_log *log; /* or NULL */
    struct watched_kind kind;
    char *path; /* NULL: there is no file that could change */
    int64_t look_ms;
    struct stamp seen;  /* at the latest look */
    struct stamp stamp; /* of what was read, or tried */
    void *content;      /* NULL: there is none, and why says why */
    char why[EXPLAIN_MAX];
};

/* An error sink that keeps the text for those who ask later. */
struct keeper {
    struct sluice_errors sdk;
    struct watched *watched;
};

static void keep(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    struct watched *watched = ((const struct keeper *)(const void *)errors)->watched;

    (void)dsn;
    (void)snprintf(watched->why, sizeof(watched->why), "%s", text);
}

static void warn(void *user, const char *text)
{
    const struct watched *watched = user;

    if (watched->log != NULL)
        watched->log->write(watched->host, SLUICE_LOG_WARNING, text);
}

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

static bool is_same(const struct stamp *a, const struct stamp *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static sluice_status read_from(struct watched *watched, FILE *file, const char *name,
                               const struct sluice_errors *errors, void **ret_content)
{
    struct source source;
    sluice_status st;

    source_init(&source, file, name, warn, watched);
    st = watched->kind.read(&source, errors, ret_content);
    source_done(&source);
    return st;
}

/* With the file open: NOT_FOUND if it changes meanwhile. */
static sluice_status read_whole(struct watched *watched, FILE *file,
                                const struct sluice_errors *errors, void **ret_content)
{
    struct stat before, after;
    struct stamp stamp;
    sluice_status st;

    if (fstat(fileno(file), &before) == -1)
        return explain(errors, SLUICE_TEMP, "open %s: %s", watched->path, strerror(errno));
    watched->stamp = stamp_of(&before);
    if (S_ISDIR(before.st_mode))
        return explain(errors, SLUICE_TEMP, "open %s: %s", watched->path, strerror(EISDIR));
    st = read_from(watched, file, watched->path, errors, ret_content);
    if (st != SLUICE_OK || fstat(fileno(file), &after) == -1)
        return st;
    stamp = stamp_of(&after);
    if (is_same(&stamp, &watched->stamp))
        return SLUICE_OK;
    watched->kind.free(*ret_content);
    return SLUICE_NOT_FOUND;
}

/* Puts what the file has now in the place of what there was; nothing, if it cannot be had. */
static void read_file(struct watched *watched)
{
    struct keeper keeper = {.sdk = {.struct_size = sizeof(keeper.sdk), .explain = keep},
                            .watched = watched};
    int fd = open(watched->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    FILE *file = fd != -1 ? fdopen(fd, "r") : NULL;
    void *content = NULL;
    sluice_status st;

    if (file == NULL)
        st = explain(&keeper.sdk, SLUICE_TEMP, "open %s: %s", watched->path, strerror(errno));
    else
        st = read_whole(watched, file, &keeper.sdk, &content);
    if (file != NULL)
        (void)fclose(file); /* only read */
    else if (fd != -1)
        (void)close(fd);
    if (st == SLUICE_NOT_FOUND && watched->content != NULL)
        return; /* it is being written: the next look decides */
    if (st == SLUICE_NOT_FOUND)
        (void)explain(&keeper.sdk, SLUICE_TEMP, "%s: changes while it is read", watched->path);
    if (watched->content != NULL)
        watched->kind.free(watched->content);
    watched->content = st == SLUICE_OK ? content : NULL;
}

/* For longer than a look: who has not been asked for a while has no need to look twice. */
static bool is_old(const struct watched *watched, const struct stamp *stamp)
{
    int64_t changed_ms = (int64_t)stamp->changed.tv_sec * 1000 + stamp->changed.tv_nsec / 1000000;

    return stamp->inode != 0 &&
           watched->clock->wall_ms(watched->host) - changed_ms > LOOK_MS + CLOCK_TICK_MS;
}

static void look(struct watched *watched)
{
    int64_t now_ms = watched->clock->monotonic_ms(watched->host);
    struct stamp stamp;
    struct stat file;
    bool is_settled;

    if (watched->path == NULL || now_ms < watched->look_ms)
        return;
    watched->look_ms = now_ms + LOOK_MS;
    memset(&stamp, 0, sizeof(stamp));
    if (stat(watched->path, &file) == 0)
        stamp = stamp_of(&file);
    is_settled = is_same(&stamp, &watched->seen) || is_old(watched, &stamp);
    watched->seen = stamp;
    if (!is_settled || (watched->content != NULL && is_same(&stamp, &watched->stamp)))
        return;
    watched->stamp = stamp;
    read_file(watched);
}

/* ---- opening --------------------------------------------------------------------------------- */

void watched_close(struct watched *watched)
{
    if (watched == NULL)
        return;
    if (watched->content != NULL)
        watched->kind.free(watched->content);
    free(watched->path);
    free(watched);
}

/* path: NULL if there is none. */
static sluice_status watched_new(const struct sluice_host *host, const struct watched_kind *kind,
                                 const char *path, const struct sluice_errors *errors,
                                 struct watched **ret_watched)
{
    struct watched *watched = calloc(1, sizeof(*watched));

    if (watched != NULL && path != NULL)
        watched->path = strdup(path);
    if (watched == NULL || (path != NULL && watched->path == NULL)) {
        free(watched);
        return explain(errors, SLUICE_TEMP, "%s: out of memory", kind->type);
    }
    watched->host = host;
    watched->kind = *kind;
    watched->log = host->get_service(host, SLUICE_LOG_ID);
    watched->clock = host->get_service(host, SLUICE_CLOCK_ID);
    if (watched->clock == NULL) {
        watched_close(watched);
        return explain(errors, SLUICE_CONFIG, "%s: the host has no clock", kind->type);
    }
    *ret_watched = watched;
    return SLUICE_OK;
}

sluice_status watched_open(const struct sluice_host *host, const struct watched_kind *kind,
                           const char *path, const struct sluice_errors *errors,
                           struct watched **ret_watched)
{
    struct watched *watched;
    sluice_status st = watched_new(host, kind, path, errors, &watched);

    if (st != SLUICE_OK)
        return st;
    read_file(watched);
    if (watched->content == NULL) {
        errors->explain(errors, "4.3.0", watched->why);
        watched_close(watched);
        return SLUICE_CONFIG;
    }
    watched->seen = watched->stamp;
    watched->look_ms = watched->clock->monotonic_ms(host) + LOOK_MS;
    *ret_watched = watched;
    return SLUICE_OK;
}

sluice_status watched_open_text(const struct sluice_host *host, const struct watched_kind *kind,
                                const char *name, const char *text,
                                const struct sluice_errors *errors, struct watched **ret_watched)
{
    struct watched *watched;
    char *copy = strdup(text);
    FILE *file = copy != NULL ? fmemopen(copy, strlen(copy), "r") : NULL;
    sluice_status st = SLUICE_TEMP;

    if (file == NULL)
        (void)explain(errors, st, "%s: out of memory", kind->type);
    else
        st = watched_new(host, kind, NULL, errors, &watched);
    if (st == SLUICE_OK) {
        st = read_from(watched, file, name, errors, &watched->content);
        if (st == SLUICE_OK)
            *ret_watched = watched;
        else
            watched_close(watched);
    }
    if (file != NULL)
        (void)fclose(file); /* only memory */
    free(copy);
    return st;
}

/* ---- asking ---------------------------------------------------------------------------------- */

sluice_status watched_get(struct watched *watched, const struct sluice_errors *errors,
                          const void **ret_content)
{
    look(watched);
    if (watched->content == NULL) {
        errors->explain(errors, "4.3.0", watched->why);
        return SLUICE_TEMP;
    }
    *ret_content = watched->content;
    return SLUICE_OK;
}

/* FNV-1a over the stamp: no more is promised than another number for another state. */
sluice_status watched_generation(struct watched *watched, uint64_t *ret_generation)
{
    uint64_t generation = UINT64_C(14695981039346656037);
    unsigned char bytes[sizeof(watched->stamp)];

    look(watched);
    if (watched->content == NULL)
        return SLUICE_TEMP;
    memcpy(bytes, &watched->stamp, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        generation = (generation ^ bytes[i]) * UINT64_C(1099511628211);
    *ret_generation = generation;
    return SLUICE_OK;
}
