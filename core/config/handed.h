/* SPDX-License-Identifier: ISC */
/*
 * handed: descriptors that the master hands down under names: plugins' files, listening sockets, shared
 * memory.
 */
#ifndef CONFIG_HANDED_H
#define CONFIG_HANDED_H

#include "base/error.h"
#include "ipc/channel.h"

struct handed_item {
    char *name;
    int fd;
};

/* Zero it to initialise. */
struct handed {
    struct handed_item *items;
    size_t count;
};

/* Takes the frame's descriptor, under the name that is its body. TEMP: no memory. */
sluice_status handed_add(struct handed *handed, struct channel_frame *frame);
/* Closes all; the list is empty and usable. */
void handed_done(struct handed *handed);
/* The descriptor of that name, which stays the list's; -1: there is none. */
int handed_find(const struct handed *handed, const char *name);
/* Maps the file of that name as a whole, shared, until the process ends; NULL: it cannot be had. */
void *handed_map(const struct handed *handed, const char *name, int protection, size_t *ret_size);

#endif
