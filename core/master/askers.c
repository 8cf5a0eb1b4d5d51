/* SPDX-License-Identifier: ISC */
/*
 * askers: see askers.h.
 */
#include "master/askers.h"

#include "base/span.h"

#include <unistd.h>

void askers_add(struct askers *askers, int fd)
{
    if (askers->count < ASKERS_MAX)
        askers->fds[askers->count++] = fd;
    else
        (void)close(fd); /* sees that there is no answer */
}

struct askers askers_take(struct askers *askers)
{
    struct askers taken = *askers;

    askers->count = 0;
    return taken;
}

void askers_answer(struct askers *askers, const struct children *children,
                   const struct reload *reload, uint64_t generation)
{
    const struct message_reloaded answer = {.status = reload->err.status,
                                            .text = sluice_span_of(reload->err.text),
                                            .said = buffer_span(&reload->said),
                                            .generation = generation};

    for (size_t i = 0; i < askers->count; i++)
        children_answer(children, &answer, askers->fds[i]);
    askers_close(askers); /* queue has its own */
}

void askers_close(struct askers *askers)
{
    for (size_t i = 0; i < askers->count; i++)
        (void)close(askers->fds[i]); /* nothing was written */
    askers->count = 0;
}
