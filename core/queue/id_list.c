/* SPDX-License-Identifier: ISC */
/*
 * id_list: see id_list.h.
 */
#include "queue/id_list.h"

#include <stdlib.h>

#define ROOM_MIN 16

bool id_list_add(struct id_list *list, uint64_t id)
{
    if (list->count == list->room) {
        size_t room = list->room > 0 ? 2 * list->room : ROOM_MIN;
        uint64_t *ids = reallocarray(list->ids, room, sizeof(*ids));

        if (ids == NULL)
            return false;
        list->ids = ids;
        list->room = room;
    }
    list->ids[list->count++] = id;
    return true;
}

bool id_list_take(struct id_list *list, uint64_t *ret_id)
{
    if (list->count == 0)
        return false;
    *ret_id = list->ids[--list->count];
    if (list->count == 0)
        id_list_done(list);
    return true;
}

void id_list_done(struct id_list *list)
{
    free(list->ids);
    *list = (struct id_list){0};
}
