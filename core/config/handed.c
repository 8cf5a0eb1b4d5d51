/* SPDX-License-Identifier: ISC */
#include "config/handed.h"

#include "base/span.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

sluice_status handed_add(struct handed *handed, struct channel_frame *frame)
{
    struct handed_item *items = reallocarray(handed->items, handed->count + 1, sizeof(*items));

    if (items == NULL)
        return SLUICE_TEMP;
    handed->items = items;
    char *name = span_dup(frame->body);
    if (name == NULL)
        return SLUICE_TEMP;
    items[handed->count++] = (struct handed_item){.name = name, .fd = frame->fd};
    frame->fd = -1;
    return SLUICE_OK;
}

void handed_done(struct handed *handed)
{
    for (size_t i = 0; i < handed->count; i++) {
        (void)close(handed->items[i].fd); /* listening or only read */
        free(handed->items[i].name);
    }
    free(handed->items);
    *handed = (struct handed){0};
}

int handed_find(const struct handed *handed, const char *name)
{
    for (size_t i = 0; i < handed->count; i++) {
        if (strcmp(handed->items[i].name, name) == 0)
            return handed->items[i].fd;
    }
    return -1;
}

void *handed_map(const struct handed *handed, const char *name, int protection, size_t *ret_size)
{
    int fd = handed_find(handed, name);
    struct stat status;
    void *memory;

    if (fd == -1 || fstat(fd, &status) == -1)
        return NULL;
    memory = mmap(NULL, (size_t)status.st_size, protection, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    *ret_size = (size_t)status.st_size;
    return memory;
}
