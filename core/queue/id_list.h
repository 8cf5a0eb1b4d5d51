/* SPDX-License-Identifier: ISC */
/*
 * id_list: ids of messages that somebody named, for a task that looks at them soon. The last one comes
 * first; one that was named twice comes twice. Pure.
 */
#ifndef QUEUE_ID_LIST_H
#define QUEUE_ID_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_list {
    uint64_t *ids;
    size_t count;
    size_t room;
};

/* False: no memory, and nothing has changed. */
bool id_list_add(struct id_list *list, uint64_t id);
/* False: there is none. */
bool id_list_take(struct id_list *list, uint64_t *ret_id);
void id_list_done(struct id_list *list);

#endif
