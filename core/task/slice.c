/* SPDX-License-Identifier: ISC */
/*
 * slice: see slice.h. The C library has no function for it; apart from all else, since the kernel's
 * header does not go with the library's sched.h.
 */
#include "task/slice.h"

#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHORT_NS 100000 /* the least that the kernel takes */

void slice_ask_short(void)
{
    struct sched_attr attr = {.size = sizeof(attr)};

    if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) == -1)
        return;
    attr.sched_runtime = SHORT_NS;
    (void)syscall(SYS_sched_setattr, 0, &attr, 0); /* a wish */
}
