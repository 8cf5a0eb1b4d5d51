/* SPDX-License-Identifier: ISC */
/*
 * codec: numbers and fields as bytes, for envelopes, frames and snapshots.
 *
 * A field is tag (varint), length (varint), bytes. Fields nest. A reader skips tags that it does not
 * know. Numbers are unsigned LEB128 varints.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/buffer.h"
#include "sluice/types.h"

/* Writing: into a buffer, whose failure is checked at the end. */
void codec_put_varint(struct buffer *buffer, uint64_t number);
void codec_put_field(struct buffer *buffer, uint64_t tag, struct sluice_span bytes);
void codec_put_number(struct buffer *buffer, uint64_t tag, uint64_t number); /* a varint field */
/* For the bits of signed numbers and times: ((uint64_t)n << 1) ^ sign. */
uint64_t codec_zigzag(int64_t number);
int64_t codec_unzigzag(uint64_t number);

/* Reading. */
struct codec_field {
    uint64_t tag;
    struct sluice_span bytes;
};

/* Takes the next field off rest. OK; NOT_FOUND at the end; PERM if the bytes make no sense. */
sluice_status codec_next(struct sluice_span *rest, struct codec_field *ret_field);
/* Takes a varint off rest. OK or PERM. */
sluice_status codec_varint(struct sluice_span *rest, uint64_t *ret_number);
/* A field's bytes as one varint; 0 if they are not. */
uint64_t codec_number(struct sluice_span bytes);

#endif
