/* SPDX-License-Identifier: ISC */
/*
 * watchdog: a thread that notices that the loop does not turn, because something on it loops or
 * blocks that promised not to. It says so, with the task and the plugin that hold the loop, and at
 * the limit ends the process with last words (crash.h), so that the master starts another one.
 *
 * Time is counted in the watchdog's own ticks, not by a clock: while the process is stopped, in a
 * debugger, or the machine sleeps, the watchdog stands still like everybody else. A loop that waits
 * for something to do does turn: the watchdog asks it to.
 */
#ifndef TASK_WATCHDOG_H
#define TASK_WATCHDOG_H

#include "sluice/types.h"

/* Watches the calling thread's loop from now on. Once. TEMP: no memory for a thread. [loop] */
sluice_status watchdog_start(int64_t limit_ms);
/* To be called where the loop is to turn no more. Does nothing if none was started. [loop] */
void watchdog_stop(void);

#endif
