/* SPDX-License-Identifier: ISC */
/* query: see query.h. */
#include "query.h"

#include "template.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 128

/* A text that grows. Three are made for each look-up: a stream for each would cost more than all else. */
struct text {
    char *bytes;
    size_t len;
    size_t room;
};

/* Where len bytes may be put, and a NUL; NULL: no memory. */
static char *reserve(struct text *text, size_t len)
{
    size_t wanted = text->len + len + 1;

    if (wanted > text->room) {
        size_t room = wanted < ROOM_MIN ? ROOM_MIN : 2 * wanted;
        char *more = realloc(text->bytes, room);

        if (more == NULL)
            return NULL;
        text->bytes = more;
        text->room = room;
    }
    return text->bytes + text->len;
}

/* What stands in the template itself, and what in values: as it is. */
static sluice_status add_plain(void *user, struct sluice_span word)
{
    struct text *text = user;
    char *at = reserve(text, word.len);

    if (at == NULL)
        return SLUICE_TEMP;
    memcpy(at, word.ptr, word.len);
    text->len += word.len;
    return SLUICE_OK;
}

static bool needs_escape(unsigned char byte, const char *special)
{
    return iscntrl(byte) || byte >= 0x80 || strchr(special, byte) != NULL;
}

static sluice_status add_escaped(struct text *text, struct sluice_span word, const char *special)
{
    static const char digits[] = "0123456789ABCDEF";
    char *at = reserve(text, 3 * word.len);

    if (at == NULL)
        return SLUICE_TEMP;
    for (size_t i = 0; i < word.len; i++) {
        unsigned char byte = (unsigned char)word.ptr[i];

        if (needs_escape(byte, special)) {
            *at++ = '\\';
            *at++ = digits[byte >> 4];
            *at++ = digits[byte & 15];
        } else {
            *at++ = (char)byte;
        }
    }
    text->len = (size_t)(at - text->bytes);
    return SLUICE_OK;
}

static sluice_status add_to_filter(void *user, struct sluice_span word)
{
    return add_escaped(user, word, "*()\\");
}

/* Blanks and "#" need it at an end only; everywhere is simpler, and the same DN. */
static sluice_status add_to_base(void *user, struct sluice_span word)
{
    return add_escaped(user, word, " \"#+,;<=>\\");
}

static sluice_status expand(const char *template, const struct template_words *words,
                            sluice_status (*word)(void *user, struct sluice_span text),
                            char **ret_text, size_t *ret_len)
{
    struct text text = {0};
    const struct template_out out = {.literal = add_plain, .word = word, .user = &text};
    sluice_status st = template_expand(template, words, &out);

    if (st == SLUICE_OK && reserve(&text, 0) == NULL)
        st = SLUICE_TEMP;
    if (st != SLUICE_OK) {
        free(text.bytes);
        return st;
    }
    text.bytes[text.len] = '\0';
    *ret_text = text.bytes;
    *ret_len = text.len;
    return SLUICE_OK;
}

sluice_status query_filter(const char *text, struct sluice_span key, char **ret_filter)
{
    const struct template_words words = {.value = key, .key = key};
    size_t len;

    return expand(text, &words, add_to_filter, ret_filter, &len);
}

sluice_status query_base(const char *text, struct sluice_span key, char **ret_base)
{
    const struct template_words words = {.value = key, .key = key};
    size_t len;

    return expand(text, &words, add_to_base, ret_base, &len);
}

sluice_status query_result(const char *format, struct sluice_span value, struct sluice_span key,
                           char **ret_text, size_t *ret_len)
{
    const struct template_words words = {.value = value, .key = key};

    return expand(format, &words, add_plain, ret_text, ret_len);
}
