/* SPDX-License-Identifier: ISC */
/*
 * pool: a queue of jobs for threads, and a list of finished ones that an async handle brings back to
 * the loop.
 *
 * The mutex guards the two lists and the counts of threads; a job's other members belong to the
 * thread that runs it while it is off both lists, and to the loop otherwise.
 */
#include "task/pool.h"

#include "base/log.h"
#include "task/crash.h"
#include "task/task.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <utlist.h>
#include <uv.h>

#define POOL_STOP_S 5     /* pool_free waits so long for a thread that hangs */
#define POOL_NAME_SIZE 64
#define THREAD_NAME_SIZE 16 /* the kernel's */

struct job {
    sluice_status (*work)(void *arg);
    void (*release)(void *arg);                    /* pool_run: may be NULL */
    void (*done)(void *arg, sluice_status status); /* pool_submit */
    void *arg;
    sluice_status status;
    struct task *waiter; /* NULL: submitted, or given up */
    bool is_queued;      /* not begun; under the mutex */
    bool is_finished;    /* back on the loop */
    bool is_abandoned;   /* its waiter has given up */
    bool is_hung;        /* because of its deadline */
    char name[TASK_NAME_MAX]; /* of the task it is done for */
    struct job *prev;
    struct job *next;
};

struct pool {
    char name[POOL_NAME_SIZE];
    uv_async_t async;
    pthread_mutex_t lock;
    pthread_cond_t work_came;
    pthread_cond_t thread_ended;
    struct job *queued;
    struct job *finished;
    size_t queued_count;
    unsigned max_threads;
    unsigned threads;
    unsigned idle; /* wait for work, also those that a job has woken already */
    bool is_stopping;
    bool is_left; /* pool_free gave up: threads touch nothing of the loop's */
    /* The loop's alone. */
    unsigned submitted; /* jobs whose done has not been called */
    unsigned hung;      /* threads in a call whose deadline has passed */
};

static void (*alarm_fn)(const char *pool_name); /* the process's */

/* ---- threads --------------------------------------------------------------------------------- */

/* The lock is held. */
static void leave_queue(struct pool *pool, struct job *job)
{
    DL_DELETE(pool->queued, job);
    pool->queued_count--;
    job->is_queued = false;
}

/* The next job, or NULL when the pool stops; the lock is held. */
static struct job *take_job(struct pool *pool)
{
    while (pool->queued == NULL && !pool->is_stopping) {
        pool->idle++;
        pthread_cond_wait(&pool->work_came, &pool->lock);
        pool->idle--;
    }
    struct job *job = pool->queued;
    if (job != NULL)
        leave_queue(pool, job);
    return job;
}

static void *run_thread(void *arg)
{
    struct pool *pool = arg;
    struct job *job;

    char name[THREAD_NAME_SIZE];

    (void)snprintf(name, sizeof(name), "%.15s", pool->name);
    (void)pthread_setname_np(pthread_self(), name); /* cannot fail: cut to size */
    crash_thread_start();
    pthread_mutex_lock(&pool->lock);
    while ((job = take_job(pool)) != NULL) {
        pthread_mutex_unlock(&pool->lock);
        crash_watch(NULL, job->name, NULL);
        job->status = job->work(job->arg);
        crash_watch(NULL, NULL, NULL);
        pthread_mutex_lock(&pool->lock);
        DL_APPEND(pool->finished, job);
        if (!pool->is_left)
            (void)uv_async_send(&pool->async); /* cannot fail on an open handle */
    }
    crash_thread_stop();
    pool->threads--;
    pthread_cond_signal(&pool->thread_ended);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Signals are for the loop's thread, but for a thread's own faults: where they are blocked the kernel
 * ends the process without last words. The lock is held. */
static bool start_thread(struct pool *pool)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    pthread_t thread;
    sigset_t others;
    sigset_t before;

    (void)sigfillset(&others);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        (void)sigdelset(&others, faults[i]);
    (void)pthread_sigmask(SIG_BLOCK, &others, &before);
    bool is_started = pthread_create(&thread, NULL, run_thread, pool) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!is_started)
        return false;
    (void)pthread_detach(thread); /* pool_free counts them */
    pool->threads++;
    return true;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static sluice_status enqueue(struct pool *pool, struct job *job)
{
    sluice_status status = SLUICE_OK;

    pthread_mutex_lock(&pool->lock);
    bool wants_thread = pool->queued_count >= pool->idle && pool->threads < pool->max_threads;
    if (wants_thread && !start_thread(pool) && pool->threads == 0) {
        status = SLUICE_TEMP;
    } else {
        job->is_queued = true;
        DL_APPEND(pool->queued, job);
        pool->queued_count++;
    }
    pthread_mutex_unlock(&pool->lock);
    if (status == SLUICE_OK) /* not earlier: the thread would wake up and wait for the lock */
        pthread_cond_signal(&pool->work_came);
    return status;
}

static void release(struct job *job)
{
    if (job->release != NULL)
        job->release(job->arg);
    free(job);
}

static void finish(struct pool *pool, struct job *job)
{
    if (job->is_hung)
        pool->hung--;
    if (job->is_abandoned) {
        release(job);
    } else if (job->done != NULL) {
        job->done(job->arg, job->status);
        free(job);
        if (--pool->submitted == 0)
            uv_unref((uv_handle_t *)&pool->async);
    } else {
        job->is_finished = true;
        task_wake(job->waiter);
    }
}

