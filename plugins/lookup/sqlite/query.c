/* SPDX-License-Identifier: ISC */
/* query: see query.h. */
#include "query.h"

#include "template.h"

#include <stdlib.h>
#include <string.h>

static sluice_status add(struct filled *filled, const char *text, size_t len)
{
    if (filled->len + len + 1 > filled->size) {
        size_t size = 2 * (filled->len + len + 1);
        char *larger = realloc(filled->text, size);

        if (larger == NULL)
            return SLUICE_TEMP;
        filled->text = larger;
        filled->size = size;
    }
    memcpy(filled->text + filled->len, text, len);
    filled->len += len;
    filled->text[filled->len] = '\0';
    return SLUICE_OK;
}

/* Notes in which literal the query is after it; a doubled quote leaves it and enters it again. */
static sluice_status add_sql(void *user, struct sluice_span text)
{
    struct filled *filled = user;

    for (size_t i = 0; i < text.len; i++) {
        if (filled->quote == text.ptr[i])
            filled->quote = 0;
        else if (filled->quote == 0 && (text.ptr[i] == '\'' || text.ptr[i] == '"'))
            filled->quote = text.ptr[i];
    }
    return add(filled, text.ptr, text.len);
}

static sluice_status add_quoted(void *user, struct sluice_span word)
{
    struct filled *filled = user;
    char quote = filled->quote != 0 ? filled->quote : '\'';
    sluice_status st = SLUICE_OK;

    if (filled->quote == 0)
        st = add(filled, &quote, 1);
    for (size_t i = 0; i < word.len && st == SLUICE_OK; i++) {
        if (word.ptr[i] == quote)
            st = add(filled, &quote, 1);
        if (st == SLUICE_OK)
            st = add(filled, word.ptr + i, 1);
    }
    if (filled->quote == 0 && st == SLUICE_OK)
        st = add(filled, &quote, 1);
    return st;
}

static sluice_status add_plain(void *user, struct sluice_span text)
{
    return add(user, text.ptr, text.len);
}

sluice_status query_fill(const char *query, struct sluice_span key, struct filled *ret_filled)
{
    const struct template_words words = {.value = key, .key = key};
    const struct template_out out = {.literal = add_sql, .word = add_quoted, .user = ret_filled};

    return template_expand(query, &words, &out);
}

sluice_status result_fill(const char *format, struct sluice_span value, struct sluice_span key,
                          struct filled *ret_filled)
{
    const struct template_words words = {.value = value, .key = key};
    const struct template_out out = {.literal = add_plain, .word = add_plain, .user = ret_filled};

    return template_expand(format, &words, &out);
}
