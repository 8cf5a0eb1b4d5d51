/* SPDX-License-Identifier: ISC */
/*
 * envelope: its bytes are
 *
 *   version (varint), length of all that follows (32 bits, little-endian), fields
 *
 * Fields are those of record.h; those that are zero or empty are left out. Recipients are fields of
 * one tag in their order, each with fields of its own. Fields of unknown tags are at the end of the
 * envelope and of each recipient; they are kept as they came.
 */
#include "ipc/envelope.h"

#include "base/span.h"
#include "ipc/record.h"

#include <stdlib.h>

#define LENGTH_SIZE 4
#define RECIPIENTS_MIN_CAPACITY 4

/* Tags are never used for anything else. The next free one is 35; the recipients have 32. */
static const struct record_member members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct envelope, sender),
    RECORD_MEMBER(2, RECORD_SPAN, struct envelope, envid),
    RECORD_MEMBER(3, RECORD_I32, struct envelope, ret),
    RECORD_MEMBER(4, RECORD_I32, struct envelope, body),
    RECORD_MEMBER(5, RECORD_BOOL, struct envelope, is_smtputf8),
    RECORD_MEMBER(6, RECORD_SPAN, struct envelope, client_address),
    RECORD_MEMBER(7, RECORD_SPAN, struct envelope, client_name),
    RECORD_MEMBER(8, RECORD_SPAN, struct envelope, helo),
    RECORD_MEMBER(9, RECORD_SPAN, struct envelope, protocol),
    RECORD_MEMBER(10, RECORD_SPAN, struct envelope, login),
    RECORD_MEMBER(11, RECORD_I64, struct envelope, arrival_ms),
    RECORD_MEMBER(12, RECORD_U64, struct envelope, content_size),
    RECORD_MEMBER(13, RECORD_BOOL, struct envelope, is_held),
    RECORD_MEMBER(14, RECORD_I64, struct envelope, expired_ms),
    RECORD_MEMBER(15, RECORD_I64, struct envelope, warned_ms),
    RECORD_MEMBER(33, RECORD_U32, struct envelope, crashes),
    RECORD_MEMBER(34, RECORD_BOOL, struct envelope, is_verify),
};
#define TAG_RECIPIENT 32

/* The next free tag is 15. */
static const struct record_member recipient_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct envelope_recipient, address),
    RECORD_MEMBER(2, RECORD_SPAN, struct envelope_recipient, original),
    RECORD_MEMBER(3, RECORD_SPAN, struct envelope_recipient, orcpt),
    RECORD_MEMBER(4, RECORD_U32, struct envelope_recipient, notify),
    RECORD_MEMBER(5, RECORD_SPAN, struct envelope_recipient, transport),
    RECORD_MEMBER(6, RECORD_SPAN, struct envelope_recipient, nexthop),
    RECORD_MEMBER(7, RECORD_U32, struct envelope_recipient, state),
    RECORD_MEMBER(8, RECORD_U32, struct envelope_recipient, attempts),
    RECORD_MEMBER(9, RECORD_I64, struct envelope_recipient, last_attempt_ms),
    RECORD_MEMBER(10, RECORD_I64, struct envelope_recipient, next_due_ms),
    RECORD_MEMBER(11, RECORD_SPAN, struct envelope_recipient, dsn),
    RECORD_MEMBER(12, RECORD_SPAN, struct envelope_recipient, text),
    RECORD_MEMBER(13, RECORD_SPAN, struct envelope_recipient, reply),
    RECORD_MEMBER(14, RECORD_SPAN, struct envelope_recipient, remote),
};
_Static_assert(sizeof(enum recipient_state) == sizeof(uint32_t), "written as 32 bits");

void envelope_done(struct envelope *envelope)
{
    free(envelope->recipients);
    *envelope = (struct envelope)ENVELOPE_INIT;
}

/* The capacity is not stored: it is the count's next power of two. */
static bool is_full(size_t count)
{
    return count == 0 || (count >= RECIPIENTS_MIN_CAPACITY && (count & (count - 1)) == 0);
}

struct envelope_recipient *envelope_add(struct envelope *envelope)
{
    size_t count = envelope->recipient_count;

    if (is_full(count)) {
        size_t capacity = count == 0 ? RECIPIENTS_MIN_CAPACITY : 2 * count;
        struct envelope_recipient *grown =
            reallocarray(envelope->recipients, capacity, sizeof(*grown));
        if (grown == NULL)
            return NULL;
        envelope->recipients = grown;
    }
    envelope->recipients[count] = (struct envelope_recipient){0};
    envelope->recipient_count++;
    return &envelope->recipients[count];
}

bool envelope_is_finished(const struct envelope *envelope)
{
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        enum recipient_state state = envelope->recipients[i].state;

        if (state != RECIPIENT_DELIVERED && state != RECIPIENT_RETURNED)
            return false;
    }
    return true;
}

static void encode_recipient(const struct envelope_recipient *recipient, struct buffer *scratch,
                             struct buffer *buffer)
{
    buffer_clear(scratch);
    record_encode(recipient_members, RECORD_COUNT(recipient_members), recipient, true, scratch);
    buffer_add_span(scratch, recipient->unknown);
    if (buffer_failed(scratch))
        buffer->failed = true;
    codec_put_field(buffer, TAG_RECIPIENT, buffer_span(scratch));
}

static void put_length(char *place, size_t length)
{
    for (int i = 0; i < LENGTH_SIZE; i++)
        place[i] = (char)(unsigned char)(length >> (8 * i));
}

/* The members that are written before the recipients, so that tags ascend. */
static size_t count_head(void)
{
    size_t count = 0;

    while (count < RECORD_COUNT(members) && members[count].tag < TAG_RECIPIENT)
        count++;
    return count;
}

