/* SPDX-License-Identifier: ISC */
/*
 * span: small tools for borrowed bytes. ASCII only, whatever the locale says.
 */
#include "base/span.h"

#include <stdlib.h>

#define BLOCK_SIZE ((size_t)128) /* the compiler makes vectors of loops of a fixed length */

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_case(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (fold(a[i]) != fold(b[i]))
            return false;
    }
    return true;
}

bool span_equal(struct sluice_span a, struct sluice_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool span_equal_case(struct sluice_span a, struct sluice_span b)
{
    return a.len == b.len && same_case(a.ptr, b.ptr, a.len);
}

bool span_starts_case(struct sluice_span text, struct sluice_span prefix)
{
    return text.len >= prefix.len && same_case(text.ptr, prefix.ptr, prefix.len);
}

bool span_ends_case(struct sluice_span text, struct sluice_span suffix)
{
    if (text.len < suffix.len)
        return false;
    return span_equal_case(span_skip(text, text.len - suffix.len), suffix);
}

size_t span_find(struct sluice_span text, char c)
{
    const char *at = text.len > 0 ? memchr(text.ptr, c, text.len) : NULL;

    return at != NULL ? (size_t)(at - text.ptr) : text.len;
}

size_t span_find_last(struct sluice_span text, char c)
{
    const char *at = text.len > 0 ? memrchr(text.ptr, c, text.len) : NULL;

    return at != NULL ? (size_t)(at - text.ptr) : text.len;
}

bool span_has_8bit(struct sluice_span text)
{
    unsigned char all = 0;
    size_t i = 0;

    for (; text.len - i >= BLOCK_SIZE; i += BLOCK_SIZE)
        for (size_t k = 0; k < BLOCK_SIZE; k++)
            all |= (unsigned char)text.ptr[i + k];
    for (; i < text.len; i++)
        all |= (unsigned char)text.ptr[i];
    return (all & 0x80) != 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct sluice_span span_trim(struct sluice_span text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = span_skip(text, 1);
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

bool span_to_u64(struct sluice_span text, uint64_t *ret_number)
{
    uint64_t number = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (text.len == 0)
        return false;
    *ret_number = number;
    return true;
}

size_t span_utf8_len(struct sluice_span text)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t len;
    } rows[] = {
        {0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const unsigned char *at = (const unsigned char *)text.ptr;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (text.len < rows[i].len || at[0] < rows[i].first_min || at[0] > rows[i].first_max)
            continue;
        if (rows[i].len > 1 && (at[1] < rows[i].second_min || at[1] > rows[i].second_max))
            continue;
        for (size_t j = 2; j < rows[i].len; j++) {
            if ((at[j] & 0xc0) != 0x80)
                return 0;
        }
        return rows[i].len;
    }
    return 0;
}

char *span_dup(struct sluice_span text)
{
    char *copy = text.len < SIZE_MAX ? malloc(text.len + 1) : NULL;

    if (copy == NULL)
        return NULL;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

void span_fold(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text[i] = fold(text[i]);
}
