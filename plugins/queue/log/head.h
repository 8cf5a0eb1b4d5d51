/* SPDX-License-Identifier: ISC */
/*
 * head: what a segment file says of itself, before its frames are read.
 */
#ifndef SLUICE_LOG_HEAD_H
#define SLUICE_LOG_HEAD_H

#include "format.h"

#include "sluice/types.h"

struct head {
    uint32_t number;
    bool is_made_up; /* the header cannot be read: this one is made up from a frame */
    struct segment_header header;
    uint64_t size;
};

/* Of use where a header cannot be read. */
struct head_hints {
    uint64_t least;  /* frames of batches before this one were left by a former use of the file */
    bool may_search; /* anywhere in the file, and without knowing the salt */
};

/* CONFIG if it is no segment of ours, or of a newer version. */
sluice_status head_read(int folder, uint32_t number, const struct head_hints *hints,
                        const struct sluice_errors *errors, struct head *ret_head);

/* It was made ready, whatever for, and holds nothing. */
bool head_is_unused(const struct head *head);

#endif
