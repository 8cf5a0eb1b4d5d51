/* SPDX-License-Identifier: ISC */
/*
 * address_list: a scanner that gathers one address at a time. White space counts only where it parts
 * two words, so that "user @ example . com" (RFC 822 allowed it) is one address and "two words" is none.
 */
#include "address_list.h"

#include "base/buffer.h"
#include "base/hash.h"
#include "base/span.h"
#include "route/mailbox.h"

#include <stdlib.h>

struct address_seen {
    char *folded;
    UT_hash_handle hh;
};

/* The address in hand. */
struct scanner {
    struct address_list *list;
    struct sluice_span text; /* what is left */
    struct buffer plain;     /* outside of angle brackets */
    struct buffer angle;     /* inside */
    bool has_angle;
    bool is_in_angle;
    bool is_parted; /* white space came behind what is gathered */
    bool has_failed;
};

/* ---- the list -------------------------------------------------------------------------------- */

/* True if it has been there before. */
static bool is_known(struct address_list *list, const char *address, bool *has_failed)
{
    struct address_seen *seen = NULL;
    char *folded = strdup(address);

    if (folded == NULL) {
        *has_failed = true;
        return true;
    }
    span_fold(folded, strlen(folded));
    HASH_FIND_STR(list->seen, folded, seen);
    if (seen != NULL) {
        free(folded);
        return true;
    }
    seen = calloc(1, sizeof(*seen));
    if (seen == NULL) {
        free(folded);
        *has_failed = true;
        return true;
    }
    seen->folded = folded;
    HASH_ADD_KEYPTR(hh, list->seen, seen->folded, strlen(seen->folded), seen);
    if (!hash_has(seen)) {
        free(seen->folded);
        free(seen);
        *has_failed = true;
        return true;
    }
    return false;
}

/* The capacity is the count's next power of two. */
static bool append(struct address_list *list, char *item)
{
    if ((list->count & (list->count - 1)) == 0) {
        size_t capacity = list->count == 0 ? 1 : 2 * list->count;
        char **items = reallocarray(list->items, capacity, sizeof(*items));
        if (items == NULL)
            return false;
        list->items = items;
    }
    list->items[list->count++] = item;
    return true;
}

void address_list_done(struct address_list *list)
{
    struct address_seen *seen;
    struct address_seen *next;

    HASH_ITER(hh, list->seen, seen, next)
    {
        HASH_DEL(list->seen, seen);
        free(seen->folded);
        free(seen);
    }
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct address_list){0};
}

/* ---- one address ----------------------------------------------------------------------------- */

/* What is no address, so that it cannot be taken for anything else in a command. */
static char *neutral(struct sluice_span text)
{
    char *item = span_dup(text);

    for (char *at = item; at != NULL && *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~' || strchr("<>\"\\", *at) != NULL)
            *at = '?';
    }
    return item;
}

static char *format(struct sluice_span text)
{
    struct mailbox mailbox = MAILBOX_INIT;
    char *item = NULL;
    sluice_status st = mailbox_parse(text, &mailbox);

    if (st == SLUICE_OK)
        item = span_dup(mailbox.address);
    else if (st == SLUICE_PERM)
        item = neutral(text);
    mailbox_done(&mailbox);
    return item;
}

/* The address ends here; none may have begun. */
static void finish(struct scanner *scanner)
{
    struct buffer *from = scanner->has_angle ? &scanner->angle : &scanner->plain;

    if (from->len > 0 && !buffer_failed(from)) {
        char *item = format(buffer_span(from));
        bool is_added = item != NULL && !is_known(scanner->list, item, &scanner->has_failed) &&
                        append(scanner->list, item);
        scanner->has_failed = scanner->has_failed || item == NULL;
        if (!is_added)
            free(item);
    }
    scanner->has_failed = scanner->has_failed || buffer_failed(from);
    buffer_clear(&scanner->plain);
    buffer_clear(&scanner->angle);
    scanner->has_angle = scanner->is_in_angle = scanner->is_parted = false;
}

