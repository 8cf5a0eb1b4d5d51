/* SPDX-License-Identifier: ISC */
/* members: see members.h. */
#include "members.h"

#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>

#define INCLUDE ":include:"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct sluice_span trim(struct sluice_span text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static struct sluice_span skip(struct sluice_span text, size_t len)
{
    return (struct sluice_span){text.ptr + len, text.len - len};
}

sluice_status members_add(struct member_list *list, enum member_kind kind, struct sluice_span text)
{
    struct member *items;

    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == kind && list->items[i].len == text.len &&
            memcmp(list->items[i].text, text.ptr, text.len) == 0)
            return SLUICE_OK;
    }
    if (list->count >= MEMBERS_MAX)
        return SLUICE_PERM;
    items = realloc(list->items, (list->count + 1) * sizeof(*items));
    if (items == NULL)
        return SLUICE_TEMP;
    list->items = items;
    items[list->count] =
        (struct member){.kind = kind, .text = strndup(text.ptr, text.len), .len = text.len};
    if (items[list->count].text == NULL)
        return SLUICE_TEMP;
    list->count++;
    return SLUICE_OK;
}

void members_done(struct member_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].text);
    free(list->items);
    *list = (struct member_list){0};
}

/* ---- one member ------------------------------------------------------------------------------ */

/* "..." as a whole: what is inside, with its backslashes resolved, into memory of that size. Otherwise
 * the text itself. */
static struct sluice_span unquote(struct sluice_span text, char *memory)
{
    size_t len = 0;

    if (text.len < 2 || text.ptr[0] != '"')
        return text;
    for (size_t i = 1; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '"')
            return i + 1 == text.len ? (struct sluice_span){memory, len} : text;
        if (c == '\\' && i + 1 < text.len)
            c = text.ptr[++i];
        memory[len++] = c;
    }
    return text;
}

/* Where what ends with close opens; NULL: it does not end so. */
static const char *opening(struct sluice_span text, char open, char close)
{
    bool is_closed = text.len > 0 && text.ptr[text.len - 1] == close;

    return is_closed ? memrchr(text.ptr, open, text.len) : NULL;
}

/* "Alice A. <alice@x>", "alice@x (Alice A.)" */
static struct sluice_span address_of(struct sluice_span text)
{
    const char *comment = opening(text, '(', ')');
    const char *start;

    if (comment != NULL)
        text = trim((struct sluice_span){text.ptr, (size_t)(comment - text.ptr)});
    start = opening(text, '<', '>');
    if (start == NULL)
        return text;
    text = skip(text, (size_t)(start - text.ptr) + 1);
    return trim((struct sluice_span){text.ptr, text.len - 1});
}

static sluice_status add_plain(struct member_list *list, struct sluice_span given,
                               struct sluice_span plain)
{
    if (plain.len > 1 && plain.ptr[0] == '/')
        return members_add(list, MEMBER_FILE, plain);
    if (plain.len > 1 && plain.ptr[0] == '|')
        return members_add(list, MEMBER_COMMAND, trim(skip(plain, 1)));
    if (plain.len > 1 && plain.ptr[0] == '\\')
        return members_add(list, MEMBER_MAILBOX, skip(plain, 1));
    size_t len = sizeof(INCLUDE) - 1;
    if (plain.len > len && strncasecmp(plain.ptr, INCLUDE, len) == 0)
        return members_add(list, MEMBER_INCLUDE, trim(skip(plain, len)));
    given = address_of(given);
    return given.len > 0 ? members_add(list, MEMBER_ADDRESS, given) : SLUICE_OK;
}

/* Sendmail's way is |"command args", Postfix's "|command args". */
static sluice_status add_one(struct member_list *list, struct sluice_span text)
{
    char *memory = malloc(text.len + 1);
    sluice_status st;

    if (memory == NULL)
        return SLUICE_TEMP;
    if (text.len > 2 && text.ptr[0] == '|' && text.ptr[1] == '"')
        st = members_add(list, MEMBER_COMMAND, unquote(skip(text, 1), memory));
    else
        st = add_plain(list, text, unquote(text, memory));
    free(memory);
    return st;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Up to a comma that is not in quotes. */
static size_t member_len(struct sluice_span text)
{
    bool is_quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        if (!is_quoted && text.ptr[i] == ',')
            return i;
        if (text.ptr[i] == '"')
            is_quoted = !is_quoted;
        else if (text.ptr[i] == '\\' && is_quoted)
            i++;
    }
    return text.len;
}

sluice_status members_parse(struct member_list *list, struct sluice_span text)
{
    sluice_status st = SLUICE_OK;

    while (text.len > 0 && st == SLUICE_OK) {
        size_t len = member_len(text);
        struct sluice_span member = trim((struct sluice_span){text.ptr, len});

        if (member.len > 0)
            st = add_one(list, member);
        text = skip(text, len < text.len ? len + 1 : len);
    }
    return st;
}

sluice_status members_parse_lines(struct member_list *list, struct sluice_span text)
{
    sluice_status st = SLUICE_OK;

    while (text.len > 0 && st == SLUICE_OK) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        struct sluice_span line = trim((struct sluice_span){text.ptr, len});

        if (line.len > 0 && line.ptr[0] != '#')
            st = members_parse(list, line);
        text = skip(text, len < text.len ? len + 1 : len);
    }
    return st;
}
