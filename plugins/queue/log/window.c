/* SPDX-License-Identifier: ISC */
/* window: a file that is read from front to back, in pieces. */
#include "window.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define WINDOW_SIZE ((size_t)128 << 10)

sluice_status window_init(struct window *window, int fd)
{
    *window = (struct window){.fd = fd, .bytes = malloc(WINDOW_SIZE), .capacity = WINDOW_SIZE};
    return window->bytes != NULL ? SLUICE_OK : SLUICE_TEMP;
}

void window_done(struct window *window)
{
    free(window->bytes);
}

static bool grow(struct window *window, size_t size)
{
    uint8_t *bytes;

    if (size <= window->capacity)
        return true;
    bytes = realloc(window->bytes, size);
    if (bytes == NULL)
        return false;
    window->bytes = bytes;
    window->capacity = size;
    return true;
}

/* At least size bytes at offset, and as many more as one read gives. */
static bool move(struct window *window, uint64_t offset, size_t size)
{
    window->offset = offset;
    window->filled = 0;
    while (window->filled < size) {
        ssize_t got = pread(window->fd, window->bytes + window->filled,
                            window->capacity - window->filled, (off_t)(offset + window->filled));

        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        window->filled += (size_t)got;
    }
    return true;
}

const uint8_t *window_get(struct window *window, uint64_t offset, size_t size)
{
    bool is_inside = offset >= window->offset && offset + size <= window->offset + window->filled;

    if (!is_inside && !(grow(window, size) && move(window, offset, size)))
        return NULL;
    return window->bytes + (offset - window->offset);
}
