/* SPDX-License-Identifier: ISC */
/* file_value: see file_value.h. */
#include "file_value.h"

#include "base/span.h"
#include "config/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- files ----------------------------------------------------------------------------------- */

static sluice_status read_all(FILE *file, const char *path, struct buffer *content,
                              struct error *err)
{
    char chunk[4096];
    size_t len;

    while ((len = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        if (content->len + len > FILE_VALUE_MAX)
            return error_set(err, SLUICE_TEMP, "read %s: more than %zu bytes", path,
                             FILE_VALUE_MAX);
        buffer_add(content, chunk, len);
    }
    if (ferror(file) != 0)
        return error_set(err, SLUICE_TEMP, "read %s: %s", path, strerror(errno));
    return SLUICE_OK;
}

static sluice_status read_file(struct sluice_span name, struct buffer *content, struct error *err)
{
    char *path = span_dup(name);
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    sluice_status st;

    if (file == NULL)
        st = error_set(err, SLUICE_TEMP, "open %.*s: %s", SPAN_ARGS(name), strerror(errno));
    else
        st = read_all(file, path, content, err);
    if (file != NULL)
        (void)fclose(file); /* only read */
    free(path);
    return st;
}

/* ---- base64 ---------------------------------------------------------------------------------- */

static void encode(const struct buffer *content, struct buffer *out)
{
    const unsigned char *bytes = (const unsigned char *)content->ptr;

    for (size_t i = 0; i < content->len; i += 3) {
        size_t left = content->len - i;
        unsigned group = (unsigned)bytes[i] << 16;

        group |= left > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
        group |= left > 2 ? (unsigned)bytes[i + 2] : 0;
        buffer_add_byte(out, letters[group >> 18]);
        buffer_add_byte(out, letters[group >> 12 & 63]);
        buffer_add_byte(out, left > 1 ? letters[group >> 6 & 63] : '=');
        buffer_add_byte(out, left > 2 ? letters[group & 63] : '=');
    }
}

sluice_status file_value_encode(struct sluice_span names, struct buffer *out, struct error *err)
{
    struct buffer content = BUFFER_INIT;
    struct sluice_span name;
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK && list_next(&names, &name)) {
        if (content.len > 0)
            buffer_add_byte(&content, '\n');
        st = read_file(name, &content, err);
    }
    if (st == SLUICE_OK)
        encode(&content, out);
    if (st == SLUICE_OK && (buffer_failed(&content) || buffer_failed(out)))
        st = error_set(err, SLUICE_TEMP, "out of memory");
    buffer_done(&content);
    return st;
}

/* False: a character is none of base64's, or there are too few. */
static bool decode(struct sluice_span text, struct buffer *out)
{
    unsigned group = 0;
    size_t padding = 0;

    while (padding < 2 && text.len > 0 && text.ptr[text.len - 1] == '=') {
        text.len--;
        padding++;
    }
    if ((text.len + padding) % 4 != 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *letter = memchr(letters, text.ptr[i], sizeof(letters) - 1);

        if (letter == NULL)
            return false;
        group = (group << 6 | (unsigned)(letter - letters)) & 0xffffff;
        if (i % 4 != 0)
            buffer_add_byte(out, (char)(group >> (6 - 2 * (i % 4)) & 0xff));
    }
    return true;
}

sluice_status file_value_decode(struct buffer *value, struct error *err)
{
    struct buffer out = BUFFER_INIT;

    if (!decode(buffer_span(value), &out) || buffer_failed(&out)) {
        buffer_done(&out);
        return error_set(err, SLUICE_TEMP, "malformed BASE64 value: %.*s",
                         (int)(value->len < 100 ? value->len : 100), value->ptr);
    }
    buffer_done(value);
    *value = out;
    return SLUICE_OK;
}
