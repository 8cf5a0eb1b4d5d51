/* SPDX-License-Identifier: ISC */
/* edit: see edit.h. Places are counted from the beginning of the text. */
#include "config/edit.h"

#include "base/span.h"
#include "config/token.h"

#include <string.h>

/* Where a setting stands: from its name to its end, the semicolon with it; and its value. */
struct range {
    size_t start, end;
    size_t value_start, value_end;
};

/* ---- finding --------------------------------------------------------------------------------- */

/* Length of what stands at the start, whatever it is. */
static size_t any_len(struct sluice_span at)
{
    size_t len = token_is_text(at, "\"") ? token_quoted_len(at) : token_word_len(at);

    return len > 0 ? len : 1;
}

static size_t blanks_len(struct sluice_span at)
{
    return at.len - token_skip_blanks(at).len;
}

/* Length of the list or group whose bracket the text begins with. */
static size_t brackets_len(struct sluice_span text)
{
    size_t depth = 0;
    size_t end = 0;

    do {
        struct sluice_span at = span_skip(text, end);
        size_t len = token_blank_len(at);

        if (len == 0) {
            len = any_len(at);
            if (strchr("[({", at.ptr[0]) != NULL)
                depth++;
            else if (strchr("])}", at.ptr[0]) != NULL)
                depth--;
        }
        end += len;
    } while (depth > 0 && end < text.len);
    return end;
}

/* Length of the value at the start: a word, a list or group, or a text, which may be in parts. */
static size_t value_len(struct sluice_span text)
{
    size_t end;

    if (text.len == 0)
        return 0;
    if (strchr("[({", text.ptr[0]) != NULL)
        return brackets_len(text);
    end = any_len(text);
    while (text.ptr[0] == '"') {
        struct sluice_span rest = span_skip(text, end);
        size_t blanks = blanks_len(rest);

        rest = span_skip(rest, blanks);
        if (!token_is_text(rest, "\""))
            break;
        end += blanks + any_len(rest);
    }
    return end;
}

/* The rest of a setting whose name ends at name_end. */
static void find_value(struct sluice_span text, size_t name_end, struct range *range)
{
    size_t at = name_end + blanks_len(span_skip(text, name_end)) + 1; /* the sign = */

    range->value_start = at + blanks_len(span_skip(text, at));
    range->value_end = range->value_start + value_len(span_skip(text, range->value_start));
    range->end = range->value_end + blanks_len(span_skip(text, range->value_end));
    if (token_is_text(span_skip(text, range->end), ";") ||
        token_is_text(span_skip(text, range->end), ","))
        range->end++;
    else
        range->end = range->value_end;
}

static bool find(const struct buffer *buffer, const char *name, struct range *ret_range)
{
    struct sluice_span text = buffer_span(buffer);
    size_t at = blanks_len(text);

    while (at < text.len) {
        struct sluice_span here = span_skip(text, at);
        struct sluice_span word = span_first(here, token_word_len(here));
        struct range range = {.start = at};

        if (word.len > 0 && token_is_assignment(span_skip(here, word.len))) {
            find_value(text, at + word.len, &range);
            if (span_equal(word, sluice_span_of(name))) {
                *ret_range = range;
                return true;
            }
            at = range.end;
        } else {
            at += any_len(here);
        }
        at += blanks_len(span_skip(text, at));
    }
    return false;
}

/* ---- changing -------------------------------------------------------------------------------- */

static void replace(struct buffer *text, size_t start, size_t end, const struct buffer *by)
{
    struct buffer changed = BUFFER_INIT;

    buffer_add(&changed, text->ptr, start);
    buffer_add(&changed, by->ptr, by->len);
    buffer_add(&changed, text->ptr + end, text->len - end);
    changed.failed = changed.failed || buffer_failed(by) || buffer_failed(text);
    buffer_done(text);
    *text = changed;
}

void edit_set(struct buffer *text, const char *name, const char *value)
{
    struct buffer by = BUFFER_INIT;
    struct range range;

    if (find(text, name, &range)) {
        buffer_add_text(&by, value);
        replace(text, range.value_start, range.value_end, &by);
        buffer_done(&by);
        return;
    }
    if (text->len > 0 && text->ptr[text->len - 1] != '\n')
        buffer_add_byte(text, '\n');
    buffer_printf(text, "%s = %s;\n", name, value);
}

static bool is_blank(const struct buffer *text, size_t start, size_t end)
{
    for (size_t i = start; i < end; i++) {
        if (strchr(" \t\r", text->ptr[i]) == NULL || text->ptr[i] == '\0')
            return false;
    }
    return true;
}

/* Where the line begins that the place is in. */
static size_t line_start(const struct buffer *text, size_t at)
{
    while (at > 0 && text->ptr[at - 1] != '\n')
        at--;
    return at;
}

/* Where it ends, at the line feed. */
static size_t line_end(const struct buffer *text, size_t at)
{
    while (at < text->len && text->ptr[at] != '\n')
        at++;
    return at;
}

void edit_remove(struct buffer *text, const char *name)
{
    struct buffer nothing = BUFFER_INIT;
    struct range range;

    if (!find(text, name, &range))
        return;
    size_t start = line_start(text, range.start);
    size_t end = line_end(text, range.end);
    if (is_blank(text, start, range.start) && is_blank(text, range.end, end)) {
        range.start = start; /* no empty line is left */
        range.end = end < text->len ? end + 1 : end;
    }
    replace(text, range.start, range.end, &nothing);
}

/* True if what follows on the line can stay behind a comment: nothing, or another one. */
static bool ends_in_comment(const struct buffer *text, size_t at)
{
    size_t end = line_end(text, at);

    while (at < end && is_blank(text, at, at + 1))
        at++;
    struct sluice_span rest = span_first(span_skip(buffer_span(text), at), end - at);
    return rest.len == 0 || token_is_text(rest, "#") || token_is_text(rest, "//");
}

void edit_comment_out(struct buffer *text, const char *name)
{
    struct buffer by = BUFFER_INIT;
    struct range range;

    if (!find(text, name, &range))
        return;
    if (is_blank(text, line_start(text, range.start), range.start))
        range.start = line_start(text, range.start);
    else
        buffer_add_byte(&by, '\n');
    for (size_t at = range.start; at < range.end; at++) {
        if (at == range.start || text->ptr[at - 1] == '\n')
            buffer_add_byte(&by, '#');
        buffer_add_byte(&by, text->ptr[at]);
    }
    if (!ends_in_comment(text, range.end))
        buffer_add_byte(&by, '\n');
    replace(text, range.start, range.end, &by);
    buffer_done(&by);
}

void edit_quote(struct buffer *out, const char *text)
{
    buffer_add_byte(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            buffer_printf(out, "\\%c", c);
        else if (c < ' ' || c == 127)
            buffer_printf(out, "\\x%02x", c);
        else
            buffer_add_byte(out, *text);
    }
    buffer_add_byte(out, '"');
}
