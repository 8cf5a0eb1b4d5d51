/* SPDX-License-Identifier: ISC */
/* rules_value: see rules_value.h. */
#include "rules_value.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text as it is, or a reference to a part. */
struct piece {
    struct sluice_span text;
    size_t part; /* 0: it is text */
};

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* What a reference names, without its braces. NULL: they are not closed. */
static const char *take_name(const char *at, struct sluice_span *ret_name)
{
    const char *end;

    if (*at == '{' || *at == '(') {
        end = strchr(at, *at == '{' ? '}' : ')');
        if (end == NULL)
            return NULL;
        *ret_name = (struct sluice_span){at + 1, (size_t)(end - at) - 1};
        return end + 1;
    }
    for (end = at; is_name(*end); end++)
        ;
    *ret_name = (struct sluice_span){at, (size_t)(end - at)};
    return end;
}

static const char *number_of(struct sluice_span name, size_t *ret_number)
{
    size_t number = 0;

    if (name.len == 0)
        return "empty macro name";
    for (size_t i = 0; i < name.len; i++) {
        if (!isdigit((unsigned char)name.ptr[i]))
            return "non-numeric replacement index";
        number = 10 * number + (size_t)(name.ptr[i] - '0');
        if (number >= RULES_PARTS_MAX)
            return "out of range replacement index";
    }
    *ret_number = number;
    return number > 0 ? NULL : "out of range replacement index";
}

/* Takes the next piece of a value that is not at its end. NULL, or what is wrong. */
static const char *take_piece(const char **value, struct piece *ret_piece)
{
    const char *at = *value;
    struct sluice_span name;
    size_t len = strcspn(at, "$");

    *ret_piece = (struct piece){.text = {at, len}};
    if (len == 0 && at[1] == '$') {
        ret_piece->text.len = 1;
        len = 2;
    }
    *value = at + len;
    if (len > 0)
        return NULL;
    at = take_name(at + 1, &name);
    if (at == NULL)
        return "truncated macro reference";
    *value = at;
    return number_of(name, &ret_piece->part);
}

const char *rules_value_check(const char *value, size_t *ret_highest)
{
    const char *wrong = NULL;
    size_t highest = 0;

    while (*value != '\0' && wrong == NULL) {
        struct piece piece;

        wrong = take_piece(&value, &piece);
        if (wrong == NULL && piece.part > highest)
            highest = piece.part;
    }
    *ret_highest = highest;
    return wrong;
}

sluice_status rules_value_expand(const char *value, const struct sluice_span *parts,
                                 char **ret_text, size_t *ret_len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);
    bool is_good = out != NULL;

    while (is_good && *value != '\0') {
        struct piece piece;

        (void)take_piece(&value, &piece); /* has been checked */
        if (piece.part > 0)
            piece.text = parts[piece.part];
        is_good = piece.text.len == 0 || fwrite(piece.text.ptr, piece.text.len, 1, out) == 1;
    }
    if (out != NULL && fclose(out) == EOF)
        is_good = false;
    if (!is_good) {
        free(text);
        return SLUICE_TEMP;
    }
    *ret_text = text;
    return SLUICE_OK;
}
