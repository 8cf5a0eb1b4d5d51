/* SPDX-License-Identifier: ISC */
/*
 * durable: a file is written beside its name, synced and renamed, and then its folder is synced, so
 * that after a crash there is the old file or the new one, whole.
 */
#include "base/durable.h"

#include "base/buffer.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder that path is in, into a buffer: "/a/b" gives "/a", "b" gives ".". */
static const char *parent_of(const char *path, struct buffer *parent)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len == 0)
        buffer_add_text(parent, ".");
    else
        buffer_add(parent, path, len);
    return buffer_text(parent);
}

static sluice_status sync_folder(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        return error_set(err, SLUICE_TEMP, "open folder %s: %s", path, strerror(errno));

    sluice_status status = SLUICE_OK;
    if (fsync(fd) == -1)
        status = error_set(err, SLUICE_TEMP, "sync folder %s: %s", path, strerror(errno));
    (void)close(fd); /* only read */
    return status;
}

static sluice_status sync_parent(const char *path, struct error *err)
{
    struct buffer parent = BUFFER_INIT;
    const char *text = parent_of(path, &parent);
    sluice_status status = text != NULL ? sync_folder(text, err)
                                        : error_set(err, SLUICE_TEMP, "%s: out of memory", path);

    buffer_done(&parent);
    return status;
}

/* Takes fd. The umask does not count: mode is what the caller wants. */
static bool fill_file(int fd, struct sluice_span bytes, mode_t mode)
{
    bool is_done = io_write(fd, bytes) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    int saved = errno;

    if (close(fd) == -1)
        return false;
    errno = saved;
    return is_done;
}

/* The name is always the same, so that what a crash leaves behind is replaced and does not pile up;
 * O_EXCL: a link that somebody put there is not followed. */
static sluice_status write_beside(const char *path, const char *name, struct sluice_span bytes,
                                  mode_t mode, struct error *err)
{
    (void)unlink(name); /* usually not there; otherwise open says so */
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0600);
    if (fd == -1)
        return error_set(err, SLUICE_TEMP, "create %s: %s", name, strerror(errno));

    sluice_status status = SLUICE_OK;
    if (!fill_file(fd, bytes, mode))
        status = error_set(err, SLUICE_TEMP, "write %s: %s", name, strerror(errno));
    else if (rename(name, path) == -1)
        status = error_set(err, SLUICE_TEMP, "rename %s to %s: %s", name, path, strerror(errno));
    if (status != SLUICE_OK)
        (void)unlink(name); /* the failure before is what counts */
    return status;
}

sluice_status durable_write_file(const char *path, struct sluice_span bytes, mode_t mode,
                                 struct error *err)
{
    struct buffer name = BUFFER_INIT;
    sluice_status status;

    buffer_printf(&name, "%s.new", path);
    const char *text = buffer_text(&name);
    if (text == NULL)
        status = error_set(err, SLUICE_TEMP, "%s: out of memory", path);
    else
        status = write_beside(path, text, bytes, mode, err);
    buffer_done(&name);
    return status == SLUICE_OK ? sync_parent(path, err) : status;
}

/* Sets what mkdir and the umask got wrong, and makes it last. By descriptor: who may write to the
 * folder above could have put a link in the new one's place. */
static sluice_status finish_folder(const char *path, mode_t mode, uid_t uid, gid_t gid,
                                   struct error *err)
{
    sluice_status status = SLUICE_OK;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1)
        return error_set(err, SLUICE_TEMP, "open folder %s: %s", path, strerror(errno));

    if (fchmod(fd, mode) == -1)
        status = error_set(err, SLUICE_TEMP, "chmod %s: %s", path, strerror(errno));
    else if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid) == -1)
        status = error_set(err, SLUICE_TEMP, "chown %s: %s", path, strerror(errno));
    (void)close(fd); /* only read */
    return status == SLUICE_OK ? sync_parent(path, err) : status;
}

static sluice_status make_one(const char *path, mode_t mode, uid_t uid, gid_t gid,
                              struct error *err)
{
    struct stat info;

    if (mkdir(path, mode) == 0)
        return finish_folder(path, mode, uid, gid, err);
    if (errno != EEXIST)
        return error_set(err, SLUICE_TEMP, "create folder %s: %s", path, strerror(errno));
    if (stat(path, &info) == -1)
        return error_set(err, SLUICE_TEMP, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return error_set(err, SLUICE_CONFIG, "%s: is not a folder", path);
    return SLUICE_OK;
}

sluice_status durable_make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid,
                                  struct error *err)
{
    struct buffer parent = BUFFER_INIT;
    const char *text = parent_of(path, &parent);
    sluice_status status = SLUICE_OK;

    if (text == NULL)
        status = error_set(err, SLUICE_TEMP, "%s: out of memory", path);
    else if (access(text, F_OK) == -1 && errno == ENOENT)
        status = make_one(text, mode, uid, gid, err);
    if (status == SLUICE_OK)
        status = make_one(path, mode, uid, gid, err);
    buffer_done(&parent);
    return status;
}

static sluice_status read_all(int fd, const char *path, size_t max, struct buffer *bytes,
                              struct error *err)
{
    for (;;) {
        size_t room = bytes->len < max ? max - bytes->len : 0;
        /* One byte more than allowed, to see that there is more. */
        size_t size = room < 65536 ? room + 1 : 65536;
        char *place = buffer_reserve(bytes, size);
        if (place == NULL)
            return error_set(err, SLUICE_TEMP, "read %s: out of memory", path);
        ssize_t n = read(fd, place, size);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return error_set(err, SLUICE_TEMP, "read %s: %s", path, strerror(errno));
        if (n == 0)
            return SLUICE_OK;
        bytes->len += (size_t)n;
        if (bytes->len > max)
            return error_set(err, SLUICE_PERM, "%s: larger than %zu bytes", path, max);
    }
}

sluice_status durable_read_file(const char *path, size_t max, char **ret_bytes, size_t *ret_len,
                                struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return error_set(err, errno == ENOENT ? SLUICE_NOT_FOUND : SLUICE_TEMP, "open %s: %s", path,
                         strerror(errno));

    struct buffer bytes = BUFFER_INIT;
    sluice_status status = read_all(fd, path, max, &bytes, err);
    (void)close(fd); /* only read */
    if (status != SLUICE_OK) {
        buffer_done(&bytes);
        return status;
    }
    *ret_bytes = bytes.ptr; /* the buffer has memory even when the file is empty */
    *ret_len = bytes.len;
    return SLUICE_OK;
}
