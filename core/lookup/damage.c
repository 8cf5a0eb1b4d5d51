/* SPDX-License-Identifier: ISC */
/*
 * damage: see damage.h.
 */
#include "lookup/damage.h"

#include "base/buffer.h"
#include "base/span.h"
#include "task/crash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *join(const char *path, const char *end)
{
    struct buffer name = BUFFER_INIT;

    buffer_printf(&name, "%s%s", path, end);
    const char *text = buffer_text(&name);
    char *copy = text != NULL ? span_dup(sluice_span_of(text)) : NULL;
    buffer_done(&name);
    return copy;
}

sluice_status damage_init(struct damage *damage, const char *path)
{
    *damage = (struct damage){
        .path = join(path, ""),
        .mark = join(path, ".crash"),
        .aside = join(path, ".damaged"),
        .lock = join(path, "-lock"),
    };
    return damage->path != NULL && damage->mark != NULL && damage->aside != NULL &&
                   damage->lock != NULL
               ? SLUICE_OK
               : SLUICE_TEMP;
}

void damage_done(struct damage *damage)
{
    free(damage->path);
    free(damage->mark);
    free(damage->aside);
    free(damage->lock);
    *damage = (struct damage){0};
}

bool damage_has_mark(const struct damage *damage)
{
    return access(damage->mark, F_OK) == 0;
}

int damage_put_aside(const struct damage *damage)
{
    if (rename(damage->path, damage->aside) != 0 && errno != ENOENT)
        return errno;
    /* A process of the generation before may have both open, and must not share the lock of another file. */
    if (unlink(damage->lock) != 0 && errno != ENOENT)
        return errno;
    return unlink(damage->mark) != 0 && errno != ENOENT ? errno : 0;
}

const char *damage_look(const struct damage *damage)
{
    return crash_set_mark(damage->mark);
}

void damage_look_away(const char *before)
{
    (void)crash_set_mark(before);
}
