/* SPDX-License-Identifier: ISC */
/*
 * vitals: see vitals.h.
 */
#include "master/vitals.h"

#include "base/log.h"
#include "master/child.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

bool vitals_count(const struct child *child)
{
    return child_is(child, "deliver") || child_is(child, "lookup");
}

/* In a debugger, or about to be: the letter behind the name in /proc/PID/stat. */
static bool is_traced(pid_t pid)
{
    char path[64];
    char line[256];
    const char *name_end = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(line, sizeof(line), file) != NULL)
        name_end = strrchr(line, ')');
    (void)fclose(file); /* only read */
    return name_end != NULL && strncmp(name_end, ") t ", 4) == 0;
}

static void end(const struct child *child, const char *why)
{
    log_error("role %s (pid %ld): %s: killed", child->name, (long)process_pid(child->process), why);
    process_kill(child->process, SIGKILL);
}

static void look_for_life(struct child *child)
{
    struct vitals *vitals = &child->vitals;
    int64_t limit_ms = 2 * config_number(child->generation->config, "loop_timeout");
    char text[64];

    if (vitals->seen == vitals->asked) {
        vitals->silent_looks = 0;
        vitals->asked++;
        (void)channel_send_body(child->channel, MESSAGE_PING, vitals->asked,
                                SPAN_EMPTY); /* without memory: it is asked for an answer all the same */
        return;
    }
    vitals->silent_looks++;
    if (limit_ms == 0 || vitals->silent_looks <= limit_ms / VITALS_LOOK_MS ||
        is_traced(process_pid(child->process)))
        return;
    (void)snprintf(text, sizeof(text), "no sign of life for %lld s", (long long)(limit_ms / 1000));
    end(child, text);
}

void vitals_look(struct child *child)
{
    char text[LIMITS_TEXT_SIZE];

    if (!child->is_ready || child->channel == NULL)
        return;
    look_for_life(child);
    if (child->limits.table != NULL &&
        limits_are_passed(&child->limits, process_pid(child->process), text))
        end(child, text);
}

sluice_status vitals_take(struct child *child, uint64_t number)
{
    if (number != child->vitals.asked)
        return SLUICE_PERM;
    child->vitals.seen = number;
    return SLUICE_OK;
}
