/* SPDX-License-Identifier: ISC */
/* token: see token.h. */
#include "config/token.h"

#include "base/span.h"

#include <ctype.h>
#include <string.h>

bool token_is_text(struct sluice_span at, const char *text)
{
    return span_equal(span_first(at, strlen(text)), sluice_span_of(text));
}

size_t token_blank_len(struct sluice_span at)
{
    const char *end;
    size_t len = 0;

    if (token_is_text(at, "#") || token_is_text(at, "//"))
        return span_find(at, '\n');
    if (token_is_text(at, "/*")) {
        end = memmem(at.ptr + 2, at.len - 2, "*/", 2);
        return end == NULL ? at.len : (size_t)(end - at.ptr) + 2;
    }
    while (len < at.len && strchr(" \t\r\n\f\v", at.ptr[len]) != NULL && at.ptr[len] != '\0')
        len++;
    return len;
}

struct sluice_span token_skip_blanks(struct sluice_span at)
{
    size_t len;

    while ((len = token_blank_len(at)) > 0)
        at = span_skip(at, len);
    return at;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) != 0 || (c != '\0' && strchr("_*.+-/@$", c) != NULL);
}

size_t token_word_len(struct sluice_span at)
{
    size_t len = 0;

    while (len < at.len && is_word_char(at.ptr[len]) &&
           !(len > 0 && token_blank_len(span_skip(at, len)) > 0))
        len++;
    return len;
}

size_t token_quoted_len(struct sluice_span at)
{
    size_t i = 1;

    while (i < at.len && at.ptr[i] != '"')
        i += at.ptr[i] == '\\' ? 2 : 1;
    return i < at.len ? i + 1 : 0;
}

bool token_is_assignment(struct sluice_span at)
{
    at = token_skip_blanks(at);
    return token_is_text(at, "=") || token_is_text(at, ":");
}
