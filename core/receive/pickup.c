/* SPDX-License-Identifier: ISC */
/*
 * pickup: one file at a time. A thread plays it at one end of a socketpair, a session is at the other.
 */
#include "receive/pickup.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "net/batch.h"
#include "receive/session.h"
#include "task/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS 5000          /* for what could not be taken */
#define STALE_S (24 * 60 * 60) /* a file that was begun so long ago will not be finished */
#define NAMES_IN_A_ROW 64      /* that are looked at before others have their turn */
#define ASIDE "corrupt-"
#define NAME_SIZE 256

struct pickup {
    struct receiver *receiver;
    int folder_fd;
    int inotify_fd; /* -1: the folder is looked at now and then */
    struct pool *pool;
    struct complaint complaint;
    struct task *task;
    bool is_over;
    struct task_queue over;
};

/* What the thread needs, also when nobody waits for it any more. */
struct job {
    int folder_fd;
    int fd;
    int socket_fd;
    char name[NAME_SIZE];
    struct error err;
};

/* ---- on the thread --------------------------------------------------------------------------- */

static void job_free(void *arg)
{
    struct job *job = arg;

    if (job->socket_fd != -1)
        (void)close(job->socket_fd);
    (void)close(job->folder_fd); /* only a place */
    (void)close(job->fd);        /* what counts has been synced */
    free(job);
}

static sluice_status set_aside(struct job *job)
{
    char name[NAME_SIZE + sizeof(ASIDE)];

    (void)snprintf(name, sizeof(name), ASIDE "%s", job->name);
    if (renameat(job->folder_fd, job->name, job->folder_fd, name) == -1)
        return error_set(&job->err, SLUICE_TEMP, "rename: %s", strerror(errno));
    return SLUICE_PERM;
}

/* Somebody has taken our right to remove it: left as it is it would be sent again with each look. */
static sluice_status empty_file(struct job *job)
{
    (void)error_set(&job->err, SLUICE_TEMP, "remove: %s", strerror(errno));
    if (ftruncate(job->fd, 0) == -1 || fsync(job->fd) == -1)
        error_prefix(&job->err, "will be sent again");
    return SLUICE_TEMP;
}

/* Synced, so that it does not come back with a power cut. */
static sluice_status remove_file(struct job *job)
{
    if (unlinkat(job->folder_fd, job->name, 0) == -1)
        return empty_file(job);
    if (fsync(job->folder_fd) == -1)
        return error_set(&job->err, SLUICE_TEMP, "remove: %s", strerror(errno));
    return SLUICE_OK;
}

static sluice_status play(void *arg)
{
    struct job *job = arg;
    sluice_status st = batch_play(job->socket_fd, job->fd, &job->err);

    (void)close(job->socket_fd); /* the session ends */
    job->socket_fd = -1;
    if (st == SLUICE_OK)
        return remove_file(job);
    return st == SLUICE_PERM ? set_aside(job) : SLUICE_TEMP;
}

/* ---- a file ---------------------------------------------------------------------------------- */

/* Takes fd. */
static struct job *job_new(const struct pickup *pickup, const char *name, int fd)
{
    struct job *job = calloc(1, sizeof(*job));
    int folder_fd = job != NULL ? fcntl(pickup->folder_fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (folder_fd == -1) {
        free(job);
        (void)close(fd); /* nothing was done with it */
        return NULL;
    }
    *job = (struct job){.folder_fd = folder_fd, .fd = fd, .socket_fd = -1};
    (void)snprintf(job->name, sizeof(job->name), "%s", name);
    return job;
}

static sluice_status start_session(const struct pickup *pickup, struct job *job, uid_t uid)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return error_set(&job->err, SLUICE_TEMP, "socketpair: %s", strerror(errno));
    job->socket_fd = pair[0];
    (void)fcntl(pair[1], F_SETFL, O_NONBLOCK); /* of a socket: does not fail */
    if (session_start_local(pickup->receiver, pair[1], uid) != SLUICE_OK)
        return error_set(&job->err, SLUICE_TEMP, "no memory for a session");
    return SLUICE_OK;
}

static void tell(struct pickup *pickup, const struct job *job, sluice_status st)
{
    if (st == SLUICE_OK)
        complain_over(&pickup->complaint, "maildrop: mail is taken again");
    else if (st == SLUICE_PERM)
        log_warning("maildrop: %s: %s; kept as " ASIDE "%s", job->name, job->err.text, job->name);
    else
        complain(&pickup->complaint, LOG_LEVEL_WARNING, "maildrop: %s stays for now: %s", job->name,
                 job->err.text);
}

static void run_job(struct pickup *pickup, struct job *job, uid_t uid)
{
    sluice_status st = start_session(pickup, job, uid);

    if (st == SLUICE_OK &&
        pool_run(pickup->pool, play, job_free, job, CLOCK_NEVER, &st) != SLUICE_OK)
        return; /* we are to stop, and the thread has the job */
    tell(pickup, job, st);
    job_free(job);
}

