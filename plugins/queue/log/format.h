/* SPDX-License-Identifier: ISC */
/*
 * format: the bytes of a segment file, as doc/log-store.md describes them.
 *
 * A segment is a header and frames, each a multiple of 8 bytes long. A frame is a frame header, the
 * record, the content, and padding. The frames of a batch follow each other and end with a COMMIT.
 * Pure functions on memory; numbers are little-endian on disk.
 */
#ifndef SLUICE_LOG_FORMAT_H
#define SLUICE_LOG_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_VERSION 2 /* 1 is read, too */
#define FORMAT_CHECKPOINT_VERSION 1
#define FORMAT_HEADER_SIZE 64
#define FORMAT_FRAME_SIZE 64 /* of a frame's header */
#define FORMAT_ALIGNMENT 8

#define FORMAT_RECORD_MAX (((uint32_t)1 << 24) - 1)

#define FRAME_PUT 1
#define FRAME_UPDATE 2
#define FRAME_REMOVE 3
#define FRAME_COMMIT 4
#define FRAME_COPY 5 /* a message as it is now: replaces what was said of it before */
#define FRAME_TYPE_MAX FRAME_COPY

struct segment_header {
    uint32_t version;
    uint32_t number;
    uint64_t salt;  /* random; begins each frame of this segment and is in no other */
    uint64_t first; /* the sequence number of the first batch that this segment may hold; 0: it has
                         been made ready and holds none */
    uint64_t durable;  /* batches up to this one had been written when the segment was made; those
                          between it and first failed and are void */
    uint64_t messages; /* how many there were then; version 1: unknown */
};

/* A checkpoint is a segment without its contents: this header, the headers of all its frames as
 * they are in the segment, and their records one after the other. */
struct checkpoint_header {
    uint32_t version;
    uint32_t number;
    uint64_t salt;
    uint64_t last;  /* sequence number of the segment's last batch */
    uint64_t end;   /* where that ends in the segment */
    uint64_t count; /* of frames */
    uint64_t records_size;
};

struct frame {
    uint8_t type;
    bool is_large;     /* PUT, COPY: the content is a file in large/ */
    uint32_t position; /* in its batch, from 0; COMMIT: how many frames came before it */
    uint64_t sequence; /* of the batch */
    uint64_t id;
    uint32_t flags;
    uint32_t record_size;
    uint64_t content_size; /* also of a content that is not in the frame */
    uint32_t record_crc;
    uint32_t content_crc; /* 0 for a content that is not in the frame */
    uint32_t origin; /* REMOVE: the segment that the message was in; 0: this batch, or version 1 */
};

enum format_result { FORMAT_OK, FORMAT_BAD, FORMAT_NEWER };

uint32_t format_crc(const void *data, size_t size);

void format_header(uint8_t out[FORMAT_HEADER_SIZE], const struct segment_header *header);
enum format_result format_parse_header(const uint8_t in[FORMAT_HEADER_SIZE],
                                       struct segment_header *ret_header);

/* Of a segment's first 128 bytes, where the header cannot be parsed: it tore when it was written over that of
 * an unused segment, and no batch followed it. */
bool format_is_torn_header(const uint8_t in[FORMAT_HEADER_SIZE + FORMAT_FRAME_SIZE]);

void format_checkpoint(uint8_t out[FORMAT_HEADER_SIZE], const struct checkpoint_header *header);
enum format_result format_parse_checkpoint(const uint8_t in[FORMAT_HEADER_SIZE],
                                           struct checkpoint_header *ret_header);

void format_frame(uint8_t out[FORMAT_FRAME_SIZE], uint64_t salt, const struct frame *frame);
/* With record and content, and zeros up to where the next one goes, which it gives back. */
uint8_t *format_whole_frame(uint8_t *out, uint64_t salt, const struct frame *frame,
                            const void *record, const void *content);
/* False unless in begins with a whole frame header of that salt. */
bool format_parse_frame(const uint8_t in[FORMAT_FRAME_SIZE], uint64_t salt,
                        struct frame *ret_frame);

/* The salt that a frame's header begins with. */
uint64_t format_peek_salt(const uint8_t *in);

/* Bytes of content inside the frame, and of the whole frame with its padding. */
uint64_t frame_inline_size(const struct frame *frame);
uint64_t frame_size(const struct frame *frame);

#endif
