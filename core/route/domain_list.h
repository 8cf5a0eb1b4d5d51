/* SPDX-License-Identifier: ISC */
/*
 * domain_list: lists of domains or networks with patterns, as relay_domains and mynetworks are.
 *
 *   domain   that domain, and its sub-domains where parent_domain_matches_subdomains says so
 *   .domain  its sub-domains, where parent_domain_matches_subdomains does not
 *            neither matches any sub-domain in lists of exact names
 *   192.0.2.0/24, [2001:db8::]/32   in lists of networks
 *   type:table   what the table has an entry for, whatever its value is
 *   /file    the patterns in that file, # comments; read when the list is read
 *   !pattern ends the search: not in the list; !/file: none of that file
 *
 * The first pattern that matches decides.
 */
#ifndef ROUTE_DOMAIN_LIST_H
#define ROUTE_DOMAIN_LIST_H

#include "base/error.h"
#include "net/address.h"
#include "route/table_state.h"

#include <stdbool.h>

#define DOMAIN_LIST_FILE_MAX ((size_t)4 * 1024 * 1024)

enum domain_list_kind {
    DOMAIN_LIST_NAMES,
    DOMAIN_LIST_EXACT_NAMES,
    DOMAIN_LIST_NETWORKS,
};

struct domain_pattern;

/* Set kind and with_parents, leave the rest zero. */
struct domain_list {
    enum domain_list_kind kind;
    bool with_parents;     /* a domain matches its sub-domains too */
    const char *parameter; /* whose it is; NULL: none's */
    struct domain_pattern *patterns;
    size_t count;
};

/* Appends one pattern, or those of a file; from where one that cannot be read stands, who is asked for is
 * neither in the list nor not (TEMP). CONFIG or TEMP with a text. [main] */
sluice_status domain_list_add(struct domain_list *list, struct tables *tables, const char *pattern,
                              struct error *err);
/* Why the first file that cannot be read cannot, or NULL. */
const char *domain_list_unreadable(const struct domain_list *list);
/* Whether the pattern is /file or !/file. */
bool domain_list_is_file(const char *pattern);
/* Sets kind and with_parents and reads the list from the parameter, whose name must stay. [main] */
sluice_status domain_list_read(struct domain_list *list, struct tables *tables,
                               const struct config *config, const char *parameter,
                               enum domain_list_kind kind, struct error *err);
/* Whether parent_domain_matches_subdomains names that parameter. */
bool domain_list_parents_match(const struct config *config, const char *parameter);
void domain_list_done(struct domain_list *list);

/* Adds its tables. TEMP: as table_state_add. [task] */
sluice_status domain_list_add_state(const struct domain_list *list, struct table_state *state);
/* OK: it is in the list; NOT_FOUND; TEMP with a text if a table could not be asked.
 * [task: may wait] */
sluice_status domain_list_match(const struct domain_list *list, struct sluice_span domain,
                                int64_t deadline_ms, struct error *err);
/* The same for a list of networks; tables are asked for the numeric address. */
sluice_status domain_list_match_address(const struct domain_list *list,
                                        const struct address *address, int64_t deadline_ms,
                                        struct error *err);

#endif
