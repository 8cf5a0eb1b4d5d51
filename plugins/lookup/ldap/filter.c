/* SPDX-License-Identifier: ISC */
/* filter: see filter.h. */
#include "filter.h"

#include <ctype.h>
#include <string.h>

#define DEPTH_MAX 16

struct reader {
    const char *at;
    const struct filter_fold *fold;
    unsigned depth;
};

static void skip_blanks(struct reader *reader)
{
    while (isspace((unsigned char)*reader->at))
        reader->at++;
}

static void mark(const struct reader *reader, char mark)
{
    if (reader->fold->mark != NULL)
        reader->fold->mark(reader->fold->user, mark);
}

static unsigned read_item(struct reader *reader)
{
    const char *item = reader->at;
    size_t len = strcspn(item, "()");

    reader->at += len;
    return reader->fold->item(reader->fold->user, item, len);
}

static bool read_filter(struct reader *reader, unsigned *ret_value);

static bool read_list(struct reader *reader, char sign, unsigned *ret_value)
{
    const struct filter_fold *fold = reader->fold;

    mark(reader, sign);
    reader->at++;
    if (!read_filter(reader, ret_value))
        return false;
    if (sign == '!') {
        *ret_value = fold->negate(*ret_value);
        return true;
    }
    for (skip_blanks(reader); *reader->at == '('; skip_blanks(reader)) {
        unsigned other;

        if (!read_filter(reader, &other))
            return false;
        *ret_value = fold->join(sign, *ret_value, other);
    }
    return true;
}

static bool read_filter(struct reader *reader, unsigned *ret_value)
{
    skip_blanks(reader);
    if (*reader->at != '(' || reader->depth == DEPTH_MAX)
        return false;
    reader->depth++;
    reader->at++;
    mark(reader, '(');
    skip_blanks(reader);
    if (*reader->at == '\0' || strchr("&|!", *reader->at) == NULL)
        *ret_value = read_item(reader);
    else if (!read_list(reader, *reader->at, ret_value))
        return false;
    skip_blanks(reader);
    if (*reader->at != ')')
        return false;
    mark(reader, ')');
    reader->at++;
    reader->depth--;
    return true;
}

bool filter_fold(const char *text, const struct filter_fold *fold, unsigned *ret_value)
{
    struct reader reader = {.at = text, .fold = fold};
    bool is_filter = true;

    skip_blanks(&reader);
    if (*reader.at == '(') {
        is_filter = read_filter(&reader, ret_value);
    } else {
        mark(&reader, '(');
        *ret_value = read_item(&reader);
        mark(&reader, ')');
    }
    skip_blanks(&reader);
    return is_filter && *reader.at == '\0';
}

size_t filter_name_len(const char *item)
{
    return strspn(item, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.;");
}
