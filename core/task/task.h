/* SPDX-License-Identifier: ISC */
/*
 * task: one event loop for each process, and on it coroutines that read straight down.
 *
 * A task runs until it waits; then another one runs. There is no other preemption, so there are no
 * locks among tasks. Everything that waits has a deadline (clock_monotonic_ms, or CLOCK_NEVER). A
 * cancelled task's waits return TEMP at once; nothing is unwound: the task sees TEMP, cleans up and
 * returns from its function.
 *
 * Order: task_loop_init, then task_start and friends, task_loop_run until task_loop_stop or until
 * no task is left, task_loop_done. All functions on the loop's thread unless marked [any].
 */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include "sluice/types.h"

#include <stdbool.h>

struct doubt;
struct explanation;
struct task;
struct uv_loop_s;

typedef void task_fn(void *arg);

#define TASK_NAME_MAX 48

sluice_status task_loop_init(void);
/* Runs tasks and callbacks until task_loop_stop, or until neither a task nor an active handle is
 * left. May be called again. */
void task_loop_run(void);
void task_loop_stop(void);
/* Cancels what is left, runs it to its end (a task that will not end is named in the log and left
 * behind), and closes the loop. */
void task_loop_done(void);
/* The loop itself, for core/net, core/ipc and core/master, which hang handles of their own in. */
struct uv_loop_s *task_loop(void);

/* Starts fn(arg) on a task of its own, at the next turn of the loop. TEMP when there is no memory
 * for a stack. ret_task may be NULL; it is valid until fn has returned. */
sluice_status task_start(const char *name, task_fn *fn, void *arg, struct task **ret_task);
/* The running task, or NULL outside of all tasks. */
struct task *task_self(void);
const char *task_name(const struct task *task);
size_t task_count(void);
/* What the running task is in, such as a plugin's instance: named with the task when the process
 * crashes or hangs. Must stay valid until it is replaced. Returns the one before, to be set again.
 * Outside of tasks: of the thread. [any] */
const char *task_set_activity(const char *activity);

/* No wait of the running task goes on beyond that instant, whatever its own deadline. Returns the
 * limit before, to be set again; at first, and outside of tasks, CLOCK_NEVER. */
int64_t task_set_limit(int64_t limit_ms);

/* Where the running task notes what it does (explain.h); NULL, as at first: nowhere. Task only. */
void task_set_explanation(struct explanation *explanation);
/* That of the running task; NULL also outside of tasks. */
struct explanation *task_explanation(void);

/* The innermost open scope of the running task (doubt.h); NULL, as at first: none is open. Task only. */
void task_set_doubt(struct doubt *doubt);
/* That of the running task; NULL also outside of tasks. */
struct doubt *task_doubt(void);

/* Makes the present and all later waits of the task return TEMP. */
void task_cancel(struct task *task);
bool task_is_cancelled(void);

/* Until the deadline (OK) or until cancelled (TEMP). */
sluice_status task_sleep_until(int64_t deadline_ms);
/* Lets the others run once. */
void task_yield(void);

/*
 * The primitive under all other waits: task_park waits until somebody calls task_wake for this task
 * (OK), the deadline comes or the task is cancelled (TEMP). A wake that comes before the park is
 * kept and ends the next park at once; so the caller checks its condition in a loop, and must not
 * take a wake for more than a hint.
 */
sluice_status task_park(int64_t deadline_ms);
void task_wake(struct task *task);

/* Waits until fd is readable or writable; both may be asked. OK or TEMP. One task for each fd and
 * direction. For rare use: streams have something faster. */
#define TASK_READABLE 1
#define TASK_WRITABLE 2
sluice_status task_wait_fd(int fd, int events, int64_t deadline_ms);
/* For a descriptor that is waited for again and again: keeps what the waits need until
 * task_forget_fd, which must come before the descriptor is closed. TEMP: no memory; waits work all the
 * same. */
sluice_status task_keep_fd(int fd);
void task_forget_fd(int fd);

/*
 * A place where tasks wait for something to change. Zero it to initialise. task_queue_wait parks
 * the running task in it; wake_one and wake_all let waiters go, first come first served.
 */
struct task_waiter;
struct task_queue {
    struct task_waiter *waiters;
};
sluice_status task_queue_wait(struct task_queue *queue, int64_t deadline_ms);
bool task_queue_wake_one(struct task_queue *queue); /* false: nobody waited */
void task_queue_wake_all(struct task_queue *queue);

/*
 * Called once at the end of the present turn of the loop, however often it was asked for in that
 * turn; for flushing what a turn has gathered. The struct is the caller's and must stay until then
 * or until task_later_cancel.
 */
struct task_later {
    void (*fn)(struct task_later *later);
    struct task_later *prev;
    struct task_later *next;
    bool is_asked;
};
void task_later(struct task_later *later);
void task_later_cancel(struct task_later *later);

/* errno is kept per task. */

#endif
