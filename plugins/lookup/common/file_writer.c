/* SPDX-License-Identifier: ISC */
/*
 * file_writer: builds NAME.db.new (of the format's suffix) and puts it in NAME.db's place.
 *
 * The new file is also the lock between writers: whoever holds it writes, and a waiting one that
 * gets it after the rename sees that it is no longer NAME.db.new and begins again. What a crash
 * leaves behind is taken over by the next writer.
 */
#include "file_table.h"

#include "explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_SUFFIX ".new"
#define LOCK_TRIES 1000 /* writers that may be ahead of us */

struct sluice_lookup_writer {
    char *name;
    char *path;     /* NAME.db */
    char *new_path; /* NAME.db.new */
    int fd;         /* of the new file, with the lock; -1: none */
    mode_t mode;
    void *data; /* the format's; NULL: not begun */
    int32_t is_terminated;
};

static void writer_free(struct sluice_lookup_writer *writer)
{
    file_format.discard(writer->data);
    if (writer->fd != -1)
        (void)close(writer->fd); /* synced before where it matters */
    free(writer->name);
    free(writer->path);
    free(writer->new_path);
    free(writer);
}

static sluice_status fail_errno(const struct sluice_errors *errors, const char *what,
                                const char *path)
{
    return explain(errors, SLUICE_TEMP, "%s %s: %s", what, path, strerror(errno));
}

/* Opens the new file and waits for its lock. NOT_FOUND: another writer has just renamed it. */
static sluice_status lock_once(struct sluice_lookup_writer *writer,
                               const struct sluice_errors *errors)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat mine, named;

    writer->fd =
        open(writer->new_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (writer->fd == -1)
        return fail_errno(errors, "open database", writer->path);
    if (fcntl(writer->fd, F_OFD_SETLKW, &lock) == -1 || fstat(writer->fd, &mine) == -1)
        return fail_errno(errors, "lock", writer->new_path);
    if (lstat(writer->new_path, &named) == -1 || named.st_dev != mine.st_dev ||
        named.st_ino != mine.st_ino)
        return SLUICE_NOT_FOUND;
    /* In a folder that is everybody's, somebody may have put it there for us to fill. */
    if (!S_ISREG(mine.st_mode) || mine.st_uid != geteuid() || mine.st_nlink != 1)
        return explain(errors, SLUICE_TEMP, "%s: is in the way", writer->new_path);
    return SLUICE_OK;
}

static sluice_status lock_new_file(struct sluice_lookup_writer *writer,
                                   const struct sluice_errors *errors)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        sluice_status status = lock_once(writer, errors);

        if (status == SLUICE_OK)
            return SLUICE_OK;
        if (writer->fd != -1)
            (void)close(writer->fd); /* nothing of ours in it */
        writer->fd = -1;
        if (status != SLUICE_NOT_FOUND)
            return status;
    }
    return explain(errors, SLUICE_TEMP, "lock %s: too many others", writer->new_path);
}

/* A table that is there keeps its permissions; mode is for a new one. */
static mode_t mode_of(const struct sluice_lookup_writer *writer, uint32_t mode)
{
    struct stat old;

    if (stat(writer->path, &old) == 0 && S_ISREG(old.st_mode))
        mode = old.st_mode;
    return (mode & 0777) | S_IRUSR | S_IWUSR;
}

static sluice_status begin(struct sluice_lookup_writer *writer, uint32_t mode,
                           const struct sluice_errors *errors)
{
    const char *why;

    writer->mode = mode_of(writer, mode);
    if (ftruncate(writer->fd, 0) == -1 || fchmod(writer->fd, writer->mode) == -1)
        return fail_errno(errors, "open database", writer->new_path);
    why = file_format.create(writer->new_path, writer->fd, &writer->data);
    if (why == NULL)
        return SLUICE_OK;
    return explain(errors, SLUICE_TEMP, "open database %s: %s", writer->new_path, why);
}

/* ---- an update begins with the entries that are there ---------------------------------------- */

struct copy {
    struct sluice_lookup_entry_sink sink;
    struct sluice_lookup_writer *writer;
    const struct sluice_errors *errors;
};

static sluice_status copy_entry(const struct sluice_lookup_entry_sink *sink, struct sluice_span key,
                                struct sluice_span value)
{
    const struct copy *copy = (const struct copy *)(const void *)sink;

    return file_write_put(copy->writer, key, value, 1, copy->errors);
}

/* Through the reader, which refuses a damaged file instead of losing half of it. */
static sluice_status copy_old(struct sluice_lookup_writer *writer, const struct sluice_host *host,
                              const struct sluice_config *config, const char *name,
                              const struct sluice_errors *errors)
{
    struct copy copy = {
        .sink = {.struct_size = sizeof(copy.sink), .entry = copy_entry},
        .writer = writer,
        .errors = errors,
    };
    struct sluice_lookup *old;
    sluice_status status;

    if (access(writer->path, F_OK) == -1 && errno == ENOENT)
        return SLUICE_OK;
    status = file_open(host, config, name, errors, &old);
    if (status != SLUICE_OK)
        return status;
    status = file_list(old, &copy.sink, errors);
    file_close(old);
    return status;
}

/* ---- the writer's operations ----------------------------------------------------------------- */