void envelope_encode(const struct envelope *envelope, struct buffer *buffer)
{
    struct buffer scratch = BUFFER_INIT;
    size_t head = count_head();

    codec_put_varint(buffer, ENVELOPE_VERSION);
    size_t length_at = buffer->len;
    buffer_add(buffer, (const char[LENGTH_SIZE]){0}, LENGTH_SIZE);
    record_encode(members, head, envelope, true, buffer);
    for (size_t i = 0; i < envelope->recipient_count; i++)
        encode_recipient(&envelope->recipients[i], &scratch, buffer);
    record_encode(members + head, RECORD_COUNT(members) - head, envelope, true, buffer);
    buffer_add_span(buffer, envelope->unknown);

    size_t length = buffer->len - length_at - LENGTH_SIZE;
    if (length > UINT32_MAX)
        buffer->failed = true;
    if (!buffer_failed(buffer))
        put_length(buffer->ptr + length_at, length);
    buffer_done(&scratch);
}

/* ---- decoding -------------------------------------------------------------------------------- */

/* One level of fields: the tag that came last, and where the unknown ones begin. */
struct level {
    const struct record_member *members;
    size_t count;
    uint64_t last_tag;
};

/* Known members into record; NOT_FOUND for a tag that is not in the table. PERM also when tags do
 * not ascend: the writer of the unknown ones could not find them again. */
static sluice_status take_field(struct level *level, const struct codec_field *field, void *record)
{
    const struct record_member *member = record_find(level->members, level->count, field->tag);
    bool is_in_order =
        member != NULL ? field->tag > level->last_tag : field->tag >= level->last_tag;

    if (!is_in_order)
        return SLUICE_PERM;
    level->last_tag = field->tag;
    return member != NULL ? record_set(member, field->bytes, record) : SLUICE_NOT_FOUND;
}

/* The field lies at the end of what was walked before; unknown grows over it. */
static void keep_unknown(struct sluice_span before, struct sluice_span rest,
                         struct sluice_span *unknown)
{
    size_t len = before.len - rest.len;

    if (unknown->len == 0)
        unknown->ptr = before.ptr;
    unknown->len += len;
}

static sluice_status decode_recipient(struct sluice_span bytes,
                                      struct envelope_recipient *recipient)
{
    struct level level = {recipient_members, RECORD_COUNT(recipient_members), 0};
    struct codec_field field;

    for (;;) {
        struct sluice_span before = bytes;
        sluice_status status = codec_next(&bytes, &field);
        if (status != SLUICE_OK)
            return status == SLUICE_NOT_FOUND ? SLUICE_OK : SLUICE_PERM;
        status = take_field(&level, &field, recipient);
        if (status == SLUICE_PERM)
            return SLUICE_PERM;
        if (status == SLUICE_NOT_FOUND)
            keep_unknown(before, bytes, &recipient->unknown);
    }
}

static sluice_status decode_fields(struct sluice_span bytes, struct envelope *envelope)
{
    struct level level = {members, RECORD_COUNT(members), 0};
    struct codec_field field;

    for (;;) {
        struct sluice_span before = bytes;
        sluice_status status = codec_next(&bytes, &field);
        if (status != SLUICE_OK)
            return status == SLUICE_NOT_FOUND ? SLUICE_OK : SLUICE_PERM;
        status = take_field(&level, &field, envelope);
        if (status == SLUICE_PERM)
            return SLUICE_PERM;
        if (status == SLUICE_OK)
            continue;
        if (field.tag < TAG_RECIPIENT) /* would be lost between the others */
            return SLUICE_PERM;
        if (field.tag != TAG_RECIPIENT) {
            keep_unknown(before, bytes, &envelope->unknown);
            continue;
        }
        if (envelope->recipient_count >= ENVELOPE_RECIPIENTS_MAX)
            return SLUICE_PERM;
        struct envelope_recipient *recipient = envelope_add(envelope);
        if (recipient == NULL)
            return SLUICE_TEMP;
        if (decode_recipient(field.bytes, recipient) != SLUICE_OK)
            return SLUICE_PERM;
    }
}

/* The header off bytes; the fields stay. */
static sluice_status take_header(struct sluice_span *bytes, struct error *err)
{
    uint64_t version;
    uint32_t length = 0;

    if (codec_varint(bytes, &version) != SLUICE_OK || bytes->len < LENGTH_SIZE)
        return error_set(err, SLUICE_PERM, "envelope: no header");
    if (version != ENVELOPE_VERSION)
        return error_set(err, SLUICE_PERM, "envelope: version %llu, this program knows %d",
                         (unsigned long long)version, ENVELOPE_VERSION);
    for (int i = 0; i < LENGTH_SIZE; i++)
        length |= (uint32_t)(unsigned char)bytes->ptr[i] << (8 * i);
    *bytes = span_skip(*bytes, LENGTH_SIZE);
    if (bytes->len != length)
        return error_set(err, SLUICE_PERM, "envelope: %zu bytes of %lu", bytes->len,
                         (unsigned long)length);
    return SLUICE_OK;
}

sluice_status envelope_decode(struct sluice_span bytes, struct envelope *ret_envelope,
                              struct error *err)
{
    struct envelope envelope = ENVELOPE_INIT;
    sluice_status status = take_header(&bytes, err);

    if (status != SLUICE_OK)
        return status;
    status = decode_fields(bytes, &envelope);
    if (status == SLUICE_OK) {
        *ret_envelope = envelope;
        return SLUICE_OK;
    }
    envelope_done(&envelope);
    return error_set(err, status,
                     status == SLUICE_TEMP ? "envelope: out of memory"
                                           : "envelope: fields that make no sense");
}
