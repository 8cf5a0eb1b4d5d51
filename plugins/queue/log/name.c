/* SPDX-License-Identifier: ISC */
/* name: the names of the numbered files of a log store. */
#include "name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIGITS 8

static const char *const suffixes[NAME_KINDS] = {
    [NAME_SEGMENT] = "seg", [NAME_CHECKPOINT] = "chk", [NAME_SPARE] = "spare"};

void name_format(char name[NAME_SIZE], enum name_kind kind, uint32_t number)
{
    (void)snprintf(name, NAME_SIZE, "%08x.%s", number, suffixes[kind]);
}

bool name_parse(const char *name, enum name_kind *ret_kind, uint32_t *ret_number)
{
    uint32_t number;

    if (strspn(name, "0123456789abcdef") != DIGITS || name[DIGITS] != '.')
        return false;
    number = (uint32_t)strtoul(name, NULL, 16);
    for (int kind = 0; kind < NAME_KINDS; kind++) {
        if (number != 0 && strcmp(name + DIGITS + 1, suffixes[kind]) == 0) {
            *ret_kind = (enum name_kind)kind;
            *ret_number = number;
            return true;
        }
    }
    return false;
}

bool name_unlink(int folder, enum name_kind kind, uint32_t number)
{
    char name[NAME_SIZE];

    name_format(name, kind, number);
    return unlinkat(folder, name, 0) == 0 || errno == ENOENT;
}
