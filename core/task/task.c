/* SPDX-License-Identifier: ISC */
/*
 * task: the scheduler.
 *
 * Callbacks of libuv and other tasks only mark tasks runnable; tasks run from one place, a check
 * handle behind the poll. A turn runs what was runnable when it began, once each, then what
 * task_later asked for, and then the loop polls again, so that a busy task does not shut out the
 * sockets. An idle handle keeps the poll from sleeping while something is runnable.
 *
 * Deadlines: a task's entry in the heap is put when it parks and stays when it is woken. It is only
 * moved when the next deadline is earlier; when it comes up too early it moves itself on. A session
 * that waits for five minutes again and again touches the heap every five minutes.
 *
 * The loop is one for each process, and tasks reach it without being handed it: hence one static
 * struct.
 */
#include "task/task.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/text.h"
#include "task/crash.h"
#include "task/fibre.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>
#include <uv.h>

#define LOOP_DONE_TURNS 1000 /* task_loop_done gives up on a task that has not ended by then */

enum task_state {
    TASK_RUNNABLE, /* in the list of those */
    TASK_RUNNING,
    TASK_PARKED,
    TASK_ENDED,
};

struct task {
    struct heap_node deadline; /* first: the heap's node is the task */
    struct fibre *fibre;
    task_fn *fn;
    void *arg;
    enum task_state state;
    bool is_cancelled;
    bool is_woken;
    int64_t park_until_ms; /* while parked; the heap may say earlier */
    int64_t limit_ms;      /* of all waits */
    const char *activity;
    struct explanation *explanation;
    struct doubt *doubt;
    struct task *next_runnable;
    struct task *prev; /* of all tasks */
    struct task *next;
    char name[TASK_NAME_MAX];
};

struct runnable {
    struct task *first;
    struct task *last;
};

static struct {
    uv_loop_t uv;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t timer;
    int64_t timer_ms; /* when it goes off; CLOCK_NEVER: not armed */
    struct heap deadlines;
    struct fibre thread; /* the stack of the loop itself */
    struct task *running;
    struct runnable runnable;
    struct task *all;
    size_t count;
    struct task_later *later; /* asked for, in order */
    bool is_open;
} loop;

/* ---- runnable tasks -------------------------------------------------------------------------- */

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* it is there to keep the poll from sleeping */
}

static void ask_for_turn(void)
{
    (void)uv_idle_start(&loop.idle, on_idle); /* cannot fail; does nothing when started */
}

static void make_runnable(struct task *task)
{
    task->state = TASK_RUNNABLE;
    task->next_runnable = NULL;
    if (loop.runnable.last != NULL)
        loop.runnable.last->next_runnable = task;
    else
        loop.runnable.first = task;
    loop.runnable.last = task;
    ask_for_turn();
}

/* Back to the loop, until it resumes us. The thread's errno is everybody's: keep ours. */
static void leave(enum task_state state)
{
    struct task *self = loop.running;
    int saved = errno;

    self->state = state;
    fibre_switch(self->fibre, &loop.thread, state == TASK_ENDED);
    errno = saved;
}

static void forget(struct task *task)
{
    heap_remove(&loop.deadlines, &task->deadline);
    DL_DELETE(loop.all, task);
    loop.count--;
    if (loop.count == 0)
        uv_unref((uv_handle_t *)&loop.check);
    fibre_free(task->fibre);
    free(task);
}

static void run_task(struct task *task)
{
    task->state = TASK_RUNNING;
    loop.running = task;
    crash_watch(task->fibre, task->name, &task->activity);
    fibre_switch(&loop.thread, task->fibre, false);
    crash_watch(NULL, NULL, NULL);
    loop.running = NULL;
    if (task->state == TASK_ENDED)
        forget(task);
}

/* What these ask for in turn comes behind the mark, and runs at the end of the next turn. */
static void run_later(void)
{
    struct task_later mark;

    DL_APPEND(loop.later, &mark);
    while (loop.later != &mark) {
        struct task_later *later = loop.later;
        DL_DELETE(loop.later, later);
        later->is_asked = false;
        later->fn(later);
    }
    DL_DELETE(loop.later, &mark);
}

