/* SPDX-License-Identifier: ISC */
/*
 * expand: see expand.h.
 */
#include "config/expand.h"

#include "base/span.h"

#include <ctype.h>
#include <stdbool.h>

#define DEPTH_MAX 10

static size_t name_len(struct sluice_span text)
{
    size_t len = 0;

    while (len < text.len && (isalnum((unsigned char)text.ptr[len]) || text.ptr[len] == '_'))
        len++;
    return len;
}

/* What follows the name in braces: nothing, or which of two texts is meant. */
struct choice {
    bool is_there;
    struct sluice_span if_set; /* the value is not empty */
    struct sluice_span if_empty;
};

struct reference {
    struct sluice_span name;
    struct choice choice;
    size_t len; /* 0: it is a plain dollar */
};

/* The length of what braces enclose, which may have braces in it; text.len: they are not closed. */
static size_t enclosed_len(struct sluice_span text, char open, char close)
{
    size_t depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == open)
            depth++;
        else if (text.ptr[i] == close && depth-- == 0)
            return i;
    }
    return text.len;
}

/* "{text}" or all that is left. False: the brace is not closed. */
static bool take_text(struct sluice_span *rest, struct sluice_span *ret_text)
{
    if (rest->len == 0 || rest->ptr[0] != '{') {
        *ret_text = *rest;
        *rest = SPAN_EMPTY;
        return true;
    }
    struct sluice_span inside = span_skip(*rest, 1);
    size_t len = enclosed_len(inside, '{', '}');
    *ret_text = span_first(inside, len);
    *rest = span_skip(inside, len + 1);
    return len < inside.len;
}

/* "?{text}:{text}", "?text", ":text", nothing. */
static bool parse_choice(struct sluice_span rest, struct choice *choice)
{
    *choice = (struct choice){.is_there = rest.len > 0};
    if (rest.len > 0 && rest.ptr[0] == '?') {
        rest = span_skip(rest, 1);
        if (!take_text(&rest, &choice->if_set))
            return false;
    }
    if (rest.len > 0 && rest.ptr[0] == ':') {
        rest = span_skip(rest, 1);
        if (!take_text(&rest, &choice->if_empty))
            return false;
    }
    return rest.len == 0;
}

/* text begins with a dollar. */
static sluice_status parse(struct sluice_span text, struct reference *ret_reference,
                           struct error *err)
{
    char open = text.len > 1 ? text.ptr[1] : '\0';
    bool is_enclosed = open == '{' || open == '(';
    struct sluice_span rest = span_skip(text, is_enclosed ? 2 : 1);
    struct reference reference = {.name = span_first(rest, name_len(rest))};

    reference.len = reference.name.len > 0 ? 1 + reference.name.len : 0;
    *ret_reference = reference;
    if (!is_enclosed)
        return SLUICE_OK;
    size_t len = enclosed_len(rest, open, open == '{' ? '}' : ')');
    struct sluice_span choice = span_skip(span_first(rest, len), reference.name.len);
    if (reference.name.len == 0 || len == rest.len || !parse_choice(choice, &reference.choice))
        return error_set(err, SLUICE_CONFIG, "\"%.*s\" is no reference of the form ${name}",
                         (int)(text.len < 20 ? text.len : 20), text.ptr);
    reference.len = len + 3;
    *ret_reference = reference;
    return SLUICE_OK;
}

static sluice_status expand_span(struct sluice_span text, const struct expand_source *source,
                                 struct buffer *out, unsigned depth, struct error *err);

static sluice_status add_value(const struct reference *reference,
                               const struct expand_source *source, struct buffer *out,
                               unsigned depth, struct error *err)
{
    const char *value = source->find(source->user, reference->name, err);

    if (value == NULL)
        return SLUICE_CONFIG;
    if (!reference->choice.is_there) {
        buffer_add_text(out, value);
        return SLUICE_OK;
    }
    return expand_span(value[0] != '\0' ? reference->choice.if_set : reference->choice.if_empty,
                       source, out, depth + 1, err);
}

static sluice_status expand_span(struct sluice_span text, const struct expand_source *source,
                                 struct buffer *out, unsigned depth, struct error *err)
{
    if (depth > DEPTH_MAX)
        return error_set(err, SLUICE_CONFIG, "more than %d references inside each other",
                         DEPTH_MAX);
    for (;;) {
        size_t plain = span_find(text, '$');
        struct reference reference;

        buffer_add_span(out, span_first(text, plain));
        text = span_skip(text, plain);
        if (text.len == 0)
            return SLUICE_OK;
        if (parse(text, &reference, err) != SLUICE_OK)
            return SLUICE_CONFIG;
        if (reference.len == 0) {
            buffer_add_byte(out, '$');
            text = span_skip(text, text.len > 1 && text.ptr[1] == '$' ? 2 : 1);
        } else {
            if (add_value(&reference, source, out, depth, err) != SLUICE_OK)
                return SLUICE_CONFIG;
            text = span_skip(text, reference.len);
        }
    }
}

sluice_status expand(const char *text, const struct expand_source *source, struct buffer *out,
                     struct error *err)
{
    return expand_span(sluice_span_of(text), source, out, 0, err);
}
