/* SPDX-License-Identifier: ISC */
/*
 * alias_source: see alias_source.h. A line is taken apart into tokens (RFC 822 3.3, with |, % and !
 * among the specials) and put together again, as Postfix's postalias does it: so both store the same.
 */
#include "alias_source.h"

#include "base/span.h"
#include "explain.h"

#include <string.h>

#define SPECIALS "|%!()<>@,;:\\\".[]"

enum token_type {
    TOKEN_OPERATOR, /* text is its one character */
    TOKEN_ATOM,
    TOKEN_QUOTED,  /* text is what the quotes enclose, without backslashes */
    TOKEN_COMMENT, /* text is all of it */
    TOKEN_LITERAL, /* text is what the brackets enclose, without backslashes */
};

struct token {
    enum token_type type;
    struct buffer text;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_special(char c)
{
    return strchr(SPECIALS, c) != NULL;
}

/* ---- taking apart ---------------------------------------------------------------------------- */

/* Up to the end character, which is taken too, or where that is 0 up to a blank or a special. */
static const char *take_text(const char *at, char end, struct buffer *text)
{
    while (*at != '\0') {
        bool is_escaped = *at == '\\';

        if (is_escaped)
            at++;
        if (*at == '\0' ||
            (!is_escaped && (end != 0 ? *at == end : is_blank(*at) || is_special(*at))))
            break;
        buffer_add_byte(text, is_blank(*at) ? ' ' : *at);
        at++;
    }
    return end != 0 && *at == end ? at + 1 : at;
}

/* As it stands: comments nest. */
static const char *take_comment(const char *at, struct buffer *text)
{
    size_t depth = 0;

    do {
        if (*at == '(')
            depth++;
        else if (*at == ')')
            depth--;
        else if (*at == '\\' && at[1] != '\0')
            buffer_add_byte(text, *at++);
        buffer_add_byte(text, *at++);
    } while (depth > 0 && *at != '\0');
    return at;
}

/* With a character that only a backslash has let in it needs quotes. */
static enum token_type type_of_atom(const struct buffer *text)
{
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->ptr[i];

        if (c <= ' ' || c == 127 || is_special((char)c))
            return TOKEN_QUOTED;
    }
    return TOKEN_ATOM;
}

/* False: the line ends. */
static bool token_next(const char **at, struct token *token)
{
    while (is_blank(**at))
        (*at)++;
    buffer_clear(&token->text);
    switch (**at) {
    case '\0':
        return false;
    case '(':
        token->type = TOKEN_COMMENT;
        *at = take_comment(*at, &token->text);
        break;
    case '[':
        token->type = TOKEN_LITERAL;
        *at = take_text(*at + 1, ']', &token->text);
        break;
    case '"':
        token->type = TOKEN_QUOTED;
        *at = take_text(*at + 1, '"', &token->text);
        break;
    default:
        if (**at != '\\' && is_special(**at)) {
            token->type = TOKEN_OPERATOR;
            buffer_add_byte(&token->text, *(*at)++);
        } else {
            *at = take_text(*at, 0, &token->text);
            token->type = type_of_atom(&token->text);
        }
        break;
    }
    return true;
}

/* ---- putting together ------------------------------------------------------------------------ */

static bool is_operator(const struct token *token, char c)
{
    return token->type == TOKEN_OPERATOR && token->text.len == 1 && token->text.ptr[0] == c;
}

static void add_escaped(struct buffer *out, const struct buffer *text, const char *escaped)
{
    for (size_t i = 0; i < text->len; i++) {
        if (text->ptr[i] != '\0' && strchr(escaped, text->ptr[i]) != NULL)
            buffer_add_byte(out, '\\');
        buffer_add_byte(out, text->ptr[i]);
    }
}

/* One side of an entry, as far as it is put together. */
struct side {
    struct buffer *out;
    bool keeps_quotes;
    bool is_begun;
    bool ends_in_comma, ends_in_word; /* what the latest token was */
};

static void add_token(struct side *side, const struct token *token)
{
    bool is_word = token->type != TOKEN_OPERATOR;
    bool needs_quotes = side->keeps_quotes && token->type == TOKEN_QUOTED;

    if (side->is_begun &&
        (side->ends_in_comma || is_operator(token, '<') || (side->ends_in_word && is_word)))
        buffer_add_byte(side->out, ' ');
    if (token->type == TOKEN_LITERAL)
        buffer_add_byte(side->out, '[');
    if (needs_quotes)
        buffer_add_byte(side->out, '"');
    add_escaped(side->out, &token->text,
                needs_quotes                                         ? "\"\\\r\n"
                : side->keeps_quotes && token->type == TOKEN_LITERAL ? "\\\r\n"
                                                                     : "");
    if (needs_quotes)
        buffer_add_byte(side->out, '"');
    if (token->type == TOKEN_LITERAL)
        buffer_add_byte(side->out, ']');
    side->is_begun = true;
    side->ends_in_comma = is_operator(token, ',');
    side->ends_in_word = is_word;
}

/* ---- entries --------------------------------------------------------------------------------- */

/* NULL, or what is wrong with the line. */
static const char *parse(struct alias_source *aliases, struct token *token)
{
    struct side name = {.out = &aliases->key};
    struct side value = {.out = &aliases->value, .keeps_quotes = true};
    const char *at = aliases->source->line;
    bool has_colon = false;
    bool has_comma = false;
    bool has_domain = false;

    buffer_clear(name.out);
    buffer_clear(value.out);
    while (token_next(&at, token)) {
        if (!has_colon && is_operator(token, ':')) {
            has_colon = true;
            continue;
        }
        add_token(has_colon ? &value : &name, token);
        has_comma = has_comma || (!has_colon && is_operator(token, ','));
        has_domain =
            has_domain || (!has_colon && (is_operator(token, '@') || is_operator(token, '%')));
    }
    if (!name.is_begun || !value.is_begun || has_comma)
        return "need name:value pair";
    return has_domain ? "name must be local" : NULL;
}

sluice_status alias_source_entry(struct alias_source *aliases, const struct sluice_errors *errors,
                                 struct sluice_span *ret_key, struct sluice_span *ret_value)
{
    const struct source *source = aliases->source;
    struct token token = {.text = BUFFER_INIT};
    const char *wrong = "";
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK && wrong != NULL) {
        st = source_line(aliases->source, errors);
        if (st != SLUICE_OK || !source_is_text(source))
            continue;
        wrong = parse(aliases, &token);
        if (wrong != NULL)
            source_warn(source, "%s, line %lu: %s", source->name, source->line_number, wrong);
    }
    if (buffer_failed(&token.text) || buffer_failed(&aliases->key) ||
        buffer_failed(&aliases->value))
        st = explain(errors, SLUICE_TEMP, "read %s: out of memory", source->name);
    buffer_done(&token.text);
    *ret_key = buffer_span(&aliases->key);
    *ret_value = buffer_span(&aliases->value);
    return st;
}

void alias_source_done(struct alias_source *aliases)
{
    buffer_done(&aliases->key);
    buffer_done(&aliases->value);
}
