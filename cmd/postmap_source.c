/* SPDX-License-Identifier: ISC */
/*
 * postmap_source: see postmap_source.h.
 */
#include "postmap_source.h"

#include "base/span.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WARNING_MAX 1024
#define QUOTE_MAX 30 /* bytes of a line that a warning shows */

void postmap_source_init(struct postmap_source *source, FILE *file, const char *name,
                         void (*warn)(void *user, const char *text), void *user)
{
    *source = (struct postmap_source){.file = file, .name = name, .warn = warn, .user = user};
}

void postmap_source_done(struct postmap_source *source)
{
    free(source->ahead);
    buffer_done(&source->entry);
}

__attribute__((format(printf, 2, 3))) static void warn(const struct postmap_source *source,
                                                       const char *format, ...)
{
    char text[WARNING_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* cut off if need be */
    va_end(arguments);
    source->warn(source->user, text);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- lines ----------------------------------------------------------------------------------- */

static struct sluice_span trimmed(struct sluice_span text)
{
    while (text.len > 0 && is_space(text.ptr[0]))
        text = span_skip(text, 1);
    while (text.len > 0 && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static bool is_comment(struct sluice_span line)
{
    struct sluice_span text = trimmed(line);

    return text.len == 0 || text.ptr[0] == '#';
}

/* The next physical line that is no comment, into source->ahead. */
static sluice_status look_ahead(struct postmap_source *source, struct error *err)
{
    while (!source->has_ahead) {
        ssize_t len = getline(&source->ahead, &source->ahead_size, source->file);

        if (len == -1 && feof(source->file) != 0)
            return SLUICE_NOT_FOUND;
        if (len == -1)
            return error_set(err, SLUICE_TEMP, "read %s: %s", source->name, strerror(errno));
        source->ahead_line++;
        source->ahead_len = (size_t)len;
        if (source->ahead[len - 1] == '\n')
            source->ahead_len--;
        source->has_ahead = !is_comment((struct sluice_span){source->ahead, source->ahead_len});
    }
    return SLUICE_OK;
}

static sluice_status take_line(struct postmap_source *source, struct error *err)
{
    if (source->ahead_len > POSTMAP_LINE_MAX - source->entry.len)
        return error_set(err, SLUICE_PERM, "%s, line %lu: longer than %zu bytes", source->name,
                         source->entry_line, POSTMAP_LINE_MAX);
    buffer_add(&source->entry, source->ahead, source->ahead_len);
    source->has_ahead = false;
    if (buffer_failed(&source->entry))
        return error_set(err, SLUICE_TEMP, "read %s: out of memory", source->name);
    return SLUICE_OK;
}

/* A line with all that continues it, into source->entry. */
static sluice_status read_line(struct postmap_source *source, struct error *err)
{
    sluice_status st = look_ahead(source, err);

    buffer_clear(&source->entry);
    source->entry_line = source->ahead_line;
    if (st == SLUICE_OK)
        st = take_line(source, err);
    while (st == SLUICE_OK) {
        st = look_ahead(source, err);
        if (st == SLUICE_NOT_FOUND || (st == SLUICE_OK && !is_space(source->ahead[0])))
            return SLUICE_OK;
        if (st == SLUICE_OK)
            st = take_line(source, err);
    }
    return st;
}

/* ---- entries --------------------------------------------------------------------------------- */

static bool is_utf8(struct sluice_span text)
{
    while (text.len > 0) {
        size_t len = span_utf8_len(text);

        if (len == 0)
            return false;
        text = span_skip(text, len);
    }
    return true;
}

/* Up to the first white space that is neither quoted nor escaped. False: a quote is left open. */
static bool key_len(struct sluice_span line, size_t *ret_len)
{
    bool is_quoted = false;
    size_t i;

    for (i = 0; i < line.len && (is_quoted || !is_space(line.ptr[i])); i++) {
        if (line.ptr[i] == '\\' && i + 1 < line.len)
            i++;
        else if (line.ptr[i] == '"')
            is_quoted = !is_quoted;
    }
    *ret_len = i;
    return !is_quoted;
}

/* False after a warning: the line is no entry. */
static bool parse(const struct postmap_source *source, struct sluice_span *ret_key,
                  struct sluice_span *ret_value)
{
    struct sluice_span line = buffer_span(&source->entry);
    struct sluice_span key, value;
    size_t len;

    if (is_space(line.ptr[0])) {
        warn(source, "%s: logical line must not start with whitespace: \"%.*s%s\"", source->name,
             (int)span_first(line, QUOTE_MAX).len, line.ptr, line.len > QUOTE_MAX ? "..." : "");
        return false;
    }
    if (!is_utf8(line)) {
        warn(source, "%s, line %lu: non-UTF-8 input \"%.*s\" -- ignoring this line", source->name,
             source->entry_line, SPAN_ARGS(line));
        return false;
    }
    if (!key_len(line, &len)) {
        warn(source, "%s, line %lu: unbalanced '\"' in '%.*s' -- ignoring this line", source->name,
             source->entry_line, SPAN_ARGS(line));
        return false;
    }
    key = span_first(line, len);
    value = trimmed(span_skip(line, len));
    if (key.len == 0 || value.len == 0) {
        warn(source, "%s, line %lu: expected format: key whitespace value", source->name,
             source->entry_line);
        return false;
    }
    if (key.ptr[key.len - 1] == ':')
        warn(source, "%s, line %lu: record is in \"key: value\" format; is this an alias file?",
             source->name, source->entry_line);
    *ret_key = key;
    *ret_value = value;
    return true;
}

sluice_status postmap_source_read(struct postmap_source *source, struct sluice_span *ret_key,
                                  struct sluice_span *ret_value, struct error *err)
{
    sluice_status st;

    do
        st = read_line(source, err);
    while (st == SLUICE_OK && !parse(source, ret_key, ret_value));
    return st;
}
