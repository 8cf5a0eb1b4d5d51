/* SPDX-License-Identifier: ISC */
/* textfile: see textfile.h. */
#include "textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the thread works on. */
struct reading {
    char path[PATH_MAX];
    struct rights rights;
    bool has_rights;
    bool is_his;
    char *text;
    struct result result;
};

static void release(void *argument)
{
    struct reading *reading = argument;

    free(reading->text);
    free(reading);
}

static sluice_status unsafe(struct reading *reading, const char *why)
{
    return result_set(&reading->result, SLUICE_TEMP, "4.3.5", "file %s %s", reading->path, why);
}

static sluice_status check(struct reading *reading, int fd, size_t *ret_size)
{
    struct stat info;

    if (fstat(fd, &info) == -1)
        return result_set_errno(&reading->result, errno, "file %s", reading->path);
    if (!S_ISREG(info.st_mode))
        return unsafe(reading, "is not a regular file");
    if ((info.st_mode & S_IWOTH) != 0)
        return unsafe(reading, "is world writable");
    if (reading->is_his && info.st_uid != reading->rights.uid && info.st_uid != 0)
        return unsafe(reading, "belongs to somebody else");
    if ((uint64_t)info.st_size > TEXTFILE_MAX)
        return unsafe(reading, "is too large");
    *ret_size = (size_t)info.st_size;
    return SLUICE_OK;
}

static sluice_status read_all(struct reading *reading, int fd, size_t size)
{
    size_t len = 0;

    reading->text = calloc(1, size + 1);
    if (reading->text == NULL)
        return result_set(&reading->result, SLUICE_TEMP, "4.3.0", "out of memory");
    while (len < size) {
        ssize_t n = read(fd, reading->text + len, size - len);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return result_set_errno(&reading->result, errno, "file %s", reading->path);
        if (n == 0)
            break; /* it has become shorter meanwhile */
        len += (size_t)n;
    }
    return memchr(reading->text, '\0', len) == NULL ? SLUICE_OK : unsafe(reading, "is no text");
}

static sluice_status read_file(struct reading *reading)
{
    int fd = open(reading->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    size_t size = 0;

    if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
        return SLUICE_NOT_FOUND;
    if (fd == -1)
        return result_set_errno(&reading->result, errno, "file %s", reading->path);
    sluice_status st = check(reading, fd, &size);
    if (st == SLUICE_OK)
        st = read_all(reading, fd, size);
    (void)close(fd); /* only read */
    return st;
}

static sluice_status run(void *argument)
{
    struct reading *reading = argument;
    sluice_status st;

    if (!reading->has_rights)
        return read_file(reading);
    st = station_become(&reading->rights, &reading->result);
    if (st != SLUICE_OK)
        return st;
    st = read_file(reading);
    rights_return();
    return st;
}

sluice_status textfile_read(const struct station *station, const struct textfile *file,
                            int64_t deadline_ms, char **ret_text, struct result *result)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    sluice_status st;

    if (reading == NULL)
        return result_set(result, SLUICE_TEMP, "4.3.0", "out of memory");
    int len = snprintf(reading->path, sizeof(reading->path), "%s", file->path);
    if (len < 0 || (size_t)len >= sizeof(reading->path)) {
        free(reading);
        return result_set(result, SLUICE_TEMP, "4.3.5", "a file's name is too long");
    }
    reading->is_his = file->is_his;
    reading->has_rights = file->reader != NULL;
    if (file->reader != NULL)
        reading->rights = *file->reader;
    if (station->offload->run(station->host, run, release, reading, deadline_ms, &st) != SLUICE_OK)
        return result_set(result, SLUICE_TEMP, "4.3.0", "reading %s takes too long", file->path);
    if (st == SLUICE_OK) {
        *ret_text = reading->text;
        reading->text = NULL;
    } else if (st != SLUICE_NOT_FOUND) {
        *result = reading->result;
    }
    release(reading);
    return st;
}
