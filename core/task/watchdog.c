/* SPDX-License-Identifier: ISC */
/*
 * watchdog: see watchdog.h. It asks by an async handle of the loop; the answer is a counter.
 *
 * What the loop's thread is at only that thread can say safely: a signal makes it write that down.
 * Signal handlers are the process's, hence the static struct.
 */
#include "task/watchdog.h"

#include "base/log.h"
#include "task/crash.h"
#include "task/task.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define TICKS 20        /* until the limit */
#define TICKS_WARNING 4 /* until the first word */
#define TICKS_GRACE 4   /* for the process to end by itself, beyond the limit */
#define PLACE_SIGNAL SIGUSR1

static struct {
    bool is_started;
    pthread_t loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool is_stopping; /* under the lock */
    int64_t tick_ms;
    uv_async_t question;
    atomic_uint asked;
    atomic_uint answered;
    struct sigaction before; /* of PLACE_SIGNAL */
    sem_t place_known;
    char place[CRASH_PLACE_SIZE];
} watchdog;

static void on_question(uv_async_t *question)
{
    (void)question;
    watchdog.answered = watchdog.asked;
}

static void on_place_signal(int signal)
{
    int saved = errno;

    (void)signal;
    crash_format_place(watchdog.place);
    (void)sem_post(&watchdog.place_known); /* async-signal-safe */
    errno = saved;
}

static struct timespec after_tick(clockid_t clock)
{
    struct timespec time;
    int64_t ns;

    (void)clock_gettime(clock, &time);
    ns = time.tv_nsec + watchdog.tick_ms * 1000000;
    time.tv_sec += ns / 1000000000;
    time.tv_nsec = ns % 1000000000;
    return time;
}

/* One tick; false: the watchdog is stopped. */
static bool wait_for_tick(void)
{
    struct timespec end = after_tick(CLOCK_MONOTONIC);
    int result = 0;

    pthread_mutex_lock(&watchdog.lock);
    while (!watchdog.is_stopping && result == 0)
        result = pthread_cond_timedwait(&watchdog.stopped, &watchdog.lock, &end);
    bool is_stopping = watchdog.is_stopping;
    pthread_mutex_unlock(&watchdog.lock);
    return !is_stopping;
}

static void warn(void)
{
    struct timespec end = after_tick(CLOCK_REALTIME);

    while (sem_trywait(&watchdog.place_known) == 0)
        continue; /* an answer that came too late for the last question */
    (void)pthread_kill(watchdog.loop, PLACE_SIGNAL);
    if (sem_timedwait(&watchdog.place_known, &end) == 0)
        log_warning("%s has held everybody up for %lld ms and goes on", watchdog.place,
                    (long long)(TICKS_WARNING * watchdog.tick_ms));
}

static void end_process(unsigned silent_ticks)
{
    if (silent_ticks == TICKS)
        log_error("something has held everybody up for %lld ms: this process ends",
                  (long long)(TICKS * watchdog.tick_ms));
    crash_call_it_hang();
    if (silent_ticks >= TICKS + TICKS_GRACE)
        (void)kill(getpid(), SIGKILL);
    else
        (void)pthread_kill(watchdog.loop, SIGABRT); /* a core shows where it was */
}

static void *watch(void *arg)
{
    unsigned silent_ticks = 0;

    (void)pthread_setname_np(pthread_self(), "watchdog");
    while (wait_for_tick()) {
        if (watchdog.answered == watchdog.asked) {
            if (silent_ticks > TICKS_WARNING)
                log_warning("everybody was held up for %lld ms, and goes on",
                            (long long)(silent_ticks * watchdog.tick_ms));
            silent_ticks = 0;
            watchdog.asked++;
            (void)uv_async_send(&watchdog.question); /* cannot fail on an open handle */
            continue;
        }
        silent_ticks++;
        if (silent_ticks == TICKS_WARNING)
            warn();
        if (silent_ticks >= TICKS)
            end_process(silent_ticks);
    }
    return arg;
}

static void init_locks(void)
{
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&watchdog.lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&watchdog.stopped, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)sem_init(&watchdog.place_known, 0, 0);
}

static void destroy_locks(void)
{
    (void)sem_destroy(&watchdog.place_known);
    (void)pthread_cond_destroy(&watchdog.stopped);
    (void)pthread_mutex_destroy(&watchdog.lock);
}

/* Signals are for the loop's thread. */
static bool start_thread(void)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    bool is_started = pthread_create(&watchdog.thread, NULL, watch, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return is_started;
}

sluice_status watchdog_start(int64_t limit_ms)
{
    struct sigaction action = {.sa_handler = on_place_signal, .sa_flags = SA_RESTART | SA_ONSTACK};

    if (uv_async_init(task_loop(), &watchdog.question, on_question) != 0)
        return SLUICE_TEMP;
    uv_unref((uv_handle_t *)&watchdog.question);
    watchdog.tick_ms = limit_ms > TICKS ? limit_ms / TICKS : 1;
    watchdog.loop = pthread_self();
    watchdog.is_stopping = false;
    init_locks();
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(PLACE_SIGNAL, &action, &watchdog.before);
    watchdog.is_started = start_thread();
    if (watchdog.is_started)
        return SLUICE_OK;
    (void)sigaction(PLACE_SIGNAL, &watchdog.before, NULL);
    uv_close((uv_handle_t *)&watchdog.question, NULL);
    destroy_locks();
    return SLUICE_TEMP;
}

void watchdog_stop(void)
{
    if (!watchdog.is_started)
        return;
    pthread_mutex_lock(&watchdog.lock);
    watchdog.is_stopping = true;
    pthread_cond_signal(&watchdog.stopped);
    pthread_mutex_unlock(&watchdog.lock);
    (void)pthread_join(watchdog.thread, NULL);
    (void)sigaction(PLACE_SIGNAL, &watchdog.before, NULL);
    uv_close((uv_handle_t *)&watchdog.question, NULL);
    destroy_locks();
    watchdog.is_started = false;
}
