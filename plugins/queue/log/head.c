/* SPDX-License-Identifier: ISC */
/* head: what a segment file says of itself, before its frames are read. */
#include "head.h"

#include "name.h"
#include "segment.h"

#include "../common/failure.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_SIZE (FORMAT_HEADER_SIZE + FORMAT_FRAME_SIZE)

static sluice_status unreadable(uint32_t number, const char *why,
                                const struct sluice_errors *errors)
{
    char name[NAME_SIZE];

    name_format(name, NAME_SEGMENT, number);
    return failure(errors, SLUICE_CONFIG, NULL, "%s cannot be read, at 0: %s", name, why);
}

/* ---- without a header ----------------------------------------------------------------------- */

/* From its first frame, if that is what this is. */
static bool make_up_header(struct head *head, uint64_t salt, const uint8_t *bytes, uint64_t least)
{
    struct frame frame = {0};

    if (salt == 0 || !format_parse_frame(bytes, salt, &frame) || frame.sequence < least)
        return false;
    head->header = (struct segment_header){.version = FORMAT_VERSION,
                                           .number = head->number,
                                           .salt = salt,
                                           .first = frame.sequence,
                                           .durable = frame.sequence - 1};
    head->is_made_up = true;
    return true;
}

/* The checkpoint knows the salt, and has the first frame. */
static bool ask_checkpoint(struct head *head, int folder, uint64_t least)
{
    struct checkpoint_header checkpoint;
    uint8_t bytes[HEAD_SIZE];
    char name[NAME_SIZE];
    bool is_read;
    int fd;

    name_format(name, NAME_CHECKPOINT, head->number);
    fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    is_read = segment_read(fd, bytes, sizeof(bytes), 0, NULL) == SLUICE_OK;
    close(fd);
    return is_read && format_parse_checkpoint(bytes, &checkpoint) == FORMAT_OK &&
           checkpoint.number == head->number &&
           make_up_header(head, checkpoint.salt, bytes + FORMAT_HEADER_SIZE, least);
}

/* What looks most like its first frame. The content of a message may have been made to look like one: that
 * is only for a person who is there to judge. */
static bool search(struct head *head, int fd, uint64_t least)
{
    uint64_t at = FORMAT_HEADER_SIZE;
    uint64_t size;
    uint64_t hole;
    uint8_t *data;

    if (segment_load(fd, NULL, &data, &size, &hole) != SLUICE_OK)
        return false;
    while (at + FORMAT_FRAME_SIZE <= size &&
           !make_up_header(head, format_peek_salt(data + at), data + at, least))
        at += FORMAT_ALIGNMENT;
    free(data);
    return head->is_made_up;
}

static sluice_status find_header(struct head *head, int folder, int fd, const uint8_t *bytes,
                                 const struct head_hints *hints, const struct sluice_errors *errors)
{
    const uint8_t *first = bytes + FORMAT_HEADER_SIZE;

    if (format_is_torn_header(bytes)) {
        head->header = (struct segment_header){.number = head->number};
        return SLUICE_OK;
    }
    if (make_up_header(head, format_peek_salt(first), first, hints->least) ||
        ask_checkpoint(head, folder, hints->least) ||
        (hints->may_search && search(head, fd, hints->least)))
        return SLUICE_OK;
    return unreadable(head->number, "it is not of this store", errors);
}

/* ---- a segment ------------------------------------------------------------------------------ */

static sluice_status parse(struct head *head, int folder, int fd, const struct head_hints *hints,
                           const struct sluice_errors *errors)
{
    uint8_t bytes[HEAD_SIZE] = {0}; /* stays like that where the disk cannot read */

    (void)segment_read(fd, bytes, sizeof(bytes), 0, NULL);
    switch (format_parse_header(bytes, &head->header)) {
    case FORMAT_NEWER:
        return unreadable(head->number, "it was written by a newer version", errors);
    case FORMAT_BAD:
        return find_header(head, folder, fd, bytes, hints, errors);
    case FORMAT_OK:
        break;
    }
    if (head->header.number != head->number && !head_is_unused(head))
        return unreadable(head->number, "it has the header of another one", errors);
    return SLUICE_OK;
}

sluice_status head_read(int folder, uint32_t number, const struct head_hints *hints,
                        const struct sluice_errors *errors, struct head *ret_head)
{
    struct head head = {.number = number};
    struct stat info;
    sluice_status st;
    int fd;

    st = segment_open(folder, number, O_RDONLY, errors, &fd);
    if (st != SLUICE_OK)
        return st == SLUICE_NOT_FOUND ? SLUICE_TEMP : st;
    if (fstat(fd, &info) == -1) {
        st = failure_errno(errors, "cannot look at", "a segment");
        close(fd);
        return st;
    }
    head.size = (uint64_t)info.st_size;
    st = parse(&head, folder, fd, hints, errors);
    close(fd);
    if (st == SLUICE_OK)
        *ret_head = head;
    return st;
}

bool head_is_unused(const struct head *head)
{
    return head->header.first == 0;
}
