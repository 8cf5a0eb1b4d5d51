/* SPDX-License-Identifier: ISC */
/*
 * sync_plan: what of a directory a table keeps in step, and which attributes of an entry are keys of the
 * table. Unless the settings say it, both come from the filter of its searches: "(&(active=yes)(mail=%s))"
 * asks for the entries of "(&(active=yes)(mail=*))", and each value of mail is a key; with "(dc=%d)" it is one
 * for all addresses of that domain. Any thread.
 */
#ifndef SLUICE_PLUGIN_LDAP_SYNC_PLAN_H
#define SLUICE_PLUGIN_LDAP_SYNC_PLAN_H

#include "attributes.h"
#include "settings.h"

struct sync_plan {
    char *base;
    char *filter;
    char part[3];    /* of what is looked up that is compared with them: "%s", "%u" or "%d" */
    char *keys_text; /* cut into names */
    char *keys[ATTRIBUTES_MAX + 1];
    char
        *attributes[2 * ATTRIBUTES_MAX + 1]; /* that are asked for: keys, and what has the values */
};

/* CONFIG with a text: such a table cannot be kept in step. TEMP: no memory. The attributes must outlive
 * the plan. */
sluice_status sync_plan_read(struct sync_plan *plan, const struct settings *settings,
                             const struct attributes *attributes,
                             const struct sluice_errors *errors);
void sync_plan_done(struct sync_plan *plan);

#endif /* SLUICE_PLUGIN_LDAP_SYNC_PLAN_H */