/* ---- scanning -------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct buffer *gathered(struct scanner *scanner)
{
    return scanner->is_in_angle ? &scanner->angle : &scanner->plain;
}

static void gather(struct scanner *scanner, char c)
{
    struct buffer *buffer = gathered(scanner);
    bool joins = c == '@' || c == '.';

    if (buffer->len > 0 &&
        (buffer->ptr[buffer->len - 1] == '@' || buffer->ptr[buffer->len - 1] == '.'))
        joins = true;
    if (scanner->is_parted && buffer->len > 0 && !joins)
        buffer_add_byte(buffer, ' ');
    scanner->is_parted = false;
    buffer_add_byte(buffer, c);
}

/* RFC 5322 3.2.2: they nest. One that does not end goes on to the end. */
static void skip_comment(struct scanner *scanner)
{
    size_t depth = 0;
    size_t i = 0;

    for (; i < scanner->text.len; i++) {
        char c = scanner->text.ptr[i];
        if (c == '\\')
            i++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            break;
    }
    scanner->text = span_skip(scanner->text, i + 1);
    scanner->is_parted = true;
}

/* A quoted string or a domain literal, as it stands; the folding in it is white space. */
static void gather_enclosed(struct scanner *scanner, char end)
{
    size_t i = 1;

    gather(scanner, scanner->text.ptr[0]);
    for (; i < scanner->text.len && scanner->text.ptr[i] != end; i++) {
        char c = scanner->text.ptr[i];
        if (c == '\r' || c == '\n')
            continue;
        buffer_add_byte(gathered(scanner), c == '\t' ? ' ' : c);
        if (c == '\\' && i + 1 < scanner->text.len)
            buffer_add_byte(gathered(scanner), scanner->text.ptr[++i]);
    }
    if (i < scanner->text.len)
        buffer_add_byte(gathered(scanner), end);
    scanner->text = span_skip(scanner->text, i + 1);
}

/* "@x,@y:a@b": the comma of a source route parts nothing. */
static bool is_in_route(const struct scanner *scanner)
{
    struct sluice_span angle = buffer_span(&scanner->angle);

    return scanner->is_in_angle && angle.len > 0 && angle.ptr[0] == '@' &&
           span_find(angle, ':') == angle.len;
}

static void take_special(struct scanner *scanner, char c)
{
    switch (c) {
    case '<':
        scanner->has_angle = scanner->is_in_angle = true;
        buffer_clear(&scanner->angle);
        scanner->is_parted = false;
        break;
    case '>':
        scanner->is_in_angle = false;
        break;
    case ',':
        if (is_in_route(scanner))
            gather(scanner, c);
        else
            finish(scanner);
        break;
    case ';':
        finish(scanner);
        break;
    default: /* a colon: what came before it was a group's name */
        if (scanner->is_in_angle)
            gather(scanner, c);
        else
            buffer_clear(&scanner->plain);
        break;
    }
}

static void step(struct scanner *scanner)
{
    char c = scanner->text.ptr[0];

    if (c == '(') {
        skip_comment(scanner);
        return;
    }
    if (c == '"' || c == '[') {
        gather_enclosed(scanner, c == '"' ? '"' : ']');
        return;
    }
    if (is_space(c))
        scanner->is_parted = true;
    else if (strchr("<>,;:", c) != NULL)
        take_special(scanner, c);
    else
        gather(scanner, c);
    scanner->text = span_skip(scanner->text, 1);
}

sluice_status address_list_add(struct address_list *list, struct sluice_span text)
{
    struct scanner scanner = {.list = list, .text = text};

    while (scanner.text.len > 0)
        step(&scanner);
    finish(&scanner);
    buffer_done(&scanner.plain);
    buffer_done(&scanner.angle);
    return scanner.has_failed ? SLUICE_TEMP : SLUICE_OK;
}
