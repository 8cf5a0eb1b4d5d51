/* SPDX-License-Identifier: ISC */
/* json_text: see json_text.h. */
#include "base/json_text.h"

#include "base/span.h"

#include <stdbool.h>
#include <stdlib.h>

json_t *json_text(struct sluice_span bytes)
{
    bool has_nul = span_find(bytes, '\0') < bytes.len;
    json_t *string = has_nul ? NULL : json_stringn(bytes.len > 0 ? bytes.ptr : "", bytes.len);
    if (string != NULL)
        return string;

    char *ascii = malloc(bytes.len + 1);
    if (ascii == NULL)
        return NULL;
    for (size_t i = 0; i < bytes.len; i++)
        ascii[i] = bytes.ptr[i] != '\0' && (unsigned char)bytes.ptr[i] < 0x80 ? bytes.ptr[i] : '?';
    string = json_stringn(ascii, bytes.len);
    free(ascii);
    return string;
}

static int add_text(const char *text, size_t len, void *out)
{
    buffer_add(out, text, len);
    return 0;
}

void json_format(const json_t *json, struct buffer *out)
{
    size_t start = out->len;

    if (json_dump_callback(json, add_text, out, JSON_COMPACT) == -1)
        out->len = start;
}
