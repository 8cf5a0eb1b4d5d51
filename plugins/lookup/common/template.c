/* SPDX-License-Identifier: ISC */
/* template: see template.h. */
#include "template.h"

#include <string.h>

static const char parts[] = "sudSUD123456789%";

const char *template_check(const char *text)
{
    for (const char *at = strchr(text, '%'); at != NULL; at = strchr(at + 2, '%')) {
        if (at[1] == '\0' || strchr(parts, at[1]) == NULL)
            return "Invalid query template";
    }
    return NULL;
}

/* Where the last @ of an address is; its length if it has none. */
static size_t at_of(struct sluice_span address)
{
    size_t at = address.len;

    for (size_t i = 0; i < address.len; i++) {
        if (address.ptr[i] == '@')
            at = i;
    }
    return at;
}

/* The whole, if there is no @. */
static struct sluice_span local_of(struct sluice_span address)
{
    return (struct sluice_span){address.ptr, at_of(address)};
}

/* Empty, if there is no @. */
static struct sluice_span domain_of(struct sluice_span address)
{
    size_t at = at_of(address);

    if (at == address.len)
        return (struct sluice_span){address.ptr, 0};
    return (struct sluice_span){address.ptr + at + 1, address.len - at - 1};
}

/* The label of that number, counted from the right, 1 for the last; empty if there are fewer. */
static struct sluice_span label_of(struct sluice_span domain, int number)
{
    for (size_t end = domain.len;; number--) {
        size_t start = end;

        while (start > 0 && domain.ptr[start - 1] != '.')
            start--;
        if (number == 1)
            return (struct sluice_span){domain.ptr + start, end - start};
        if (start == 0)
            return (struct sluice_span){domain.ptr, 0};
        end = start - 1;
    }
}

static struct sluice_span word_of(char part, const struct template_words *words)
{
    switch (part) {
    case 's':
        return words->value;
    case 'u':
        return local_of(words->value);
    case 'd':
        return domain_of(words->value);
    case 'S':
        return words->key;
    case 'U':
        return local_of(words->key);
    case 'D':
        return domain_of(words->key);
    default:
        return label_of(domain_of(words->key), part - '0');
    }
}

static sluice_status expand_part(char part, const struct template_words *words,
                                 const struct template_out *out)
{
    struct sluice_span word;

    if (part == '%')
        return out->literal(out->user, (struct sluice_span){"%", 1});
    word = word_of(part, words);
    return word.len > 0 ? out->word(out->user, word) : SLUICE_NOT_FOUND;
}

sluice_status template_expand(const char *text, const struct template_words *words,
                              const struct template_out *out)
{
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK && *text != '\0') {
        size_t len = strcspn(text, "%");

        if (len > 0) {
            st = out->literal(out->user, (struct sluice_span){text, len});
            text += len;
        } else {
            st = expand_part(text[1], words, out);
            text += 2;
        }
    }
    return st;
}
