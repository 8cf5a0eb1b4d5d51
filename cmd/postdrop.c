/* SPDX-License-Identifier: ISC */
/*
 * postdrop: leaves the batch on its standard input (net/batch.h) in the maildrop, for the daemon to
 * take when it is there again; exit status 0 once that survives a power cut. Started by sendmail.
 *
 * It is installed set-group-ID to setgid_group, which alone may write there, and so anybody may start
 * it with anything: nothing of the environment counts, other folders only as the administrator says,
 * and what it writes is bounded. No file of anybody else's can be named.
 */
#include "control_client.h"
#include "place.h"

#include "base/io.h"
#include "net/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_SIZE 65536
#define ENVELOPE_MAX ((uint64_t)64 * 1024 * 1024) /* of a batch, beside its content */
#define NAME_SIZE 64

struct drop {
    int folder_fd;
    int fd;
    uint64_t size_max; /* 0: any */
    char name[NAME_SIZE];
    char new_name[NAME_SIZE]; /* until it is complete */
};

static int fatal(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fatal(int code, const char *format, ...)
{
    va_list args;

    (void)fputs("postdrop: fatal: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return code;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* One process makes one file, and a number of a process is not used twice in a microsecond. */
static sluice_status create(struct drop *drop, struct error *err)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    (void)snprintf(drop->name, sizeof(drop->name), "%08llX%05lX-%ld",
                   (unsigned long long)now.tv_sec, now.tv_nsec / 1000, (long)getpid());
    (void)snprintf(drop->new_name, sizeof(drop->new_name), ".%.*s", NAME_SIZE - 2, drop->name);
    drop->fd = openat(drop->folder_fd, drop->new_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (drop->fd == -1)
        return error_set(err, SLUICE_TEMP, "create a file: %s", strerror(errno));
    return SLUICE_OK;
}

static sluice_status copy_input(struct drop *drop, struct error *err)
{
    char chunk[CHUNK_SIZE];
    uint64_t size = 0;

    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
        if (n == 0)
            return SLUICE_OK;
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return error_set(err, SLUICE_TEMP, "error reading input: %s", strerror(errno));
        size += (uint64_t)n;
        if (drop->size_max > 0 && size > drop->size_max)
            return error_set(err, SLUICE_PERM, "message file too big");
        if (!io_write(drop->fd, (struct sluice_span){.ptr = chunk, .len = (size_t)n}))
            return error_set(err, SLUICE_TEMP, "write: %s", strerror(errno));
    }
}

/* Under its name, on disk. Only who may enter the folder can use the mode; the daemon writes marks
 * into the file (net/batch.h), whose owner is the sender. */
static sluice_status publish(struct drop *drop, struct error *err)
{
    bool is_done = fchmod(drop->fd, 0666) == 0 && fsync(drop->fd) == 0 &&
                   renameat(drop->folder_fd, drop->new_name, drop->folder_fd, drop->name) == 0 &&
                   fsync(drop->folder_fd) == 0;

    return is_done ? SLUICE_OK : error_set(err, SLUICE_TEMP, "write: %s", strerror(errno));
}

static sluice_status drop_input(struct drop *drop, struct error *err)
{
    sluice_status st = create(drop, err);

    if (st != SLUICE_OK)
        return st;
    st = copy_input(drop, err);
    if (st == SLUICE_OK)
        st = batch_check(drop->fd, err);
    if (st == SLUICE_OK)
        st = publish(drop, err);
    if (st != SLUICE_OK)
        (void)unlinkat(drop->folder_fd, drop->new_name, 0); /* else it goes as stale */
    if (close(drop->fd) == -1 && st == SLUICE_OK)
        st = error_set(err, SLUICE_TEMP, "close: %s", strerror(errno));
    return st;
}

/* ---- where ----------------------------------------------------------------------------------- */

static sluice_status open_folder(struct drop *drop, struct draft *draft, struct error *err)
{
    const char *folder = draft_parameter(draft, "maildrop_directory")->value.text;
    uint64_t limit = (uint64_t)draft_parameter(draft, "message_size_limit")->value.number;

    if (folder == NULL)
        return error_set(err, SLUICE_CONFIG, "maildrop_directory does not check");
    /* A dot at the beginning of a line is doubled: at the most one byte more in four. */
    drop->size_max = limit > 0 ? limit + limit / 3 + ENVELOPE_MAX : 0;
    drop->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (drop->folder_fd == -1)
        return error_set(err, SLUICE_TEMP, "open %s: %s", folder, strerror(errno));
    return SLUICE_OK;
}

static sluice_status run(const char *config_path, struct error *err)
{
    struct drop drop = {.folder_fd = -1};
    struct draft draft;

    draft_init(&draft);
    sluice_status st = control_read_config(&draft, config_path, err);
    if (st == SLUICE_OK)
        st = open_folder(&drop, &draft, err);
    draft_done(&draft);
    if (st == SLUICE_OK)
        st = drop_input(&drop, err);
    if (drop.folder_fd != -1)
        (void)close(drop.folder_fd); /* only a place */
    return st;
}

int main(int argc, char **argv)
{
    char config_path[PATH_MAX];
    struct error err = ERROR_INIT;
    int option;

    place_default(config_path);
    (void)clearenv(); /* what is left of it is nobody's business here */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a write says so, and what was begun is removed */
    (void)umask(077);
    opterr = 0; /* the usage says it */
    while ((option = getopt(argc, argv, "c:v")) != -1) {
        if (option == 'c')
            place_set(config_path, optarg);
        else if (option == '?')
            return fatal(EX_USAGE, "usage: postdrop [-c config_dir] [-v]");
    }
    sluice_status st = place_check(config_path, &err);
    if (st == SLUICE_OK)
        st = run(config_path, &err);
    if (st == SLUICE_OK)
        return EX_OK;
    return fatal(st == SLUICE_PERM ? EX_DATAERR : EX_TEMPFAIL, "%s", err.text);
}