/* One turn. */
static void on_check(uv_check_t *check)
{
    struct task *task = loop.runnable.first;

    (void)check;
    loop.runnable = (struct runnable){0};
    while (task != NULL) {
        struct task *next = task->next_runnable;
        run_task(task);
        task = next;
    }
    run_later();
    if (loop.runnable.first == NULL && loop.later == NULL)
        (void)uv_idle_stop(&loop.idle); /* cannot fail */
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void arm_timer(int64_t due_ms)
{
    int64_t now_ms = clock_monotonic_ms();

    if (due_ms == CLOCK_NEVER || due_ms >= loop.timer_ms)
        return; /* an earlier one arms it anew when it has gone off */
    loop.timer_ms = due_ms;
    uv_update_time(&loop.uv); /* a long turn leaves it behind */
    (void)uv_timer_start(&loop.timer, on_timer, due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0,
                         0);
}

/* The task's entry in the heap has come up. */
static void expire(struct task *task, int64_t now_ms)
{
    if (task->state == TASK_PARKED && task->park_until_ms <= now_ms) {
        heap_remove(&loop.deadlines, &task->deadline);
        make_runnable(task);
    } else if (task->state == TASK_PARKED && task->park_until_ms != CLOCK_NEVER) {
        (void)heap_put(&loop.deadlines, &task->deadline, task->park_until_ms); /* a move */
    } else {
        heap_remove(&loop.deadlines, &task->deadline);
    }
}

static void on_timer(uv_timer_t *timer)
{
    int64_t now_ms = clock_monotonic_ms();
    struct heap_node *node;

    (void)timer;
    loop.timer_ms = CLOCK_NEVER;
    while ((node = heap_first(&loop.deadlines)) != NULL && node->due_ms <= now_ms)
        expire((struct task *)node, now_ms);
    if (node != NULL)
        arm_timer(node->due_ms);
}

static void set_deadline(struct task *task, int64_t deadline_ms)
{
    task->park_until_ms = deadline_ms;
    if (deadline_ms == CLOCK_NEVER)
        return;
    if (task->deadline.place != 0 && task->deadline.due_ms <= deadline_ms)
        return;
    (void)heap_put(&loop.deadlines, &task->deadline, deadline_ms); /* task_start reserved it */
    arm_timer(deadline_ms);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static void enter(void)
{
    struct task *self = loop.running;

    fibre_entered(&loop.thread);
    errno = 0;
    self->fn(self->arg);
    leave(TASK_ENDED);
}

sluice_status task_start(const char *name, task_fn *fn, void *arg, struct task **ret_task)
{
    assert(loop.is_open);
    if (!heap_reserve(&loop.deadlines, loop.count + 1))
        return SLUICE_TEMP;
    struct task *task = calloc(1, sizeof(*task));
    struct fibre *fibre = fibre_new(enter);
    if (task == NULL || fibre == NULL) {
        fibre_free(fibre);
        free(task);
        return SLUICE_TEMP;
    }
    task->fibre = fibre;
    task->fn = fn;
    task->arg = arg;
    task->limit_ms = CLOCK_NEVER;
    text_copy(task->name, sizeof(task->name), name); /* cut is fine */
    DL_APPEND(loop.all, task);
    if (loop.count == 0)
        uv_ref((uv_handle_t *)&loop.check);
    loop.count++;
    make_runnable(task);
    if (ret_task != NULL)
        *ret_task = task;
    return SLUICE_OK;
}

struct task *task_self(void)
{
    return loop.running;
}

const char *task_name(const struct task *task)
{
    return task->name;
}

size_t task_count(void)
{
    return loop.count;
}

const char *task_set_activity(const char *activity)
{
    return crash_set_activity(activity);
}

void task_set_explanation(struct explanation *explanation)
{
    loop.running->explanation = explanation;
}

struct explanation *task_explanation(void)
{
    return loop.running != NULL ? loop.running->explanation : NULL;
}

void task_set_doubt(struct doubt *doubt)
{
    loop.running->doubt = doubt;
}

struct doubt *task_doubt(void)
{
    return loop.running != NULL ? loop.running->doubt : NULL;
}

int64_t task_set_limit(int64_t limit_ms)
{
    struct task *self = loop.running;

    if (self == NULL)
        return CLOCK_NEVER;
    int64_t before_ms = self->limit_ms;
    self->limit_ms = limit_ms;
    return before_ms;
}

void task_cancel(struct task *task)
{
    task->is_cancelled = true;
    if (task->state == TASK_PARKED)
        make_runnable(task);
}

bool task_is_cancelled(void)
{
    return loop.running != NULL && loop.running->is_cancelled;
}

void task_wake(struct task *task)
{
    task->is_woken = true;
    if (task->state == TASK_PARKED)
        make_runnable(task);
}

sluice_status task_park(int64_t deadline_ms)
{
    struct task *self = loop.running;
    assert(self != NULL);

    if (deadline_ms > self->limit_ms)
        deadline_ms = self->limit_ms;
    if (!self->is_cancelled && !self->is_woken) {
        if (deadline_ms != CLOCK_NEVER && deadline_ms <= clock_monotonic_ms())
            return SLUICE_TEMP;
        set_deadline(self, deadline_ms);
        leave(TASK_PARKED);
    }
    if (self->is_cancelled || !self->is_woken)
        return SLUICE_TEMP;
    self->is_woken = false;
    return SLUICE_OK;
}

void task_yield(void)
{
    assert(loop.running != NULL);
    make_runnable(loop.running);
    leave(TASK_RUNNABLE);
}

sluice_status task_sleep_until(int64_t deadline_ms)
{
    while (task_park(deadline_ms) == SLUICE_OK)
        continue; /* woken for something else */
    return task_is_cancelled() ? SLUICE_TEMP : SLUICE_OK;
}

/* ---- at the end of the turn ------------------------------------------------------------------ */

void task_later(struct task_later *later)
{
    if (later->is_asked)
        return;
    later->is_asked = true;
    DL_APPEND(loop.later, later);
    ask_for_turn();
}

void task_later_cancel(struct task_later *later)
{
    if (!later->is_asked)
        return;
    later->is_asked = false;
    DL_DELETE(loop.later, later);
}

/* ---- the loop -------------------------------------------------------------------------------- */

sluice_status task_loop_init(void)
{
    assert(!loop.is_open);
    if (uv_loop_init(&loop.uv) != 0)
        return SLUICE_TEMP;
    /* These four cannot fail. */
    (void)uv_check_init(&loop.uv, &loop.check);
    (void)uv_check_start(&loop.check, on_check);
    (void)uv_idle_init(&loop.uv, &loop.idle);
    (void)uv_timer_init(&loop.uv, &loop.timer);
    /* The check handle keeps the loop alive while there are tasks, the others never do. */
    uv_unref((uv_handle_t *)&loop.check);
    uv_unref((uv_handle_t *)&loop.timer);
    loop.timer_ms = CLOCK_NEVER;
    fibre_init_thread(&loop.thread);
    crash_handler_start();
    loop.is_open = true;
    return SLUICE_OK;
}

struct uv_loop_s *task_loop(void)
{
    return &loop.uv;
}

void task_loop_run(void)
{
    (void)uv_run(&loop.uv, UV_RUN_DEFAULT); /* what is left when it is stopped is known */
}

void task_loop_stop(void)
{
    uv_stop(&loop.uv);
}

static void cancel_all(void)
{
    struct task *task;

    DL_FOREACH(loop.all, task)
    {
        if (!task->is_cancelled)
            task_cancel(task);
    }
}

/* Some end only in a later turn, or start others. */
static void end_tasks(void)
{
    struct task *task;

    for (int turn = 0; turn < LOOP_DONE_TURNS && loop.all != NULL; turn++) {
        cancel_all();
        (void)uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    DL_FOREACH(loop.all, task)
    {
        log_error("task %s does not end: left behind", task->name);
    }
}

void task_loop_done(void)
{
    assert(loop.is_open && loop.running == NULL);
    end_tasks();
    uv_close((uv_handle_t *)&loop.check, NULL);
    uv_close((uv_handle_t *)&loop.idle, NULL);
    uv_close((uv_handle_t *)&loop.timer, NULL);
    /* Two turns: handles that are closed in the callback of another one. */
    (void)uv_run(&loop.uv, UV_RUN_NOWAIT);
    (void)uv_run(&loop.uv, UV_RUN_NOWAIT);
    if (uv_loop_close(&loop.uv) != 0)
        log_error("event loop: some handles were never closed");
    crash_handler_stop();
    fibre_free_idle();
    heap_done(&loop.deadlines);
    memset(&loop, 0, sizeof(loop));
}
