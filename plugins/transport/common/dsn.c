/* SPDX-License-Identifier: ISC */
/* dsn: see dsn.h. */
#include "dsn.h"

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* "." and one to three digits at that place; 0: it is not there. */
static size_t part_len(struct sluice_span text, size_t at)
{
    size_t len = 1;

    if (at >= text.len || text.ptr[at] != '.')
        return 0;
    while (len < 4 && at + len < text.len && is_digit(text.ptr[at + len]))
        len++;
    return len > 1 ? len : 0;
}

int dsn_take(struct sluice_span *text, char ret_dsn[DSN_MAX])
{
    size_t at = 1;

    if (text->len == 0 || (text->ptr[0] != '2' && text->ptr[0] != '4' && text->ptr[0] != '5'))
        return 0;
    for (int part = 0; part < 2; part++) {
        size_t len = part_len(*text, at);

        if (len == 0)
            return 0;
        at += len;
    }
    if (at < text->len && !is_blank(text->ptr[at]))
        return 0;
    memcpy(ret_dsn, text->ptr, at);
    ret_dsn[at] = '\0';
    while (at < text->len && is_blank(text->ptr[at]))
        at++;
    text->ptr += at;
    text->len -= at;
    return 1;
}
