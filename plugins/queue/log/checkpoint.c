/* SPDX-License-Identifier: ISC */
/* checkpoint: what a segment says about messages, without their contents. */
#include "checkpoint.h"

#include "name.h"

#include "../common/failure.h"
#include "../common/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT_SIZE ((size_t)128 << 10)

static uint64_t records_at(const struct checkpoint_header *header)
{
    return FORMAT_HEADER_SIZE + header->count * FORMAT_FRAME_SIZE;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Bytes on their way to one part of the file. */
struct out {
    int fd;
    uint64_t offset; /* where the buffer goes */
    size_t used;
    uint8_t *buffer;
};

static sluice_status out_flush(struct out *out)
{
    sluice_status st = folder_write(out->fd, out->buffer, out->used, out->offset);

    out->offset += out->used;
    out->used = 0;
    return st;
}

static sluice_status out_add(struct out *out, const uint8_t *bytes, size_t size)
{
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK && size > 0) {
        size_t piece = size < OUT_SIZE - out->used ? size : OUT_SIZE - out->used;

        memcpy(out->buffer + out->used, bytes, piece);
        out->used += piece;
        bytes += piece;
        size -= piece;
        if (out->used == OUT_SIZE)
            st = out_flush(out);
    }
    return st;
}

struct writer {
    struct checkpoint_header header;
    struct window segment;
    struct out frames;
    struct out records;
    const struct sluice_errors *errors;
};

static sluice_status not_as_known(const struct writer *writer)
{
    return failure(writer->errors, SLUICE_TEMP, "4.3.0",
                   "segment %08x cannot be read again as it was written", writer->header.number);
}

/* The frame at offset, and its record. Whether that is whole is not asked: whoever reads it asks. */
static sluice_status copy_frame(struct writer *writer, uint64_t offset, struct frame *frame)
{
    const uint8_t *bytes = window_get(&writer->segment, offset, FORMAT_FRAME_SIZE);
    sluice_status st;

    if (bytes == NULL || !format_parse_frame(bytes, writer->header.salt, frame))
        return not_as_known(writer);
    st = out_add(&writer->frames, bytes, FORMAT_FRAME_SIZE);
    if (st == SLUICE_OK && frame->record_size > 0) {
        bytes = window_get(&writer->segment, offset + FORMAT_FRAME_SIZE, frame->record_size);
        if (bytes == NULL)
            return not_as_known(writer);
        st = out_add(&writer->records, bytes, frame->record_size);
    }
    writer->header.records_size += frame->record_size;
    return st == SLUICE_OK ? st : failure_errno(writer->errors, "cannot write", "a checkpoint");
}

static sluice_status copy_frames(struct writer *writer)
{
    uint64_t offset = FORMAT_HEADER_SIZE;
    struct frame frame = {0};
    sluice_status st = SLUICE_OK;

    for (uint64_t i = 0; st == SLUICE_OK && i < writer->header.count; i++) {
        st = copy_frame(writer, offset, &frame);
        offset += frame_size(&frame);
    }
    if (st == SLUICE_OK && (offset != writer->header.end || frame.sequence != writer->header.last))
        st = not_as_known(writer);
    return st;
}

static sluice_status fill(struct writer *writer, int fd)
{
    uint8_t header[FORMAT_HEADER_SIZE];
    sluice_status st = copy_frames(writer);

    if (st != SLUICE_OK)
        return st;
    format_checkpoint(header, &writer->header);
    if (out_flush(&writer->frames) != SLUICE_OK || out_flush(&writer->records) != SLUICE_OK ||
        folder_write(fd, header, sizeof(header), 0) != SLUICE_OK || fdatasync(fd) == -1)
        return failure_errno(writer->errors, "cannot write", "a checkpoint");
    return SLUICE_OK;
}

/* One that is there is wrong, or it would not be written again. */
static sluice_status give_name(int folder, int fd, uint32_t number,
                               const struct sluice_errors *errors)
{
    char self[sizeof("/proc/self/fd/") + 16];
    char name[NAME_SIZE];

    name_format(name, NAME_CHECKPOINT, number);
    (void)name_unlink(folder, NAME_CHECKPOINT, number);
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, self, folder, name, AT_SYMLINK_FOLLOW) == -1)
        return failure_errno(errors, "cannot link the checkpoint", name);
    return SLUICE_OK;
}

static sluice_status writer_init(struct writer *writer, int from, int to)
{
    writer->header.version = FORMAT_CHECKPOINT_VERSION;
    writer->header.records_size = 0;
    writer->frames = (struct out){to, FORMAT_HEADER_SIZE, 0, malloc(OUT_SIZE)};
    writer->records = (struct out){to, records_at(&writer->header), 0, malloc(OUT_SIZE)};
    if (window_init(&writer->segment, from) != SLUICE_OK || writer->frames.buffer == NULL ||
        writer->records.buffer == NULL)
        return failure(writer->errors, SLUICE_TEMP, "4.3.0", "no memory for a checkpoint");
    return SLUICE_OK;
}

