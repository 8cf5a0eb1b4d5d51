/* SPDX-License-Identifier: ISC */
/*
 * content: a message's content on its way to the peer.
 *
 * Three parts: content_reader reads it in chunks, content_scan says which bytes are in it, and
 * content_encoder makes of it what follows DATA: dots doubled (RFC 5321 4.5.2), lines broken if
 * that is asked for, and the end of data.
 */
#ifndef SMTP_CONTENT_H
#define SMTP_CONTENT_H

#include "sluice/transport.h"

#define CONTENT_CHUNK_MAX ((size_t)32 * 1024)

/* ---- reading -------------------------------------------------------------------------------- */

/* Lives on the heap: stacks are small. */
struct content_reader {
    const struct sluice_message *message;
    uint64_t position;     /* of the next byte to hand out */
    uint64_t chunk_offset; /* where in the content the chunk lies */
    size_t chunk_len;
    char chunk[CONTENT_CHUNK_MAX];
};

void content_reader_init(struct content_reader *reader, const struct sluice_message *message);

/* Starts again at the first byte; a message of one chunk is not read again. */
void content_rewind(struct content_reader *reader);

/* The next bytes, empty at the end; valid until the next call. TEMP if they cannot be had, also if
 * the content is shorter than the message says: a cut message must not look whole. */
sluice_status content_next(struct content_reader *reader, struct sluice_span *ret_bytes);

/* ---- looking -------------------------------------------------------------------------------- */

struct content_facts {
    int has_8bit;
    int has_8bit_header;
};

/* Reads all of it, or as much as settles both facts. */
sluice_status content_scan(struct content_reader *reader, struct content_facts *ret_facts);

/* ---- sending -------------------------------------------------------------------------------- */

#define CONTENT_STEP_MAX 4 /* output that one step needs: CRLF SP and a byte */
#define CONTENT_END_MAX 5  /* CRLF . CRLF */

struct content_encoder {
    size_t line_limit; /* octets of a line without CRLF, at least 2; 0: none */
    size_t column;
    int is_line_start;
};

void content_encoder_init(struct content_encoder *encoder, size_t line_limit);

/*
 * Encodes from *bytes into out until one of them is used up: *bytes is what remains, the return
 * value the number of bytes in out. Stops when less than CONTENT_STEP_MAX bytes of out are left.
 */
size_t content_encode(struct content_encoder *encoder, struct sluice_span *bytes, char *out,
                      size_t size);

/* The end of data, with a line end before it where the content lacks its last one. */
size_t content_encode_end(const struct content_encoder *encoder, char out[CONTENT_END_MAX]);

#endif /* SMTP_CONTENT_H */
