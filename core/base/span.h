/* SPDX-License-Identifier: ISC */
/*
 * span: small tools for borrowed bytes.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include "sluice/types.h"

#include <stdbool.h>

#define SPAN_LITERAL(text) ((struct sluice_span){.ptr = (text), .len = sizeof(text) - 1})
#define SPAN_EMPTY ((struct sluice_span){.ptr = NULL, .len = 0})

/* For printf("%.*s", SPAN_ARGS(span)): cut at 1,000 bytes. */
#define SPAN_ARGS(span) (int)((span).len < 1000 ? (span).len : 1000), \
                        (span).len > 0 ? (span).ptr : ""

bool span_equal(struct sluice_span a, struct sluice_span b);
/* ASCII letters alike in both cases. */
bool span_equal_case(struct sluice_span a, struct sluice_span b);
bool span_starts_case(struct sluice_span text, struct sluice_span prefix);
bool span_ends_case(struct sluice_span text, struct sluice_span suffix);
/* Index of the first or last byte c, or text.len. */
size_t span_find(struct sluice_span text, char c);
size_t span_find_last(struct sluice_span text, char c);
/* Without the first n bytes; the first n bytes. n may be larger than the span. */
static inline struct sluice_span span_skip(struct sluice_span text, size_t n)
{
    if (n >= text.len)
        return SPAN_EMPTY;
    return (struct sluice_span){.ptr = text.ptr + n, .len = text.len - n};
}
static inline struct sluice_span span_first(struct sluice_span text, size_t n)
{
    return (struct sluice_span){.ptr = text.ptr, .len = n < text.len ? n : text.len};
}
/* True if a byte is above 127. */
bool span_has_8bit(struct sluice_span text);
/* Without blanks and tabs at both ends. */
struct sluice_span span_trim(struct sluice_span text);
/* A decimal number without sign that fits; the whole span must be digits. */
bool span_to_u64(struct sluice_span text, uint64_t *ret_number);
/* Length of the UTF-8 character (RFC 3629) that the text begins with; 0: it begins with none, or with
 * NUL. */
size_t span_utf8_len(struct sluice_span text);
/* A new C string, or NULL when there is no memory. The caller frees it. */
char *span_dup(struct sluice_span text);
/* ASCII letters to lower case, in place. */
void span_fold(char *text, size_t len);

#endif
