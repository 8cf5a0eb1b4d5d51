/* SPDX-License-Identifier: ISC */
/* braces: see braces.h. */
#include "braces.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_separator(char c)
{
    return c == ',' || is_space(c);
}

static struct sluice_span skip(struct sluice_span text, size_t len)
{
    return (struct sluice_span){text.ptr + len, text.len - len};
}

struct sluice_span braces_trim(struct sluice_span text)
{
    while (text.len > 0 && is_space(text.ptr[0]))
        text = skip(text, 1);
    while (text.len > 0 && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

bool braces_next(struct sluice_span *rest, struct sluice_span *ret_item)
{
    struct sluice_span item = *rest;
    size_t depth = 0;
    size_t len;

    while (item.len > 0 && is_separator(item.ptr[0]))
        item = skip(item, 1);
    for (len = 0; len < item.len; len++) {
        if (item.ptr[len] == '{')
            depth++;
        else if (item.ptr[len] == '}' && depth > 0)
            depth--;
        else if (depth == 0 && is_separator(item.ptr[len]))
            break;
    }
    *rest = skip(item, len);
    item.len = len;
    *ret_item = item;
    return len > 0;
}

/* The length of the braces that text begins with, and of what is in them; 0: they are not closed. */
static size_t enclosed_len(struct sluice_span text)
{
    size_t depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '{')
            depth++;
        else if (text.ptr[i] == '}' && --depth == 0)
            return i + 1;
    }
    return 0;
}

const char *braces_strip(struct sluice_span text, struct sluice_span *ret_inside)
{
    size_t len;

    if (text.len == 0 || text.ptr[0] != '{')
        return "missing '{' in";
    len = enclosed_len(text);
    if (len == 0)
        return "missing '}' in";
    if (len < text.len)
        return "syntax error after '}' in";
    *ret_inside = braces_trim((struct sluice_span){text.ptr + 1, len - 2});
    return NULL;
}
