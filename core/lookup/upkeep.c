/* SPDX-License-Identifier: ISC */
/* upkeep: see upkeep.h. */
#include "lookup/upkeep.h"

#include "base/clock.h"
#include "task/task.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#define PAUSE_MS 1000 /* sluice/lookup.h promises it */

struct work {
    struct upkeep *upkeep;
    struct upkeep_news news;
    struct task *task;
    struct work *prev;
    struct work *next;
};

struct upkeep {
    struct work *works;
    upkeep_changed *changed;
    void (*ended)(void *user);
    void *user;
};

struct upkeep *upkeep_new(upkeep_changed *changed, void (*ended)(void *user), void *user)
{
    struct upkeep *upkeep = calloc(1, sizeof(*upkeep));

    if (upkeep == NULL)
        return NULL;
    upkeep->changed = changed;
    upkeep->ended = ended;
    upkeep->user = user;
    return upkeep;
}

void upkeep_free(struct upkeep *upkeep)
{
    assert(upkeep == NULL || upkeep->works == NULL);
    free(upkeep);
}

bool upkeep_is_idle(const struct upkeep *upkeep)
{
    return upkeep->works == NULL;
}

void upkeep_stop(struct upkeep *upkeep)
{
    struct work *work;

    DL_FOREACH(upkeep->works, work)
    {
        task_cancel(work->task);
    }
}

static void on_changed(void *user)
{
    struct work *work = user;
    struct upkeep_news *news = &work->news;

    news->has_generation =
        table_generation(front_table(news->front), &news->generation) == SLUICE_OK;
    work->upkeep->changed(news, work->upkeep->user);
}

void upkeep_repeat(const struct upkeep *upkeep, upkeep_changed *tell, void *user)
{
    const struct work *work;

    DL_FOREACH(upkeep->works, work)
    {
        if (work->news.has_generation)
            tell(&work->news, user);
    }
}

static void run(void *arg)
{
    struct work *work = arg;
    struct upkeep *upkeep = work->upkeep;

    while (!task_is_cancelled()) {
        table_maintain(front_table(work->news.front), on_changed, work);
        (void)task_sleep_until(clock_monotonic_ms() + PAUSE_MS); /* or cancelled */
    }
    DL_DELETE(upkeep->works, work);
    free(work);
    if (upkeep->works == NULL)
        upkeep->ended(upkeep->user);
}

sluice_status upkeep_start(struct upkeep *upkeep, struct front *front)
{
    struct work *work;

    if (!table_has_upkeep(front_table(front)))
        return SLUICE_OK;
    work = calloc(1, sizeof(*work));
    if (work == NULL)
        return SLUICE_TEMP;
    work->upkeep = upkeep;
    work->news.front = front;
    if (task_start(table_name(front_table(front)), run, work, &work->task) != SLUICE_OK) {
        free(work);
        return SLUICE_TEMP;
    }
    DL_APPEND(upkeep->works, work);
    return SLUICE_OK;
}
