/* SPDX-License-Identifier: ISC */
/*
 * filter: what the filter of a table's searches is made of (RFC 4515), with "%s" and the like still in it.
 * Any thread.
 */
#ifndef SLUICE_PLUGIN_LDAP_FILTER_H
#define SLUICE_PLUGIN_LDAP_FILTER_H

#include <stdbool.h>
#include <stddef.h>

/* What somebody makes of a filter: a value of each item, and of them one of the whole. */
struct filter_fold {
    unsigned (*item)(void *user, const char *text, size_t len);  /* as "mail=%s" */
    unsigned (*join)(char sign, unsigned value, unsigned other); /* '&' or '|' */
    unsigned (*negate)(unsigned value);
    void (*mark)(void *user, char mark); /* a bracket or operator, in its place; or NULL */
    void *user;
};

/* One without brackets around it is an item (ldap_table(5)). False: it is no filter, or is too deep. */
bool filter_fold(const char *text, const struct filter_fold *fold, unsigned *ret_value);

/* The length of an item's attribute, with its options; 0: it does not begin with one. */
size_t filter_name_len(const char *item);

#endif /* SLUICE_PLUGIN_LDAP_FILTER_H */
