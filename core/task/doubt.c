/* SPDX-License-Identifier: ISC */
/* doubt: see doubt.h. */
#include "task/doubt.h"

#include "task/task.h"

#include <assert.h>
#include <stddef.h>

void doubt_begin(struct doubt *doubt)
{
    *doubt = (struct doubt){.outer = task_doubt()};
    task_set_doubt(doubt);
}

const char *doubt_end(struct doubt *doubt)
{
    assert(task_doubt() == doubt);
    task_set_doubt(doubt->outer);
    if (doubt->about != NULL)
        (void)doubt_note(doubt->about);
    return doubt->about;
}

const char *doubt_about(void)
{
    const struct doubt *doubt = task_doubt();

    return doubt != NULL ? doubt->about : NULL;
}

bool doubt_note(const char *about)
{
    struct doubt *doubt = task_doubt();

    if (doubt != NULL && doubt->about == NULL)
        doubt->about = about;
    return doubt != NULL;
}