static void on_finished(uv_async_t *async)
{
    struct pool *pool = async->data;

    pthread_mutex_lock(&pool->lock);
    struct job *finished = pool->finished;
    pool->finished = NULL;
    pthread_mutex_unlock(&pool->lock);

    struct job *job;
    struct job *next;
    DL_FOREACH_SAFE(finished, job, next)
    {
        finish(pool, job);
    }
}

static void count_hung(struct pool *pool, struct job *job)
{
    job->is_hung = true;
    pool->hung++;
    if (pool->hung == pool->max_threads && alarm_fn != NULL)
        alarm_fn(pool->name);
}

/* The waiter has had enough: a job that has not begun never will. */
static void give_up(struct pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool was_queued = job->is_queued;
    if (was_queued)
        leave_queue(pool, job);
    pthread_mutex_unlock(&pool->lock);
    if (was_queued) {
        release(job);
        return;
    }
    job->is_abandoned = true;
    job->waiter = NULL;
    if (!task_is_cancelled())
        count_hung(pool, job);
}

sluice_status pool_run(struct pool *pool, sluice_status (*work)(void *arg),
                       void (*release_arg)(void *arg), void *arg, int64_t deadline_ms,
                       sluice_status *ret_status)
{
    sluice_status status = SLUICE_OK;
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        if (release_arg != NULL)
            release_arg(arg);
        return SLUICE_TEMP;
    }
    *job = (struct job){.work = work, .release = release_arg, .arg = arg, .waiter = task_self()};
    (void)snprintf(job->name, sizeof(job->name), "%s", task_name(job->waiter));
    if (task_is_cancelled() || enqueue(pool, job) != SLUICE_OK) {
        release(job);
        return SLUICE_TEMP;
    }
    while (!job->is_finished && status == SLUICE_OK)
        status = task_park(deadline_ms);
    if (!job->is_finished) {
        give_up(pool, job);
        return SLUICE_TEMP;
    }
    *ret_status = job->status;
    free(job);
    return SLUICE_OK;
}

sluice_status pool_submit(struct pool *pool, sluice_status (*work)(void *arg),
                          void (*done)(void *arg, sluice_status status), void *arg)
{
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        return SLUICE_TEMP;
    *job = (struct job){.work = work, .done = done, .arg = arg};
    (void)snprintf(job->name, sizeof(job->name), "%.47s", pool->name);
    if (enqueue(pool, job) != SLUICE_OK) {
        free(job);
        return SLUICE_TEMP;
    }
    /* A waiting task keeps the loop alive; a job without one has to. */
    if (pool->submitted++ == 0)
        uv_ref((uv_handle_t *)&pool->async);
    return SLUICE_OK;
}

void pool_set_alarm(void (*alarm)(const char *pool_name))
{
    alarm_fn = alarm;
}

/* ---- pools ----------------------------------------------------------------------------------- */

static void init_locks(struct pool *pool)
{
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->work_came, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pool->thread_ended, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

static void destroy(struct pool *pool)
{
    (void)pthread_mutex_destroy(&pool->lock);
    (void)pthread_cond_destroy(&pool->work_came);
    (void)pthread_cond_destroy(&pool->thread_ended);
    free(pool);
}

sluice_status pool_new(const char *name, unsigned max_threads, struct pool **ret_pool)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    if (pool == NULL)
        return SLUICE_TEMP;
    if (uv_async_init(task_loop(), &pool->async, on_finished) != 0) {
        free(pool);
        return SLUICE_TEMP;
    }
    uv_unref((uv_handle_t *)&pool->async);
    pool->async.data = pool;
    pool->max_threads = max_threads > 0 ? max_threads : 1;
    (void)snprintf(pool->name, sizeof(pool->name), "%s", name); /* cut is fine */
    init_locks(pool);
    *ret_pool = pool;
    return SLUICE_OK;
}

/* False if threads are still there after POOL_STOP_S. */
static bool stop_threads(struct pool *pool)
{
    struct timespec deadline;
    int result = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += POOL_STOP_S;
    pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    pthread_cond_broadcast(&pool->work_came);
    while (pool->threads > 0 && result == 0)
        result = pthread_cond_timedwait(&pool->thread_ended, &pool->lock, &deadline);
    bool is_stopped = pool->threads == 0;
    pool->is_left = !is_stopped;
    pthread_mutex_unlock(&pool->lock);
    return is_stopped;
}

static void on_closed(uv_handle_t *handle)
{
    destroy(handle->data);
}

/* Hung threads may come back and look into the pool, so it stays; not what has not begun. */
static void leave_behind(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct job *queued = pool->queued;
    pool->queued = NULL;
    pool->queued_count = 0;
    pthread_mutex_unlock(&pool->lock);

    struct job *job;
    struct job *next;
    DL_FOREACH_SAFE(queued, job, next)
    {
        job->status = SLUICE_TEMP;
        finish(pool, job);
    }
    log_warning("threads of %s hang: left behind", pool->name);
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    bool is_stopped = stop_threads(pool);
    on_finished(&pool->async);
    if (!is_stopped)
        leave_behind(pool);
    uv_close((uv_handle_t *)&pool->async, is_stopped ? on_closed : NULL);
}
