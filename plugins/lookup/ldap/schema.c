/* SPDX-License-Identifier: ISC */
/* schema: see schema.h. */
#include "schema.h"

#include "filter.h"

#include <ldap_schema.h>
#include <string.h>
#include <strings.h>

/* ---- what a filter names ---------------------------------------------------------------------- */

static bool is_text(const char *text, size_t len, const char *want)
{
    return strlen(want) == len && strncasecmp(text, want, len) == 0;
}

static bool is_name_of(const struct schema_name *name, const char *text)
{
    return text != NULL && is_text(name->text, name->len, text);
}

/* The class that "objectClass=x" asks for, if it is written as it is. */
static bool read_class(const char *text, size_t len, size_t name_len, struct schema_name *ret_name)
{
    const char *value = text + name_len + 1;
    size_t value_len = len - name_len - 1;

    if (!is_text(text, name_len, "objectClass") && !is_text(text, name_len, "2.5.4.0"))
        return false;
    if (text[name_len] != '=' || value_len == 0 || filter_name_len(value) < value_len)
        return false;
    *ret_name = (struct schema_name){.text = value, .len = value_len, .is_class = true};
    return true;
}

/* What an item asks the schema for; false: nothing that we understand. */
static bool read_name(const char *text, size_t len, struct schema_name *ret_name)
{
    size_t name_len = filter_name_len(text);

    if (name_len == 0 || name_len == len || strchr("=~<>:", text[name_len]) == NULL)
        return false;
    if (read_class(text, len, name_len, ret_name))
        return true;
    *ret_name = (struct schema_name){.text = text, .len = strcspn(text, ";=~<>:")}; /* no options */
    return true;
}

static void add_name(struct schema *schema, const struct schema_name *name)
{
    if (schema->count < SCHEMA_NAMES_MAX)
        schema->names[schema->count++] = *name;
}

/* ---- values of a filter: what it can be -------------------------------------------------------- */

#define CAN_BE_TRUE 1u
#define CAN_BE_FALSE 2u
#define CAN_BE_ANY (CAN_BE_TRUE | CAN_BE_FALSE)

static unsigned collect(void *user, const char *text, size_t len)
{
    struct schema_name name;

    if (read_name(text, len, &name))
        add_name(user, &name);
    return CAN_BE_ANY;
}

/* A class that is not known is neither true nor false of an entry as well (RFC 4517 section 4.2.26). */
static unsigned judge_item(void *user, const char *text, size_t len)
{
    const struct schema *schema = user;

    (void)len;
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_name *name = &schema->names[i];

        if (!name->is_known && name->text >= text && name->text < text + len)
            return 0;
    }
    return CAN_BE_ANY;
}

/* RFC 4511 section 4.5.1.7: "and" is false where one is, "or" true where one is, whatever the others are. */
static unsigned join(char sign, unsigned one, unsigned other)
{
    unsigned either = one | other;
    unsigned both = one & other;

    return sign == '&' ? (either & CAN_BE_FALSE) | (both & CAN_BE_TRUE)
                       : (either & CAN_BE_TRUE) | (both & CAN_BE_FALSE);
}

static unsigned negate(unsigned value)
{
    return ((value & CAN_BE_TRUE) != 0 ? CAN_BE_FALSE : 0u) |
           ((value & CAN_BE_FALSE) != 0 ? CAN_BE_TRUE : 0u);
}

void schema_init(struct schema *schema, const char *filter)
{
    const struct filter_fold fold = {
        .item = collect, .join = join, .negate = negate, .user = schema};
    unsigned value;

    *schema = (struct schema){.filter = filter};
    if (!filter_fold(filter, &fold, &value))
        schema->count = 0;
}

/* ---- what a schema has ------------------------------------------------------------------------- */

static void know(struct schema *schema, bool is_class, const char *oid, char *const *names)
{
    for (size_t i = 0; i < schema->count; i++) {
        struct schema_name *name = &schema->names[i];

        if (name->is_class != is_class)
            continue;
        if (is_name_of(name, oid))
            name->is_known = true;
        for (char *const *at = names; at != NULL && *at != NULL; at++) {
            if (is_name_of(name, *at))
                name->is_known = true;
        }
    }
}

static bool know_attribute(struct schema *schema, const char *definition)
{
    const char *at;
    int code;
    LDAPAttributeType *type = ldap_str2attributetype(definition, &code, &at, LDAP_SCHEMA_ALLOW_ALL);

    if (type == NULL)
        return false;
    know(schema, false, type->at_oid, type->at_names);
    ldap_attributetype_free(type);
    return true;
}

static bool know_class(struct schema *schema, const char *definition)
{
    const char *at;
    int code;
    LDAPObjectClass *class = ldap_str2objectclass(definition, &code, &at, LDAP_SCHEMA_ALLOW_ALL);

    if (class == NULL)
        return false;
    know(schema, true, class->oc_oid, class->oc_names);
    ldap_objectclass_free(class);
    return true;
}

/* False: there is something that we do not understand. */
static bool know_all(struct schema *schema, const struct answer_entry *entry, const char *name,
                     bool (*know_one)(struct schema *schema, const char *definition))
{
    const struct answer_attribute *attribute = answer_attribute(entry, name);

    if (attribute == NULL || attribute->values[0] == NULL)
        return false;
    for (struct berval **value = attribute->values; *value != NULL; value++) {
        if (!know_one(schema, (*value)->bv_val))
            return false;
    }
    return true;
}

enum schema_verdict schema_judge(struct schema *schema, const struct answer_entry *entry,
                                 const struct schema_name **ret_missing)
{
    const struct filter_fold fold = {
        .item = judge_item, .join = join, .negate = negate, .user = schema};
    unsigned value;

    *ret_missing = NULL;
    for (size_t i = 0; i < schema->count; i++)
        schema->names[i].is_known = false;
    if (!know_all(schema, entry, "attributeTypes", know_attribute) ||
        !know_all(schema, entry, "objectClasses", know_class))
        return SCHEMA_FINE;
    for (size_t i = schema->count; i-- > 0;) {
        if (!schema->names[i].is_known)
            *ret_missing = &schema->names[i];
    }
    if (*ret_missing == NULL || !filter_fold(schema->filter, &fold, &value))
        return SCHEMA_FINE;
    return (value & CAN_BE_TRUE) != 0 ? SCHEMA_PARTLY : SCHEMA_NEVER;
}
