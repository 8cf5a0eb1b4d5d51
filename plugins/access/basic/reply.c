/* SPDX-License-Identifier: ISC */
/* reply: the replies of block lists, in which names stand for what is known. */
#include "basic.h"

#define DEPTH_MAX 10 /* of texts within each other */

struct expansion {
    const struct macro *macros;
    size_t count;
    char *out;
    size_t size, len;
    unsigned depth;
};

static bool expand(struct expansion *expansion, struct sluice_span text);

static bool put(struct expansion *expansion, struct sluice_span text)
{
    if (text.len >= expansion->size - expansion->len)
        return false;
    if (text.len > 0)
        memcpy(expansion->out + expansion->len, text.ptr, text.len);
    expansion->len += text.len;
    expansion->out[expansion->len] = '\0';
    return true;
}

static struct sluice_span skip(struct sluice_span text, size_t n)
{
    return (struct sluice_span){.ptr = text.ptr + n, .len = text.len - n};
}

static struct sluice_span first(struct sluice_span text, size_t n)
{
    return (struct sluice_span){.ptr = text.ptr, .len = n};
}

static size_t name_len(struct sluice_span text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t len = 0;

    while (len < text.len && text.ptr[len] != '\0' && strchr(letters, text.ptr[len]) != NULL)
        len++;
    return len;
}

/* What a name stands for; nothing, where it is not known. */
static struct sluice_span value_of(const struct expansion *expansion, struct sluice_span name)
{
    for (size_t i = 0; i < expansion->count; i++) {
        const char *known = expansion->macros[i].name;
        if (strlen(known) == name.len && memcmp(known, name.ptr, name.len) == 0)
            return sluice_span_of(expansion->macros[i].value);
    }
    return (struct sluice_span){0};
}

/* The length up to the bracket that closes the one the text begins with; 0: it is not there. */
static size_t bracket_len(struct sluice_span text)
{
    char open = text.ptr[0];
    char close = open == '{' ? '}' : ')';
    size_t depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == open)
            depth++;
        else if (text.ptr[i] == close && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* "{if set}:{if empty}", or one text. */
static void read_choice(struct sluice_span text, struct sluice_span *ret_first,
                        struct sluice_span *ret_second)
{
    size_t len = text.len > 0 && text.ptr[0] == '{' ? bracket_len(text) : 0;

    *ret_first = text;
    *ret_second = (struct sluice_span){0};
    if (len == 0)
        return;
    *ret_first = first(skip(text, 1), len - 2);
    text = skip(text, len);
    if (text.len > 2 && text.ptr[0] == ':' && text.ptr[1] == '{' &&
        bracket_len(skip(text, 1)) == text.len - 1)
        *ret_second = first(skip(text, 2), text.len - 3);
}

/* What stands between the brackets: a name, and what follows it. */
static bool expand_brackets(struct expansion *expansion, struct sluice_span text)
{
    size_t len = name_len(text);
    struct sluice_span value = value_of(expansion, first(text, len));
    struct sluice_span rest = skip(text, len);
    struct sluice_span if_set, if_empty;

    if (len == 0)
        return false;
    if (rest.len == 0)
        return put(expansion, value);
    read_choice(skip(rest, 1), &if_set, &if_empty);
    if (rest.ptr[0] == '?')
        return expand(expansion, value.len > 0 ? if_set : if_empty);
    if (rest.ptr[0] == ':')
        return value.len > 0 ? put(expansion, value) : expand(expansion, if_set);
    return false;
}

/* What follows a $. */
static bool expand_one(struct expansion *expansion, struct sluice_span *text)
{
    size_t len = name_len(*text);
    bool is_good;

    if (text->len > 0 && text->ptr[0] == '$') {
        is_good = put(expansion, first(*text, 1));
        len = 1;
    } else if (text->len > 0 && (text->ptr[0] == '{' || text->ptr[0] == '(')) {
        len = bracket_len(*text);
        is_good = len > 2 && expand_brackets(expansion, first(skip(*text, 1), len - 2));
    } else {
        is_good = len > 0 && put(expansion, value_of(expansion, first(*text, len)));
    }
    *text = skip(*text, len);
    return is_good;
}

static bool expand(struct expansion *expansion, struct sluice_span text)
{
    bool is_good = ++expansion->depth <= DEPTH_MAX;

    while (is_good && text.len > 0) {
        const char *dollar = memchr(text.ptr, '$', text.len);
        size_t plain = dollar != NULL ? (size_t)(dollar - text.ptr) : text.len;

        is_good = put(expansion, first(text, plain));
        text = skip(text, plain);
        if (is_good && text.len > 0) {
            text = skip(text, 1);
            is_good = expand_one(expansion, &text);
        }
    }
    expansion->depth--;
    return is_good;
}

bool reply_expand(const char *pattern, const struct macro *macros, size_t count, char *out,
                  size_t size)
{
    struct expansion expansion = {.macros = macros, .count = count, .out = out, .size = size};

    out[0] = '\0';
    return expand(&expansion, sluice_span_of(pattern));
}