static int set_paths(struct sluice_lookup_writer *writer, const char *name)
{
    writer->name = strdup(name);
    if (asprintf(&writer->path, "%s%s", name, file_format.suffix) == -1)
        writer->path = NULL;
    if (asprintf(&writer->new_path, "%s%s" NEW_SUFFIX, name, file_format.suffix) == -1)
        writer->new_path = NULL;
    return writer->name != NULL && writer->path != NULL && writer->new_path != NULL;
}

sluice_status file_write_open(const struct sluice_host *host, const struct sluice_config *config,
                              const char *name, int32_t is_update, uint32_t mode,
                              const struct sluice_errors *errors,
                              struct sluice_lookup_writer **ret_writer)
{
    struct sluice_lookup_writer *writer;
    sluice_status status;

    if (name[0] == '\0')
        return explain(errors, SLUICE_CONFIG, "needs the path of a table");
    writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        return explain(errors, SLUICE_TEMP, "open database %s: out of memory", name);
    writer->fd = -1;
    writer->is_terminated = (int32_t)config->get_number(config, "terminated");
    if (!set_paths(writer, name))
        status = explain(errors, SLUICE_TEMP, "open database %s: out of memory", name);
    else
        status = lock_new_file(writer, errors);
    if (status == SLUICE_OK)
        status = begin(writer, mode, errors);
    if (status == SLUICE_OK && is_update != 0)
        status = copy_old(writer, host, config, name, errors);
    if (status != SLUICE_OK) {
        file_write_abort(writer);
        return status;
    }
    *ret_writer = writer;
    return SLUICE_OK;
}

/* A copy with the table's terminator in *ret_stored, which the caller frees. */
static sluice_status stored(const struct sluice_lookup_writer *writer, struct sluice_span span,
                            const struct sluice_errors *errors, struct sluice_span *ret_stored,
                            char **ret_owned)
{
    char *copy = span.len < UINT32_MAX ? malloc(span.len + 1) : NULL;

    if (copy == NULL)
        return explain(errors, SLUICE_TEMP, "write to %s: out of memory", writer->new_path);
    if (span.len > 0)
        memcpy(copy, span.ptr, span.len);
    copy[span.len] = '\0';
    *ret_stored = (struct sluice_span){copy, span.len + (writer->is_terminated != 0 ? 1 : 0)};
    *ret_owned = copy;
    return SLUICE_OK;
}

static sluice_status explained(const struct sluice_lookup_writer *writer, sluice_status status,
                               const char *what, const char *why,
                               const struct sluice_errors *errors)
{
    if (why == NULL)
        return status;
    return explain(errors, SLUICE_TEMP, "%s %s: %s", what, writer->new_path, why);
}

sluice_status file_write_put(struct sluice_lookup_writer *writer, struct sluice_span key,
                             struct sluice_span value, int32_t replace,
                             const struct sluice_errors *errors)
{
    char *key_copy = NULL;
    char *value_copy = NULL;
    const char *why = NULL;
    sluice_status status = stored(writer, key, errors, &key, &key_copy);

    if (status == SLUICE_OK)
        status = stored(writer, value, errors, &value, &value_copy);
    if (status == SLUICE_OK) {
        status = file_format.put(writer->data, key, value, replace != 0, &why);
        status = explained(writer, status, "write to", why, errors);
    }
    if (status == SLUICE_NOT_FOUND)
        status = explain(errors, SLUICE_NOT_FOUND, "%s", writer->path);
    free(key_copy);
    free(value_copy);
    return status;
}

sluice_status file_write_remove(struct sluice_lookup_writer *writer, struct sluice_span key,
                                const struct sluice_errors *errors)
{
    char *copy = NULL;
    const char *why = NULL;
    sluice_status status = stored(writer, key, errors, &key, &copy);

    if (status != SLUICE_OK)
        return status;
    status = file_format.remove(writer->data, key, &why);
    free(copy);
    return explained(writer, status, "remove from", why, errors);
}

/* The rename survives a power cut only when the folder is on the disk too. */
static sluice_status sync_folder(const char *path, const struct sluice_errors *errors)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    sluice_status status = SLUICE_OK;
    int fd;

    if (folder == NULL)
        return explain(errors, SLUICE_TEMP, "sync the folder of %s: out of memory", path);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1 || fsync(fd) == -1)
        status = fail_errno(errors, "sync", folder);
    if (fd != -1)
        (void)close(fd); /* synced */
    free(folder);
    return status;
}

sluice_status file_write_commit(struct sluice_lookup_writer *writer,
                                const struct sluice_errors *errors)
{
    sluice_status status;
    const char *why = file_format.finish(writer->data);

    writer->data = NULL;
    if (why == NULL && fsync(writer->fd) == -1)
        why = strerror(errno);
    if (why == NULL && file_format.write_companion != NULL)
        why = file_format.write_companion(writer->name, writer->mode);
    if (why != NULL)
        status = explain(errors, SLUICE_TEMP, "write %s: %s", writer->new_path, why);
    else if (rename(writer->new_path, writer->path) == -1)
        status = fail_errno(errors, "rename", writer->new_path);
    else {
        status = sync_folder(writer->path, errors);
        writer_free(writer);
        return status;
    }
    file_write_abort(writer);
    return status;
}

void file_write_abort(struct sluice_lookup_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->fd != -1)
        (void)unlink(writer->new_path); /* ours: we hold its lock */
    writer_free(writer);
}
