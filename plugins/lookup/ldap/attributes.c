/* SPDX-License-Identifier: ISC */
/* attributes: see attributes.h. */
#include "attributes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SEPARATORS ", \t\r\n"

static sluice_status add(struct attributes *attributes, enum attribute_kind kind, const char *text,
                         size_t *count)
{
    char *rest = NULL;

    attributes->text[kind] = strdup(text);
    if (attributes->text[kind] == NULL)
        return SLUICE_TEMP;
    for (char *name = strtok_r(attributes->text[kind], SEPARATORS, &rest); name != NULL;
         name = strtok_r(NULL, SEPARATORS, &rest)) {
        if (*count == ATTRIBUTES_MAX)
            return SLUICE_CONFIG;
        attributes->names[(*count)++] = name;
    }
    attributes->end[kind] = *count;
    return SLUICE_OK;
}

sluice_status attributes_read(struct attributes *attributes, const struct settings *settings)
{
    static const enum setting settings_of[ATTRIBUTE_KINDS] = {
        [ATTRIBUTE_TERMINAL] = TERMINAL_RESULT_ATTRIBUTE,
        [ATTRIBUTE_LEAF] = LEAF_RESULT_ATTRIBUTE,
        [ATTRIBUTE_PLAIN] = RESULT_ATTRIBUTE,
        [ATTRIBUTE_SPECIAL] = SPECIAL_RESULT_ATTRIBUTE,
    };
    size_t count = 0;
    sluice_status st = SLUICE_OK;

    *attributes = (struct attributes){0};
    for (enum attribute_kind kind = 0; kind < ATTRIBUTE_KINDS && st == SLUICE_OK; kind++)
        st = add(attributes, kind, settings->text[settings_of[kind]], &count);
    if (st != SLUICE_OK)
        attributes_done(attributes);
    return st;
}

void attributes_done(struct attributes *attributes)
{
    for (size_t i = 0; i < ATTRIBUTE_KINDS; i++)
        free(attributes->text[i]);
    *attributes = (struct attributes){0};
}

enum attribute_kind attributes_kind(const struct attributes *attributes, const char *name)
{
    size_t i = 0;

    for (enum attribute_kind kind = 0; kind < ATTRIBUTE_KINDS; kind++) {
        for (; i < attributes->end[kind]; i++) {
            if (strcasecmp(attributes->names[i], name) == 0)
                return kind;
        }
    }
    return ATTRIBUTE_OTHER;
}

bool attributes_have(const struct attributes *attributes, enum attribute_kind kind,
                     const struct answer_entry *entry)
{
    for (size_t i = kind > 0 ? attributes->end[kind - 1] : 0; i < attributes->end[kind]; i++) {
        if (answer_attribute(entry, attributes->names[i]) != NULL)
            return true;
    }
    return false;
}
