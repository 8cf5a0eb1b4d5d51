/* SPDX-License-Identifier: ISC */
/*
 * schema: whether a filter can be true of any entry of a server's, by the server's schema (RFC 4512
 * section 4). An item with an attribute that is not in there is neither true nor false (RFC 4511
 * section 4.5.1.7): whatever is searched for by it, nothing is found, and the server says success.
 *
 * Order: schema_init -> schema_judge*. Any thread.
 */
#ifndef SLUICE_PLUGIN_LDAP_SCHEMA_H
#define SLUICE_PLUGIN_LDAP_SCHEMA_H

#include "answer.h"

#define SCHEMA_NAMES_MAX 64

/* What a filter wants the schema to have. */
struct schema_name {
    const char *text;
    size_t len;
    bool is_class;
    bool is_known;
};

struct schema {
    const char *filter;
    struct schema_name names[SCHEMA_NAMES_MAX];
    size_t count; /* 0: nothing that could be missed */
};

enum schema_verdict {
    SCHEMA_FINE,   /* or not to be told */
    SCHEMA_PARTLY, /* a name is not known, and the filter can be true without it */
    SCHEMA_NEVER,  /* it cannot be true */
};

/* The filter, with "%s" and the like still in it, must outlive the schema. */
void schema_init(struct schema *schema, const char *filter);

/* The entry has attributeTypes and objectClasses. ret_missing: the first name that is not known; NULL: all
 * are. */
enum schema_verdict schema_judge(struct schema *schema, const struct answer_entry *entry,
                                 const struct schema_name **ret_missing);

#endif /* SLUICE_PLUGIN_LDAP_SCHEMA_H */
