/* SPDX-License-Identifier: ISC */
/* head: what a segment file says of itself, before its frames are read. */
#include "head.h"

#include "name.h"
#include "segment.h"

#include "../common/failure.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_SIZE (FORMAT_HEADER_SIZE + FORMAT_FRAME_SIZE)

static sluice_status unreadable(uint32_t number, const char *why,
                                const struct sluice_errors *errors)
{
    char name[NAME_SIZE];

    name_format(name, NAME_SEGMENT, number);
    return failure(errors, SLUICE_CONFIG, NULL, "segment %s %s", name, why);
}

static sluice_status make_up_header(struct head *head, const uint8_t *bytes,
                                    const struct sluice_errors *errors)
{
    const uint8_t *first = bytes + FORMAT_HEADER_SIZE;
    struct frame frame = {0};

    head->header = (struct segment_header){.number = head->number, .salt = format_peek_salt(first)};
    if (head->header.salt == 0 || !format_parse_frame(first, head->header.salt, &frame))
        return unreadable(head->number, "is not of this store", errors);
    head->header.first = frame.sequence;
    head->header.durable = frame.sequence - 1;
    head->is_made_up = true;
    return SLUICE_OK;
}

static sluice_status parse(struct head *head, const uint8_t *bytes,
                           const struct sluice_errors *errors)
{
    switch (format_parse_header(bytes, &head->header)) {
    case FORMAT_NEWER:
        return unreadable(head->number, "was written by a newer version", errors);
    case FORMAT_BAD:
        return make_up_header(head, bytes, errors);
    case FORMAT_OK:
        break;
    }
    if (head->header.number != head->number && !head_is_unused(head))
        return unreadable(head->number, "has the header of another one", errors);
    return SLUICE_OK;
}

sluice_status head_read(int folder, uint32_t number, const struct sluice_errors *errors,
                        struct head *ret_head)
{
    struct head head = {.number = number};
    uint8_t bytes[HEAD_SIZE] = {0}; /* stays like that where the disk cannot read */
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
    (void)segment_read(fd, bytes, sizeof(bytes), 0, NULL);
    close(fd);
    head.size = (uint64_t)info.st_size;
    st = parse(&head, bytes, errors);
    if (st == SLUICE_OK)
        *ret_head = head;
    return st;
}

bool head_is_unused(const struct head *head)
{
    return head->header.first == 0;
}
