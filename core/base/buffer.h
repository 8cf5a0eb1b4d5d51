/* SPDX-License-Identifier: ISC */
/*
 * buffer: bytes that grow.
 *
 * A buffer that could not get memory remembers it: later additions do nothing, and buffer_failed()
 * is true. So a caller writes much and checks once.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "sluice/types.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

struct buffer {
    char *ptr;
    size_t len;
    size_t capacity;
    bool failed;
};

#define BUFFER_INIT {0}

void buffer_done(struct buffer *buffer);  /* frees the bytes; the buffer is empty and usable */
void buffer_clear(struct buffer *buffer); /* empties it, keeps the memory */
bool buffer_failed(const struct buffer *buffer);
/* buffer_reserve where there is no room yet. */
char *buffer_grow(struct buffer *buffer, size_t extra);

/* Room for extra more bytes behind len: returns their place, or NULL. Set len afterwards. Here for
 * its speed, like buffer_add: some two hundred calls a message. */
static inline char *buffer_reserve(struct buffer *buffer, size_t extra)
{
    if (buffer->ptr == NULL || buffer->failed || extra > buffer->capacity - buffer->len)
        return buffer_grow(buffer, extra);
    return buffer->ptr + buffer->len;
}

static inline void buffer_add(struct buffer *buffer, const void *bytes, size_t len)
{
    char *place = len > 0 ? buffer_reserve(buffer, len) : NULL;

    if (place == NULL)
        return;
    memcpy(place, bytes, len);
    buffer->len += len;
}

void buffer_add_span(struct buffer *buffer, struct sluice_span span);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_add_byte(struct buffer *buffer, char byte);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Removes the first n bytes. */
void buffer_consume(struct buffer *buffer, size_t n);
struct sluice_span buffer_span(const struct buffer *buffer);
/* A NUL behind the bytes (not counted in len): the C string, or NULL when there is no memory. */
const char *buffer_text(struct buffer *buffer);

#endif
