/* SPDX-License-Identifier: ISC */
/* filter: which answers of a block list count: "127.0.0.2", "127.0.[0..3].[2;4..11]". */
#include "basic.h"

#include <stdlib.h>

/* A number of up to three digits, not above 255; -1: it is none. */
static int take_number(const char **at)
{
    size_t digits = strspn(*at, "0123456789");
    long number = strtol(*at, NULL, 10);

    if (digits < 1 || digits > 3 || number > 255)
        return -1;
    *at += digits;
    return (int)number;
}

/* "4" or "4..11" */
static int match_range(const char **at, int number)
{
    int low = take_number(at);
    int high = low;

    if (low >= 0 && strncmp(*at, "..", 2) == 0) {
        *at += 2;
        high = take_number(at);
    }
    if (low < 0 || high < low)
        return -1;
    return number >= low && number <= high ? 1 : 0;
}

/* A number, or ranges in brackets. */
static int match_part(const char **at, int number)
{
    int result = 0;

    if (**at != '[') {
        int wanted = take_number(at);
        return wanted < 0 ? -1 : wanted == number;
    }
    do {
        (*at)++;
        int match = match_range(at, number);
        if (match < 0)
            return match;
        result |= match;
    } while (**at == ';');
    if (**at != ']')
        return -1;
    (*at)++;
    return result;
}

int filter_match(const char *pattern, const char *address)
{
    int result = 1;

    for (int part = 0; part < 4; part++) {
        int number = take_number(&address);
        int match = match_part(&pattern, number);
        char end = part < 3 ? '.' : '\0';

        if (match < 0 || *pattern != end)
            return -1;
        if (number < 0 || *address != end || match == 0)
            result = 0;
        pattern += end != '\0';
        address += *address != '\0';
    }
    return result;
}
