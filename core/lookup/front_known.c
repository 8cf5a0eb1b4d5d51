/* SPDX-License-Identifier: ISC */
/* front_known: what a front knows of its table for when that gives no answer (last_known.h): written now and then,
 * and given instead. */
#include "lookup/front_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "task/pool.h"

#define WRITE_DELAY_MS 2000 /* answers of this time go to the disk together */

void front_count_known(const struct front *front)
{
    struct last_known_size size;

    if (front->known == NULL)
        return;
    last_known_measure(front->known, &size);
    metric_set(front->counts.known_entries, size.entries);
    metric_set(front->counts.known_bytes, size.bytes);
    metric_set(front->counts.known_oldest, (uint64_t)size.oldest_ms / 1000);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* On a thread: what it uses of the front is the writer's alone. */
static sluice_status write_known(void *arg)
{
    struct front *front = arg;

    front->writer.err = (struct error)ERROR_INIT;
    return last_known_write(front->known, front->writer.wall_ms, &front->writer.err);
}

static void see_to_writing(struct front *front);

static void end_write(void *arg, sluice_status status)
{
    struct front *front = arg;

    last_known_end_write(front->known);
    front_count_known(front);
    front->written = front->writer.err;
    if (status != SLUICE_OK)
        complain(&front->full, LOG_LEVEL_WARNING, "%s", front->written.text);
    else
        complain_over(&front->full, "what %s answers is written again", table_name(front->table));
    task_queue_wake_all(&front->write_ended);
    see_to_writing(front); /* whose writer has come meanwhile, and has gone */
    fronts_release(front->fronts);
}

/* It goes on by itself, however long the disk takes: who waits for it may give up. */
static void start_write(struct front *front)
{
    if (!last_known_begin_write(front->known))
        return;
    fronts_hold(front->fronts);
    front->writer.wall_ms = clock_wall_ms();
    if (pool_submit(front->fronts->disk, write_known, end_write, front) != SLUICE_OK)
        end_write(front, error_set(&front->writer.err, SLUICE_TEMP, "%s: no memory to write it",
                                   table_name(front->table)));
}

static void run_writer(void *arg)
{
    struct front *front = arg;
    int64_t start_ms = clock_monotonic_ms() + WRITE_DELAY_MS;

    while (!front->fronts->is_in_hurry && clock_monotonic_ms() < start_ms && !task_is_cancelled())
        (void)task_queue_wait(&front->fronts->hurry, start_ms);
    front->is_writing = false; /* what comes from now on has a writer of its own */
    start_write(front);
    fronts_release(front->fronts);
}

static void see_to_writing(struct front *front)
{
    if (front->is_writing || !last_known_has_waiting(front->known) ||
        task_start("last known", run_writer, front, NULL) != SLUICE_OK)
        return;
    front->is_writing = true;
    fronts_hold(front->fronts);
}

void front_remember(struct front *front, struct sluice_span name, sluice_status status,
                    struct sluice_span value)
{
    if (front->known == NULL)
        return;
    (void)last_known_put(front->known, name, status, value, clock_wall_ms()); /* or not known */
    see_to_writing(front);
}

sluice_status front_stand_in(struct front *front, struct sluice_span name,
                             struct front_answer *answer)
{
    sluice_status st = SLUICE_TEMP;

    if (front->known != NULL)
        st = last_known_find(front->known, name, clock_wall_ms(), answer->value);
    if (st == SLUICE_TEMP)
        return st;
    answer->is_old = true;
    complain(&front->stale, LOG_LEVEL_WARNING,
             "%s gives no answer: the last known good ones stand in", table_name(front->table));
    front_set_since(front->counts.stale_since, &front->stale_since_ms, true);
    front_note(front, FROM_LAST_KNOWN, st);
    return st;
}

/* ---- forgetting ------------------------------------------------------------------------------ */

/* Until nothing waits any more. One write may be under way already, with others' answers. */
static sluice_status write_all(struct front *front, struct error *err)
{
    front->written = (struct error)ERROR_INIT;
    while (!last_known_is_settled(front->known)) {
        start_write(front);
        if (!last_known_is_settled(front->known) &&
            task_queue_wait(&front->write_ended, CLOCK_NEVER) != SLUICE_OK)
            return error_set(err, SLUICE_TEMP, "%s: the disk is late", table_name(front->table));
    }
    *err = front->written;
    return front->written.status;
}

sluice_status front_forget_known(struct front *front, struct sluice_span key, struct error *err)
{
    struct buffer name = BUFFER_INIT;
    bool is_marked = true;

    if (front->known == NULL)
        return SLUICE_OK;
    if (key.len == 0)
        last_known_forget_all(front->known);
    for (unsigned i = 0; key.len > 0 && is_marked && i < FRONT_USES; i++) {
        is_marked = front_name_use(front, key, i, &name) &&
                    last_known_put(front->known, buffer_span(&name), SLUICE_TEMP, SPAN_EMPTY,
                                   clock_wall_ms());
    }
    buffer_done(&name);
    if (!is_marked)
        return error_set(err, SLUICE_TEMP, "%s: no memory, or too much is to be written",
                         table_name(front->table));
    return write_all(front, err);
}
