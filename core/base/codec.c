/* SPDX-License-Identifier: ISC */
/*
 * codec: tag, length, bytes; all numbers unsigned LEB128.
 */
#include "base/codec.h"

#include "base/span.h"

#define VARINT_MAX_BYTES 10 /* 64 bits, seven in each byte */

static size_t encode(uint64_t number, char out[VARINT_MAX_BYTES])
{
    size_t len = 0;

    while (number >= 0x80) {
        out[len++] = (char)(unsigned char)(number | 0x80);
        number >>= 7;
    }
    out[len++] = (char)number;
    return len;
}

void codec_put_varint(struct buffer *buffer, uint64_t number)
{
    char bytes[VARINT_MAX_BYTES];

    buffer_add(buffer, bytes, encode(number, bytes));
}

void codec_put_field(struct buffer *buffer, uint64_t tag, struct sluice_span bytes)
{
    codec_put_varint(buffer, tag);
    codec_put_varint(buffer, bytes.len);
    buffer_add_span(buffer, bytes);
}

void codec_put_number(struct buffer *buffer, uint64_t tag, uint64_t number)
{
    char bytes[3 * VARINT_MAX_BYTES];
    char digits[VARINT_MAX_BYTES];
    size_t digit_count = encode(number, digits);
    size_t len = encode(tag, bytes);

    len += encode(digit_count, bytes + len);
    memcpy(bytes + len, digits, digit_count);
    buffer_add(buffer, bytes, len + digit_count);
}

uint64_t codec_zigzag(int64_t number)
{
    return ((uint64_t)number << 1) ^ (number < 0 ? UINT64_MAX : 0);
}

int64_t codec_unzigzag(uint64_t number)
{
    uint64_t bits = (number >> 1) ^ ((number & 1) != 0 ? UINT64_MAX : 0);

    return (int64_t)bits; /* two's complement on every platform that we build for */
}

/* Of any length. */
static sluice_status decode(struct sluice_span *rest, uint64_t *ret_number)
{
    uint64_t number = 0;

    for (size_t i = 0; i < rest->len && i < VARINT_MAX_BYTES; i++) {
        uint64_t byte = (unsigned char)rest->ptr[i];
        if (i == VARINT_MAX_BYTES - 1 && byte > 1)
            return SLUICE_PERM; /* more than 64 bits */
        number |= (byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *rest = span_skip(*rest, i + 1);
            *ret_number = number;
            return SLUICE_OK;
        }
    }
    return SLUICE_PERM;
}

/* Most are one byte. */
sluice_status codec_varint(struct sluice_span *rest, uint64_t *ret_number)
{
    if (rest->len == 0 || (unsigned char)rest->ptr[0] >= 0x80)
        return decode(rest, ret_number);
    *ret_number = (unsigned char)rest->ptr[0];
    *rest = span_skip(*rest, 1);
    return SLUICE_OK;
}

sluice_status codec_next(struct sluice_span *rest, struct codec_field *ret_field)
{
    struct sluice_span at = *rest;
    uint64_t tag;
    uint64_t len;

    if (at.len == 0)
        return SLUICE_NOT_FOUND;
    if (codec_varint(&at, &tag) != SLUICE_OK || codec_varint(&at, &len) != SLUICE_OK)
        return SLUICE_PERM;
    if (len > at.len)
        return SLUICE_PERM;
    ret_field->tag = tag;
    ret_field->bytes = span_first(at, (size_t)len);
    *rest = span_skip(at, (size_t)len);
    return SLUICE_OK;
}

uint64_t codec_number(struct sluice_span bytes)
{
    uint64_t number;

    if (codec_varint(&bytes, &number) != SLUICE_OK || bytes.len != 0)
        return 0;
    return number;
}
