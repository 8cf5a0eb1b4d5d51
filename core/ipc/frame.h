/* SPDX-License-Identifier: ISC */
/*
 * frame: what a channel puts before each body. In the machine's own byte order: both ends are
 * processes of one machine.
 */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include <stdint.h>

#define FRAME_HAS_FD 1u /* one descriptor came with the frame's first byte */

struct frame_header {
    uint32_t size; /* of the body */
    uint16_t type;
    uint16_t flags;
    uint64_t ref;
};

_Static_assert(sizeof(struct frame_header) == 16, "no holes");

#endif
