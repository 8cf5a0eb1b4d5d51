/* SPDX-License-Identifier: ISC */
/* keepers: see keepers.h. */
#include "lookup/keepers.h"

#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/messages.h"

#include <utlist.h>

void keepers_add(struct keepers *keepers, struct keeper *keeper)
{
    keeper->forgotten = keepers->last; /* it has nothing yet */
    DL_APPEND(keepers->list, keeper);
}

void keepers_remove(struct keepers *keepers, struct keeper *keeper)
{
    DL_DELETE(keepers->list, keeper);
    task_queue_wake_all(&keepers->waiting);
}

void keepers_forget(struct keepers *keepers, const char *table)
{
    const struct keeper *keeper;

    keepers->last++;
    DL_FOREACH(keepers->list, keeper)
    {
        if (channel_send_body(keeper->channel, MESSAGE_FORGET, keepers->last,
                              sluice_span_of(table)) != SLUICE_OK)
            log_warning("no memory to say that answers of %s count no more; some may for a while",
                        table);
    }
}

void keepers_take(struct keepers *keepers, struct keeper *keeper, uint64_t ref)
{
    keeper->forgotten = ref;
    task_queue_wake_all(&keepers->waiting);
}

static bool have_forgotten(const struct keepers *keepers, uint64_t ref)
{
    const struct keeper *keeper;

    DL_FOREACH(keepers->list, keeper)
    {
        if (keeper->forgotten < ref)
            return false;
    }
    return true;
}

sluice_status keepers_wait(struct keepers *keepers, int64_t deadline_ms, struct error *err)
{
    uint64_t ref = keepers->last;

    while (!have_forgotten(keepers, ref)) {
        if (task_queue_wait(&keepers->waiting, deadline_ms) != SLUICE_OK)
            return error_set(
                err, SLUICE_TEMP,
                "a process that keeps answers does not say that it has forgotten them");
    }
    return SLUICE_OK;
}
