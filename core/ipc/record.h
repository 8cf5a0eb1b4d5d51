/* SPDX-License-Identifier: ISC */
/*
 * record: a struct as tagged fields (base/codec.h), described by a table of its members.
 *
 * Fields are written in ascending order of their tags. A tag is never used for anything else, even
 * when its member is gone; a new member gets a tag above all others. So what a reader does not know
 * is one run of fields at the end, which it can keep and write again.
 */
#ifndef IPC_RECORD_H
#define IPC_RECORD_H

#include "base/buffer.h"
#include "base/codec.h"

#include <stdbool.h>
#include <stddef.h>

enum record_type {
    RECORD_BOOL,
    RECORD_U32, /* also enums */
    RECORD_I32,
    RECORD_U64,
    RECORD_I64,
    RECORD_SPAN,
    RECORD_SPAN_HEAD, /* tag and length only: the bytes follow from elsewhere; the last member */
};

struct record_member {
    uint64_t tag;
    enum record_type type;
    size_t offset;
};

#define RECORD_SIZE_MAX 256

#define RECORD_MEMBER(tag, type, owner, member)                                                    \
    {                                                                                              \
        (tag), (type), offsetof(owner, member)                                                     \
    }
#define RECORD_COUNT(members) (sizeof(members) / sizeof((members)[0]))

/* Writes the members in the table's order; is_sparse leaves out those that are zero or empty. */
void record_encode(const struct record_member *members, size_t count, const void *record,
                   bool is_sparse, struct buffer *buffer);

/* The member with that tag, or NULL. */
const struct record_member *record_find(const struct record_member *members, size_t count,
                                        uint64_t tag);
/* Puts a field's bytes into the member. PERM if they are no value of its type. */
sluice_status record_set(const struct record_member *member, struct sluice_span bytes,
                         void *record);
/* A whole body of fields, in which every member of the table must be; unknown ones are skipped and
 * what is not in the table is zero. size: of the struct, at most RECORD_SIZE_MAX. PERM if the body
 * makes no sense. */
sluice_status record_decode(const struct record_member *members, size_t count,
                            struct sluice_span body, void *ret_record, size_t size);

#endif
