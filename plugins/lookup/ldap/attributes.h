/* SPDX-License-Identifier: ISC */
/*
 * attributes: the names of a table's four lists of attributes, in one list that a search asks for. Any
 * thread.
 */
#ifndef SLUICE_PLUGIN_LDAP_ATTRIBUTES_H
#define SLUICE_PLUGIN_LDAP_ATTRIBUTES_H

#include "answer.h"
#include "settings.h"

#define ATTRIBUTES_MAX 64

enum attribute_kind {
    ATTRIBUTE_TERMINAL,
    ATTRIBUTE_LEAF,
    ATTRIBUTE_PLAIN,
    ATTRIBUTE_SPECIAL,
    ATTRIBUTE_KINDS,
    ATTRIBUTE_OTHER = ATTRIBUTE_KINDS, /* in none of the lists */
};

struct attributes {
    char *text[ATTRIBUTE_KINDS];     /* cut into names */
    char *names[ATTRIBUTES_MAX + 1]; /* in the order of the kinds; ends with NULL */
    size_t end[ATTRIBUTE_KINDS];     /* of each kind in names */
};

/* CONFIG: there are too many. TEMP: no memory. */
sluice_status attributes_read(struct attributes *attributes, const struct settings *settings);
void attributes_done(struct attributes *attributes);
enum attribute_kind attributes_kind(const struct attributes *attributes, const char *name);
/* True if the entry has an attribute of that kind. */
bool attributes_have(const struct attributes *attributes, enum attribute_kind kind,
                     const struct answer_entry *entry);

#endif /* SLUICE_PLUGIN_LDAP_ATTRIBUTES_H */