/* Another process may be at it, while one generation follows the other; or have been. */
static bool is_ours(int fd, struct stat *ret_info)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, ret_info) == 0 && ret_info->st_nlink > 0;
}

static void take(struct pickup *pickup, const char *name)
{
    struct stat info;
    int fd = openat(pickup->folder_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd == -1) {
        if (errno != ENOENT)
            complain(&pickup->complaint, LOG_LEVEL_WARNING, "maildrop: open %s: %s", name,
                     strerror(errno));
        return;
    }
    if (!is_ours(fd, &info)) {
        (void)close(fd); /* nothing was done with it */
        return;
    }
    struct job *job = job_new(pickup, name, fd);
    if (job != NULL)
        run_job(pickup, job, info.st_uid);
}

/* Left by a command that was killed: whoever called it knows that nothing was accepted. */
static void remove_stale(const struct pickup *pickup, const char *name)
{
    struct stat info;

    if (fstatat(pickup->folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(info.st_mode) && clock_wall_ms() / 1000 - info.st_mtime > STALE_S)
        (void)unlinkat(pickup->folder_fd, name, 0); /* else the next time */
}

/* ---- the folder ------------------------------------------------------------------------------ */

static void look_at(struct pickup *pickup, const char *name)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strncmp(name, ASIDE, sizeof(ASIDE) - 1) == 0)
        return;
    if (name[0] == '.')
        remove_stale(pickup, name);
    else
        take(pickup, name);
}

/* However many names users have left there, they hold nobody up. */
static void scan(struct pickup *pickup)
{
    const struct dirent *entry;
    unsigned count = 0;
    int fd = openat(pickup->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd != -1 ? fdopendir(fd) : NULL;

    if (listing == NULL) {
        complain(&pickup->complaint, LOG_LEVEL_WARNING, "maildrop: %s", strerror(errno));
        if (fd != -1)
            (void)close(fd); /* only read */
        return;
    }
    while (!task_is_cancelled() && (entry = readdir(listing)) != NULL) {
        look_at(pickup, entry->d_name);
        if (++count % NAMES_IN_A_ROW == 0)
            task_yield();
    }
    (void)closedir(listing); /* only read */
}

/* By descriptor: we may not be able to get to the folder by its name. */
static int watch(int folder_fd)
{
    char path[64];
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", folder_fd);
    if (fd != -1 && inotify_add_watch(fd, path, IN_MOVED_TO) == -1) {
        (void)close(fd); /* of no use */
        fd = -1;
    }
    return fd;
}

/* Until there may be something new, or what is there can be tried again. */
static void wait_for_change(struct pickup *pickup)
{
    char events[4096];
    int64_t deadline_ms = clock_monotonic_ms() + RETRY_MS;

    if (pickup->inotify_fd == -1) {
        (void)task_sleep_until(deadline_ms);
        return;
    }
    (void)task_wait_fd(pickup->inotify_fd, TASK_READABLE, deadline_ms);
    while (read(pickup->inotify_fd, events, sizeof(events)) > 0)
        continue;
}

static void pickup_run(void *arg)
{
    struct pickup *pickup = arg;

    while (!task_is_cancelled()) {
        scan(pickup);
        wait_for_change(pickup);
    }
    pickup->is_over = true;
    task_queue_wake_all(&pickup->over);
}

/* ---- life ------------------------------------------------------------------------------------ */

sluice_status pickup_start(struct receiver *receiver, int folder_fd, struct pickup **ret_pickup)
{
    struct pickup *pickup = calloc(1, sizeof(*pickup));

    if (pickup == NULL)
        return SLUICE_TEMP;
    *pickup = (struct pickup){
        .receiver = receiver, .folder_fd = folder_fd, .inotify_fd = watch(folder_fd)};
    sluice_status st = pool_new("maildrop", 1, &pickup->pool);
    if (st == SLUICE_OK)
        st = task_start("pickup", pickup_run, pickup, &pickup->task);
    if (st == SLUICE_OK)
        *ret_pickup = pickup;
    else
        pickup_free(pickup);
    return st;
}

void pickup_stop(struct pickup *pickup)
{
    if (pickup == NULL)
        return;
    if (!pickup->is_over)
        task_cancel(pickup->task);
    while (!pickup->is_over) {
        if (task_queue_wait(&pickup->over, CLOCK_NEVER) != SLUICE_OK)
            return; /* we are cancelled ourselves; its end comes with the loop's */
    }
}

void pickup_free(struct pickup *pickup)
{
    if (pickup == NULL)
        return;
    pool_free(pickup->pool);
    if (pickup->inotify_fd != -1)
        (void)close(pickup->inotify_fd);
    free(pickup);
}
