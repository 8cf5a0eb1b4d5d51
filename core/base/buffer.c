/* SPDX-License-Identifier: ISC */
/*
 * buffer: bytes that grow, by doubling.
 */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

#define BUFFER_MIN_CAPACITY 256 /* most of what is put together for a message fits */

void buffer_done(struct buffer *buffer)
{
    free(buffer->ptr);
    *buffer = (struct buffer)BUFFER_INIT;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
}

bool buffer_failed(const struct buffer *buffer)
{
    return buffer->failed;
}

static bool grow(struct buffer *buffer, size_t wanted)
{
    size_t doubled = buffer->capacity <= SIZE_MAX / 2 ? buffer->capacity * 2 : SIZE_MAX;
    size_t capacity = doubled > BUFFER_MIN_CAPACITY ? doubled : BUFFER_MIN_CAPACITY;
    if (capacity < wanted)
        capacity = wanted; /* often all that there will be */

    char *ptr = realloc(buffer->ptr, capacity);
    if (ptr == NULL)
        return false;
    buffer->ptr = ptr;
    buffer->capacity = capacity;
    return true;
}

char *buffer_grow(struct buffer *buffer, size_t extra)
{
    if (buffer->failed)
        return NULL;
    if (extra > SIZE_MAX - buffer->len) {
        buffer->failed = true;
        return NULL;
    }
    if (!grow(buffer, buffer->len + extra)) {
        buffer->failed = true;
        return NULL;
    }
    return buffer->ptr + buffer->len;
}

void buffer_add_span(struct buffer *buffer, struct sluice_span span)
{
    buffer_add(buffer, span.ptr, span.len);
}

void buffer_add_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text));
}

void buffer_add_byte(struct buffer *buffer, char byte)
{
    buffer_add(buffer, &byte, 1);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    size_t room = buffer->capacity - buffer->len;
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    /* Into the room that there is, which tells how much it takes. */
    int len = vsnprintf(room > 0 ? buffer->ptr + buffer->len : NULL, room, format, args);
    char *place = len >= 0 ? buffer_reserve(buffer, (size_t)len + 1) : NULL;

    if (len < 0)
        buffer->failed = true;
    if (place != NULL) {
        if ((size_t)len >= room)
            (void)vsnprintf(place, (size_t)len + 1, format, again); /* fits now */
        buffer->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

void buffer_consume(struct buffer *buffer, size_t n)
{
    if (n >= buffer->len) {
        buffer->len = 0;
        return;
    }
    if (n == 0)
        return;
    memmove(buffer->ptr, buffer->ptr + n, buffer->len - n);
    buffer->len -= n;
}

struct sluice_span buffer_span(const struct buffer *buffer)
{
    return (struct sluice_span){.ptr = buffer->ptr, .len = buffer->len};
}

const char *buffer_text(struct buffer *buffer)
{
    char *end = buffer_reserve(buffer, 1);

    if (end == NULL)
        return NULL;
    *end = '\0';
    return buffer->ptr;
}