static void writer_done(struct writer *writer)
{
    window_done(&writer->segment);
    free(writer->frames.buffer);
    free(writer->records.buffer);
}

sluice_status checkpoint_write(int folder, int fd, const struct checkpoint_header *known,
                               const struct sluice_errors *errors)
{
    struct writer writer = {.header = *known, .errors = errors};
    sluice_status st;
    int to = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (to == -1)
        return failure_errno(errors, "cannot make", "a checkpoint");
    st = writer_init(&writer, fd, to);
    if (st == SLUICE_OK)
        st = fill(&writer, to);
    if (st == SLUICE_OK)
        st = give_name(folder, to, known->number, errors);
    writer_done(&writer);
    close(to);
    return st;
}

/* ---- reading -------------------------------------------------------------------------------- */

static void rewind_frames(struct checkpoint *checkpoint)
{
    checkpoint->taken = 0;
    checkpoint->next_offset = FORMAT_HEADER_SIZE;
    checkpoint->next_record = records_at(&checkpoint->header);
}

bool checkpoint_next(struct checkpoint *checkpoint)
{
    uint64_t at = FORMAT_HEADER_SIZE + checkpoint->taken * FORMAT_FRAME_SIZE;
    struct frame *frame = &checkpoint->frame;
    const uint8_t *bytes;

    if (checkpoint->taken == checkpoint->header.count)
        return false;
    bytes = window_get(&checkpoint->frames, at, FORMAT_FRAME_SIZE);
    if (bytes == NULL || !format_parse_frame(bytes, checkpoint->header.salt, frame))
        return false;
    checkpoint->taken++;
    checkpoint->offset = checkpoint->next_offset;
    checkpoint->record = checkpoint->next_record;
    checkpoint->next_offset += frame_size(frame);
    checkpoint->next_record += frame->record_size;
    return true;
}

const uint8_t *checkpoint_record(struct checkpoint *checkpoint)
{
    const struct frame *frame = &checkpoint->frame;
    const uint8_t *bytes = window_get(&checkpoint->records, checkpoint->record, frame->record_size);

    if (bytes == NULL || format_crc(bytes, frame->record_size) != frame->record_crc)
        return NULL;
    return bytes;
}

static bool read_header(int fd, uint32_t number, uint64_t salt,
                        struct checkpoint_header *ret_header)
{
    uint8_t bytes[FORMAT_HEADER_SIZE];

    return pread(fd, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes) &&
           format_parse_checkpoint(bytes, ret_header) == FORMAT_OK &&
           ret_header->number == number && ret_header->salt == salt;
}

/* All frames are there, and make up the segment that the header speaks of. */
static bool is_whole(struct checkpoint *checkpoint)
{
    const struct checkpoint_header *header = &checkpoint->header;
    struct stat info;

    rewind_frames(checkpoint);
    while (checkpoint_next(checkpoint))
        continue;
    return header->count > 0 && checkpoint->taken == header->count &&
           checkpoint->frame.type == FRAME_COMMIT && checkpoint->frame.sequence == header->last &&
           checkpoint->next_offset == header->end &&
           checkpoint->next_record == records_at(header) + header->records_size &&
           fstat(checkpoint->fd, &info) == 0 && (uint64_t)info.st_size == checkpoint->next_record;
}

sluice_status checkpoint_open(int folder, uint32_t number, uint64_t salt,
                              struct checkpoint *ret_checkpoint)
{
    struct checkpoint checkpoint = {0};
    char name[NAME_SIZE];
    sluice_status st;

    name_format(name, NAME_CHECKPOINT, number);
    checkpoint.fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (checkpoint.fd == -1)
        return SLUICE_NOT_FOUND;
    st = window_init(&checkpoint.frames, checkpoint.fd);
    if (st == SLUICE_OK)
        st = window_init(&checkpoint.records, checkpoint.fd);
    if (st == SLUICE_OK &&
        !(read_header(checkpoint.fd, number, salt, &checkpoint.header) && is_whole(&checkpoint)))
        st = SLUICE_NOT_FOUND;
    if (st != SLUICE_OK) {
        checkpoint_close(&checkpoint);
        return st;
    }
    rewind_frames(&checkpoint);
    *ret_checkpoint = checkpoint;
    return SLUICE_OK;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    window_done(&checkpoint->frames);
    window_done(&checkpoint->records);
    close(checkpoint->fd);
}
