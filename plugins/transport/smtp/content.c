/* SPDX-License-Identifier: ISC */
/*
 * content: see content.h.
 */
#include "content.h"

/* ---- reading -------------------------------------------------------------------------------- */

void content_reader_init(struct content_reader *reader, const struct sluice_message *message)
{
    reader->message = message;
    reader->position = 0;
    reader->chunk_offset = 0;
    reader->chunk_len = 0;
}

void content_rewind(struct content_reader *reader)
{
    reader->position = 0;
}

static sluice_status read_chunk(struct content_reader *reader)
{
    uint64_t left = reader->message->size - reader->position;
    size_t want = left < CONTENT_CHUNK_MAX ? (size_t)left : CONTENT_CHUNK_MAX;
    size_t len = 0;
    sluice_status st =
        reader->message->read(reader->message, reader->position, reader->chunk, want, &len);

    reader->chunk_offset = reader->position;
    reader->chunk_len = 0;
    if (st != SLUICE_OK || len == 0 || len > want)
        return SLUICE_TEMP;
    reader->chunk_len = len;
    return SLUICE_OK;
}

static int is_in_chunk(const struct content_reader *reader)
{
    return reader->position >= reader->chunk_offset &&
           reader->position - reader->chunk_offset < reader->chunk_len;
}

sluice_status content_next(struct content_reader *reader, struct sluice_span *ret_bytes)
{
    size_t skip;

    if (reader->position == reader->message->size) {
        ret_bytes->ptr = NULL;
        ret_bytes->len = 0;
        return SLUICE_OK;
    }
    if (!is_in_chunk(reader) && read_chunk(reader) != SLUICE_OK)
        return SLUICE_TEMP;
    skip = (size_t)(reader->position - reader->chunk_offset);
    ret_bytes->ptr = reader->chunk + skip;
    ret_bytes->len = reader->chunk_len - skip;
    reader->position += ret_bytes->len;
    return SLUICE_OK;
}

/* ---- looking -------------------------------------------------------------------------------- */

#define BLOCK_SIZE ((size_t)128) /* the compiler makes vectors of loops of a fixed length */

static int has_8bit(struct sluice_span bytes)
{
    unsigned char all = 0;
    size_t i = 0;

    for (; bytes.len - i >= BLOCK_SIZE; i += BLOCK_SIZE) {
        for (size_t k = 0; k < BLOCK_SIZE; k++)
            all |= (unsigned char)bytes.ptr[i + k];
    }
    for (; i < bytes.len; i++)
        all |= (unsigned char)bytes.ptr[i];
    return all >= 0x80;
}

/* How many of bytes belong to the header; *newlines: line feeds since the last other byte. */
static size_t header_part(struct sluice_span bytes, int *newlines)
{
    size_t i = 0;

    while (i < bytes.len && *newlines < 2) {
        if (*newlines == 0) {
            const char *lf = memchr(bytes.ptr + i, '\n', bytes.len - i);
            if (lf == NULL)
                return bytes.len;
            i = (size_t)(lf - bytes.ptr);
        }
        if (bytes.ptr[i] == '\n')
            ++*newlines;
        else if (bytes.ptr[i] != '\r')
            *newlines = 0;
        i++;
    }
    return i;
}

sluice_status content_scan(struct content_reader *reader, struct content_facts *ret_facts)
{
    struct content_facts facts = {0, 0};
    int newlines = 1; /* an empty first line ends the header, too */
    struct sluice_span bytes;

    content_rewind(reader);
    do {
        struct sluice_span header;

        if (content_next(reader, &bytes) != SLUICE_OK)
            return SLUICE_TEMP;
        header.ptr = bytes.ptr;
        header.len = header_part(bytes, &newlines);
        facts.has_8bit_header |= has_8bit(header);
        facts.has_8bit |= has_8bit(bytes);
    } while (bytes.len > 0 && !(facts.has_8bit && (facts.has_8bit_header || newlines == 2)));
    *ret_facts = facts;
    return SLUICE_OK;
}

/* ---- sending -------------------------------------------------------------------------------- */

void content_encoder_init(struct content_encoder *encoder, size_t line_limit)
{
    encoder->line_limit = line_limit;
    encoder->column = 0;
    encoder->is_line_start = 1;
}

static int is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

/* What goes before the next byte c; up to 3 bytes. */
static size_t encode_prefix(struct content_encoder *encoder, char c, char *out)
{
    if (encoder->is_line_start && c == '.') {
        /* RFC 5321 4.5.3.1.6: this dot does not count for the line's length. */
        out[0] = '.';
        return 1;
    }
    if (encoder->line_limit != 0 && encoder->column >= encoder->line_limit && !is_line_end(c)) {
        memcpy(out, "\r\n ", 3);
        encoder->column = 1;
        return 3;
    }
    return 0;
}

/* Length up to the next dot that begins a line; the first byte has been looked at. */
static size_t undotted_len(const char *bytes, size_t len)
{
    const char *dot = bytes;

    while ((dot = memchr(dot + 1, '.', len - (size_t)(dot + 1 - bytes))) != NULL) {
        if (dot[-1] == '\n')
            return (size_t)(dot - bytes);
    }
    return len;
}

/* How many bytes can be copied as they are: to the end of room, and to a dot that has to be doubled;
 * with a limit for lines, to the end of the line and to the limit. */
static size_t plain_len(const struct content_encoder *encoder, struct sluice_span bytes,
                        size_t room)
{
    size_t len = bytes.len < room ? bytes.len : room;
    const char *end;

    if (encoder->line_limit == 0)
        return undotted_len(bytes.ptr, len);
    if (!is_line_end(bytes.ptr[0]) && len > encoder->line_limit - encoder->column)
        len = encoder->line_limit - encoder->column;
    end = memchr(bytes.ptr, '\n', len);
    return end != NULL ? (size_t)(end - bytes.ptr) + 1 : len;
}

size_t content_encode(struct content_encoder *encoder, struct sluice_span *bytes, char *out,
                      size_t size)
{
    size_t used = 0;

    while (bytes->len > 0 && size - used >= CONTENT_STEP_MAX) {
        size_t len;

        used += encode_prefix(encoder, bytes->ptr[0], out + used);
        len = plain_len(encoder, *bytes, size - used);
        memcpy(out + used, bytes->ptr, len);
        used += len;
        bytes->ptr += len;
        bytes->len -= len;
        /* A bare line feed does not occur in stored content; a dot after one is doubled all the
         * same, since a peer might take it for a line's start. */
        encoder->is_line_start = out[used - 1] == '\n';
        encoder->column = encoder->is_line_start ? 0 : encoder->column + len;
    }
    return used;
}

size_t content_encode_end(const struct content_encoder *encoder, char out[CONTENT_END_MAX])
{
    if (encoder->is_line_start) {
        memcpy(out, ".\r\n", 3);
        return 3;
    }
    memcpy(out, "\r\n.\r\n", 5);
    return 5;
}
