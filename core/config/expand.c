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

/* "{left} == {right}" in the place of a name. */
struct comparison {
    struct sluice_span left;
    struct sluice_span relation; /* empty: there is none */
    struct sluice_span right;
};

struct reference {
    struct sluice_span name;
    struct comparison comparison;
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

static struct sluice_span skip_blanks(struct sluice_span text)
{
    while (text.len > 0 && isspace((unsigned char)text.ptr[0]))
        text = span_skip(text, 1);
    return text;
}

/* "{text}" and the blanks around it. False: there is no brace, or it is not closed. */
static bool take_braced(struct sluice_span *rest, struct sluice_span *ret_text)
{
    struct sluice_span inside = skip_blanks(*rest);
    size_t len;

    if (inside.len == 0 || inside.ptr[0] != '{')
        return false;
    inside = span_skip(inside, 1);
    len = enclosed_len(inside, '{', '}');
    *ret_text = span_first(inside, len);
    *rest = skip_blanks(span_skip(inside, len + 1));
    return len < inside.len;
}

/* "{text}" or all that is left. False: the brace is not closed. */
static bool take_text(struct sluice_span *rest, struct sluice_span *ret_text)
{
    struct sluice_span text = skip_blanks(*rest);

    if (text.len > 0 && text.ptr[0] == '{')
        return take_braced(rest, ret_text);
    *ret_text = *rest;
    *rest = SPAN_EMPTY;
    return true;
}

/* "{text} relation {text}". */
static bool parse_comparison(struct sluice_span *rest, struct comparison *comparison)
{
    size_t len = 0;

    if (!take_braced(rest, &comparison->left))
        return false;
    while (len < rest->len && !isspace((unsigned char)rest->ptr[len]) && rest->ptr[len] != '{')
        len++;
    comparison->relation = span_first(*rest, len);
    *rest = span_skip(*rest, len);
    return len > 0 && take_braced(rest, &comparison->right);
}

/* "?{text}:{text}", "?text", ":text", nothing. */
static bool parse_choice(struct sluice_span rest, struct choice *choice)
{
    rest = skip_blanks(rest);
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

/* What braces enclose. */
static bool parse_enclosed(struct sluice_span inside, struct reference *reference)
{
    inside = skip_blanks(inside);
    if (inside.len > 0 && inside.ptr[0] == '{')
        return parse_comparison(&inside, &reference->comparison) &&
               parse_choice(inside, &reference->choice);
    reference->name = span_first(inside, name_len(inside));
    return reference->name.len > 0 &&
           parse_choice(span_skip(inside, reference->name.len), &reference->choice);
}

/* text begins with a dollar. */
static sluice_status parse(struct sluice_span text, struct reference *ret_reference,
                           struct error *err)
{
    char open = text.len > 1 ? text.ptr[1] : '\0';
    bool is_enclosed = open == '{' || open == '(';
    struct sluice_span rest = span_skip(text, is_enclosed ? 2 : 1);
    struct reference reference = {0};

    if (!is_enclosed) {
        reference.name = span_first(rest, name_len(rest));
        reference.len = reference.name.len > 0 ? 1 + reference.name.len : 0;
        *ret_reference = reference;
        return SLUICE_OK;
    }
    size_t len = enclosed_len(rest, open, open == '{' ? '}' : ')');
    if (len == rest.len || !parse_enclosed(span_first(rest, len), &reference))
        return error_set(err, SLUICE_CONFIG, "\"%.*s\" is no reference of the form ${name}",
                         (int)(text.len < 20 ? text.len : 20), text.ptr);
    reference.len = len + 3;
    *ret_reference = reference;
    return SLUICE_OK;
}

static sluice_status expand_span(struct sluice_span text, const struct expand_source *source,
                                 struct buffer *out, unsigned depth, struct error *err);

/* ---- comparisons ----------------------------------------------------------------------------- */

/* The number that the text begins with, which it loses; with a dot behind it that goes, too. */
static uint64_t take_number(struct sluice_span *text)
{
    uint64_t number = 0;
    size_t len = 0;

    while (len < text->len && isdigit((unsigned char)text->ptr[len]))
        len++;
    (void)span_to_u64(span_first(*text, len), &number); /* 0 if there is none */
    *text = span_skip(*text, len);
    if (text->len > 0 && text->ptr[0] == '.')
        *text = span_skip(*text, 1);
    return number;
}

/* 3.10 is above 3.6. */
static int compare_levels(struct sluice_span a, struct sluice_span b)
{
    while (a.len > 0 || b.len > 0) {
        size_t before = a.len + b.len;
        uint64_t left = take_number(&a);
        uint64_t right = take_number(&b);

        if (left != right || a.len + b.len == before)
            return left < right ? -1 : left > right;
    }
    return 0;
}

static int compare_texts(struct sluice_span a, struct sluice_span b)
{
    uint64_t left, right;

    if (span_to_u64(a, &left) && span_to_u64(b, &right))
        return left < right ? -1 : left > right;
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

/* CONFIG: there is no such relation. */
static sluice_status holds(struct sluice_span relation, struct sluice_span left,
                           struct sluice_span right, bool *ret_holds, struct error *err)
{
    static const struct {
        const char *sign;
        bool if_less, if_equal, if_more;
    } relations[] = {
        {"==", false, true, false}, {"!=", true, false, true}, {"<", true, false, false},
        {"<=", true, true, false},  {">", false, false, true}, {">=", false, true, true},
    };
    const struct sluice_span level = SPAN_LITERAL("level");
    bool is_level = span_ends_case(relation, level);
    struct sluice_span sign = is_level ? span_first(relation, relation.len - level.len) : relation;
    int order = is_level ? compare_levels(left, right) : compare_texts(left, right);

    for (size_t i = 0; i < sizeof(relations) / sizeof(relations[0]); i++) {
        if (!span_equal(sign, sluice_span_of(relations[i].sign)))
            continue;
        *ret_holds = order < 0   ? relations[i].if_less
                     : order > 0 ? relations[i].if_more
                                 : relations[i].if_equal;
        return SLUICE_OK;
    }
    return error_set(err, SLUICE_CONFIG, "\"%.*s\" is no comparison", SPAN_ARGS(relation));
}

/* ---- values ---------------------------------------------------------------------------------- */

static sluice_status compare(const struct comparison *comparison,
                             const struct expand_source *source, bool *ret_holds, unsigned depth,
                             struct error *err)
{
    struct buffer left = BUFFER_INIT;
    struct buffer right = BUFFER_INIT;
    sluice_status st = expand_span(comparison->left, source, &left, depth + 1, err);

    if (st == SLUICE_OK)
        st = expand_span(comparison->right, source, &right, depth + 1, err);
    if (st == SLUICE_OK)
        st = holds(comparison->relation, buffer_span(&left), buffer_span(&right), ret_holds, err);
    buffer_done(&left);
    buffer_done(&right);
    return st;
}

static sluice_status add_value(const struct reference *reference,
                               const struct expand_source *source, struct buffer *out,
                               unsigned depth, struct error *err)
{
    const char *value = "";

    if (reference->comparison.relation.len > 0) {
        bool is_true = false;

        if (compare(&reference->comparison, source, &is_true, depth, err) != SLUICE_OK)
            return SLUICE_CONFIG;
        value = is_true ? "true" : "";
    } else {
        value = source->find(source->user, reference->name, err);
        if (value == NULL)
            return SLUICE_CONFIG;
    }
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
        struct reference reference = {0};

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
