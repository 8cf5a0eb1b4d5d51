/* SPDX-License-Identifier: ISC */
/*
 * checkpoint: what a segment says about messages, without their contents, in a file of its own: so
 * that a start need not read gigabytes.
 *
 * Written once, of a segment that is not written any more, and never changed. It is only a short cut: without
 * it, or when anything about it is wrong, the segment itself is read. Nothing in it needs a checksum
 * of its own: frame headers and records bring theirs.
 */
#ifndef SLUICE_LOG_CHECKPOINT_H
#define SLUICE_LOG_CHECKPOINT_H

#include "format.h"
#include "window.h"

#include "sluice/types.h"

/*
 * Writes the checkpoint of the segment that is open as fd: number, salt, last, end and count are
 * known of it. TEMP if it cannot be written, or if the segment does not read like that. Its name
 * may get lost in a power cut; its bytes are on disk before it has the name.
 */
sluice_status checkpoint_write(int folder, int fd, const struct checkpoint_header *known,
                               const struct sluice_errors *errors);

/* One that is open, and stands at a frame. */
struct checkpoint {
    struct checkpoint_header header;
    int fd;
    struct window frames;
    struct window records;
    uint64_t taken; /* frames so far */
    struct frame frame;
    uint64_t offset; /* of the frame in its segment */
    uint64_t record; /* of its record in the checkpoint */
    uint64_t next_offset;
    uint64_t next_record;
};

/* Opens the checkpoint of a segment with that salt; it stands before the first frame. NOT_FOUND: there
 * is none, or it is not whole, or of another segment, or written by a newer version. TEMP: no memory. */
sluice_status checkpoint_open(int folder, uint32_t number, uint64_t salt,
                              struct checkpoint *ret_checkpoint);
void checkpoint_close(struct checkpoint *checkpoint);

/* Goes to the next frame. False after the last one, or if the disk does not give it. */
bool checkpoint_next(struct checkpoint *checkpoint);

/* The record of the frame, until the next call; NULL if it cannot be read. */
const uint8_t *checkpoint_record(struct checkpoint *checkpoint);

#endif
