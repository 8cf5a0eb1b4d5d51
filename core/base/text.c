/* SPDX-License-Identifier: ISC */
/*
 * text: see text.h.
 */
#include "base/text.h"

#include <string.h>

#define NUMBER_SIZE 32

struct text text_open(char *place, size_t size)
{
    place[0] = '\0';
    return (struct text){.ptr = place, .size = size};
}

void text_add_span(struct text *text, struct sluice_span span)
{
    size_t room = text->size - 1 - text->len;

    if (span.len > room) {
        text->is_cut = true;
        span.len = room;
    }
    if (span.len > 0)
        memcpy(text->ptr + text->len, span.ptr, span.len); /* of no bytes there may be no address */
    text->len += span.len;
    text->ptr[text->len] = '\0';
}

void text_add(struct text *text, const char *string)
{
    text_add_span(text, sluice_span_of(string));
}

void text_add_number(struct text *text, uint64_t number, int least_digits)
{
    char digits[NUMBER_SIZE];
    char *at = digits + sizeof(digits);

    for (int count = 0; number > 0 || count < least_digits; count++, number /= 10)
        *--at = (char)('0' + number % 10);
    text_add_span(text, (struct sluice_span){at, (size_t)(digits + sizeof(digits) - at)});
}

void text_copy_span(char *place, size_t size, struct sluice_span span)
{
    struct text text = text_open(place, size);

    text_add_span(&text, span);
}

void text_copy(char *place, size_t size, const char *string)
{
    text_copy_span(place, size, sluice_span_of(string));
}
