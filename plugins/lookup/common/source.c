/* SPDX-License-Identifier: ISC */
/* source: see source.h. */
#include "source.h"

#include "explain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WARNING_MAX 1024
#define QUOTE_MAX 30 /* bytes of a line that a warning shows */
#define SHOWN_MAX 1000

void source_init(struct source *source, FILE *file, const char *name,
                 void (*warn)(void *user, const char *text), void *user)
{
    *source = (struct source){.file = file, .name = name, .warn = warn, .user = user};
}

void source_done(struct source *source)
{
    free(source->ahead);
    free(source->line);
}

/* ---- characters ------------------------------------------------------------------------------ */

/* Length of the UTF-8 character (RFC 3629) at the beginning; 0: there is none, or NUL. */
static size_t utf8_len(const unsigned char *at, size_t len)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t len;
    } rows[] = {
        {0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (len < rows[i].len || at[0] < rows[i].first_min || at[0] > rows[i].first_max)
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

static bool is_utf8(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;

    while (len > 0) {
        size_t step = utf8_len(at, len);

        if (step == 0)
            return false;
        at += step;
        len -= step;
    }
    return true;
}

/* As in Postfix's messages: what cannot be printed is a question mark. */
static void make_printable(char *text)
{
    unsigned char *at = (unsigned char *)text;
    const unsigned char *end = at + strlen(text);

    while (at < end) {
        size_t step = utf8_len(at, (size_t)(end - at));

        if (step == 0 || *at < ' ' || *at == 127) {
            *at = '?';
            step = 1;
        }
        at += step;
    }
}

void source_warn(const struct source *source, const char *format, ...)
{
    char text[WARNING_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    make_printable(text);
    source->warn(source->user, text);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static struct sluice_span trimmed(struct sluice_span text)
{
    while (text.len > 0 && source_is_space(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && source_is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static bool is_comment(const char *line, size_t len)
{
    struct sluice_span text = trimmed((struct sluice_span){line, len});

    return text.len == 0 || text.ptr[0] == '#';
}

/* The next physical line that is no comment, into source->ahead. */
static sluice_status look_ahead(struct source *source, const struct sluice_errors *errors)
{
    while (!source->has_ahead) {
        ssize_t len = getline(&source->ahead, &source->ahead_size, source->file);

        if (len == -1 && feof(source->file) != 0)
            return SLUICE_NOT_FOUND;
        if (len == -1)
            return explain(errors, SLUICE_TEMP, "read %s: %s", source->name, strerror(errno));
        source->ahead_number++;
        source->ahead_len = (size_t)len;
        if (source->ahead[len - 1] == '\n')
            source->ahead_len--;
        source->has_ahead = !is_comment(source->ahead, source->ahead_len);
    }
    return SLUICE_OK;
}

static sluice_status take_ahead(struct source *source, const struct sluice_errors *errors)
{
    size_t len = source->line_len + source->ahead_len;

    if (len > SOURCE_LINE_MAX)
        return explain(errors, SLUICE_TEMP, "%s, line %lu: longer than %zu bytes", source->name,
                       source->line_number, SOURCE_LINE_MAX);
    if (len >= source->line_size) {
        char *larger = realloc(source->line, 2 * len + 1);

        if (larger == NULL)
            return explain(errors, SLUICE_TEMP, "read %s: out of memory", source->name);
        source->line = larger;
        source->line_size = 2 * len + 1;
    }
    memcpy(source->line + source->line_len, source->ahead, source->ahead_len);
    source->line_len = len;
    source->has_ahead = false;
    return SLUICE_OK;
}

/* A line with all that continues it. */
static sluice_status gather(struct source *source, const struct sluice_errors *errors)
{
    sluice_status st = look_ahead(source, errors);

    source->line_len = 0;
    source->line_number = source->ahead_number;
    if (st == SLUICE_OK)
        st = take_ahead(source, errors);
    while (st == SLUICE_OK) {
        st = look_ahead(source, errors);
        if (st == SLUICE_NOT_FOUND || (st == SLUICE_OK && !source_is_space(source->ahead[0])))
            return SLUICE_OK;
        if (st == SLUICE_OK)
            st = take_ahead(source, errors);
    }
    return st;
}

/* False after a warning. */
static bool is_begun(const struct source *source)
{
    if (!source_is_space(source->line[0]))
        return true;
    source_warn(source, "%s: logical line must not start with whitespace: \"%.*s%s\"", source->name,
                (int)(source->line_len < QUOTE_MAX ? source->line_len : QUOTE_MAX), source->line,
                source->line_len > QUOTE_MAX ? "..." : "");
    return false;
}

sluice_status source_line(struct source *source, const struct sluice_errors *errors)
{
    sluice_status st;

    do
        st = gather(source, errors);
    while (st == SLUICE_OK && !is_begun(source));
    if (st != SLUICE_OK)
        return st;
    while (source->line_len > 0 && source_is_space(source->line[source->line_len - 1]))
        source->line_len--;
    source->line[source->line_len] = '\0';
    return SLUICE_OK;
}

/* ---- entries --------------------------------------------------------------------------------- */

/* Up to the first white space that is neither quoted nor escaped. False: a quote is left open. */
static bool key_len(const struct source *source, size_t *ret_len)
{
    const char *line = source->line;
    bool is_quoted = false;
    size_t i;

    for (i = 0; i < source->line_len && (is_quoted || !source_is_space(line[i])); i++) {
        if (line[i] == '\\' && i + 1 < source->line_len)
            i++;
        else if (line[i] == '"')
            is_quoted = !is_quoted;
    }
    *ret_len = i;
    return !is_quoted;
}

bool source_is_text(const struct source *source)
{
    if (source->takes_any_text || is_utf8(source->line, source->line_len))
        return true;
    source_warn(source, "%s, line %lu: non-UTF-8 input \"%.*s\" -- ignoring this line",
                source->name, source->line_number,
                (int)(source->line_len < SHOWN_MAX ? source->line_len : SHOWN_MAX), source->line);
    return false;
}

/* False after a warning: the line is no entry. */
static bool parse(const struct source *source, struct sluice_span *ret_key,
                  struct sluice_span *ret_value)
{
    const char *name = source->name;
    unsigned long number = source->line_number;
    int shown = (int)(source->line_len < SHOWN_MAX ? source->line_len : SHOWN_MAX);
    struct sluice_span key, value;

    if (!source_is_text(source))
        return false;
    if (!key_len(source, &key.len)) {
        source_warn(source, "%s, line %lu: unbalanced '\"' in '%.*s' -- ignoring this line", name,
                    number, shown, source->line);
        return false;
    }
    key.ptr = source->line;
    value.ptr = source->line + key.len;
    value.len = source->line_len - key.len;
    value = trimmed(value);
    if (key.len == 0 || value.len == 0) {
        source_warn(source, "%s, line %lu: expected format: key whitespace value", name, number);
        return false;
    }
    if (key.ptr[key.len - 1] == ':')
        source_warn(source,
                    "%s, line %lu: record is in \"key: value\" format; is this an alias file?",
                    name, number);
    *ret_key = key;
    *ret_value = value;
    return true;
}

sluice_status source_entry(struct source *source, const struct sluice_errors *errors,
                           struct sluice_span *ret_key, struct sluice_span *ret_value)
{
    sluice_status st;

    do
        st = source_line(source, errors);
    while (st == SLUICE_OK && !parse(source, ret_key, ret_value));
    return st;
}

sluice_status source_setting(struct source *source, const struct sluice_errors *errors,
                             const char **ret_name, const char **ret_value)
{
    sluice_status st = source_line(source, errors);
    char *equals = st == SLUICE_OK ? strchr(source->line, '=') : NULL;
    char *value;

    if (st != SLUICE_OK)
        return st;
    if (equals == NULL)
        return explain(errors, SLUICE_CONFIG, "%s, line %lu: wants NAME = VALUE", source->name,
                       source->line_number);
    value = equals + 1;
    while (source_is_space(*value))
        value++;
    while (equals > source->line && source_is_space(equals[-1]))
        equals--;
    *equals = '\0';
    *ret_name = source->line;
    *ret_value = value;
    return SLUICE_OK;
}
