/* SPDX-License-Identifier: ISC */
/*
 * record: walking a table of members. Signed numbers are zigzag varints, so that -1 is one byte.
 */
#include "ipc/record.h"

#include <assert.h>
#include <string.h>

#define RECORD_MEMBERS_MAX 64 /* the bits of the set of members seen */

static void *place_of(const struct record_member *member, void *record)
{
    return (char *)record + member->offset;
}

/* The member as the unsigned number that goes into the field. */
static uint64_t number_of(const struct record_member *member, const void *record)
{
    const void *place = (const char *)record + member->offset;

    switch (member->type) {
    case RECORD_BOOL:
        return *(const bool *)place ? 1 : 0;
    case RECORD_U32:
        return *(const uint32_t *)place;
    case RECORD_I32:
        return codec_zigzag(*(const int32_t *)place);
    case RECORD_I64:
        return codec_zigzag(*(const int64_t *)place);
    default:
        return *(const uint64_t *)place;
    }
}

static bool is_span(const struct record_member *member)
{
    return member->type == RECORD_SPAN || member->type == RECORD_SPAN_HEAD;
}

static void encode_member(const struct record_member *member, const void *record, bool is_sparse,
                          struct buffer *buffer)
{
    if (!is_span(member)) {
        uint64_t number = number_of(member, record);
        if (number != 0 || !is_sparse)
            codec_put_number(buffer, member->tag, number);
        return;
    }
    const struct sluice_span *span =
        (const struct sluice_span *)(const void *)((const char *)record + member->offset);
    if (span->len == 0 && is_sparse)
        return;
    codec_put_varint(buffer, member->tag);
    codec_put_varint(buffer, span->len);
    if (member->type == RECORD_SPAN)
        buffer_add_span(buffer, *span);
}

void record_encode(const struct record_member *members, size_t count, const void *record,
                   bool is_sparse, struct buffer *buffer)
{
    for (size_t i = 0; i < count; i++) {
        assert(i == 0 || members[i].tag > members[i - 1].tag);
        encode_member(&members[i], record, is_sparse, buffer);
    }
}

const struct record_member *record_find(const struct record_member *members, size_t count,
                                        uint64_t tag)
{
    if (tag >= 1 && tag <= count && members[tag - 1].tag == tag) /* where no tag was left out */
        return &members[tag - 1];
    for (size_t i = 0; i < count; i++) {
        if (members[i].tag == tag)
            return &members[i];
    }
    return NULL;
}

static bool set_number(const struct record_member *member, uint64_t number, void *record)
{
    int64_t sign = codec_unzigzag(number);

    switch (member->type) {
    case RECORD_BOOL:
        *(bool *)place_of(member, record) = number == 1;
        return number <= 1;
    case RECORD_U32:
        *(uint32_t *)place_of(member, record) = (uint32_t)number;
        return number <= UINT32_MAX;
    case RECORD_I32:
        *(int32_t *)place_of(member, record) = (int32_t)sign;
        return sign >= INT32_MIN && sign <= INT32_MAX;
    case RECORD_I64:
        *(int64_t *)place_of(member, record) = sign;
        return true;
    default:
        *(uint64_t *)place_of(member, record) = number;
        return true;
    }
}

sluice_status record_set(const struct record_member *member, struct sluice_span bytes, void *record)
{
    uint64_t number;

    if (is_span(member)) {
        *(struct sluice_span *)place_of(member, record) = bytes;
        return SLUICE_OK;
    }
    if (codec_varint(&bytes, &number) != SLUICE_OK || bytes.len != 0)
        return SLUICE_PERM;
    return set_number(member, number, record) ? SLUICE_OK : SLUICE_PERM;
}

sluice_status record_decode(const struct record_member *members, size_t count,
                            struct sluice_span body, void *ret_record, size_t size)
{
    max_align_t record[RECORD_SIZE_MAX / sizeof(max_align_t)] = {0};
    struct codec_field field;
    uint64_t seen = 0;
    uint64_t all = count < RECORD_MEMBERS_MAX ? (UINT64_C(1) << count) - 1 : UINT64_MAX;
    sluice_status status;

    assert(count <= RECORD_MEMBERS_MAX && size <= sizeof(record));
    while ((status = codec_next(&body, &field)) == SLUICE_OK) {
        const struct record_member *member = record_find(members, count, field.tag);
        if (member == NULL)
            continue;
        if (record_set(member, field.bytes, record) != SLUICE_OK)
            return SLUICE_PERM;
        seen |= UINT64_C(1) << (member - members);
    }
    if (status != SLUICE_NOT_FOUND || seen != all)
        return SLUICE_PERM;
    memcpy(ret_record, record, size);
    return SLUICE_OK;
}
