/* SPDX-License-Identifier: ISC */
#include "base/dsn.h"

/* One to three digits. */
static size_t number_len(struct sluice_span text)
{
    size_t len = 0;

    while (len < text.len && len < 3 && text.ptr[len] >= '0' && text.ptr[len] <= '9')
        len++;
    return len;
}

size_t dsn_len(struct sluice_span text)
{
    size_t at = 1;

    if (text.len == 0 || (text.ptr[0] != '2' && text.ptr[0] != '4' && text.ptr[0] != '5'))
        return 0;
    for (int part = 0; part < 2; part++) {
        if (at >= text.len || text.ptr[at] != '.')
            return 0;
        size_t len = number_len(span_skip(text, at + 1));
        if (len == 0)
            return 0;
        at += 1 + len;
    }
    return at == text.len || text.ptr[at] == ' ' || text.ptr[at] == '\t' ? at : 0;
}
