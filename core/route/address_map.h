/* SPDX-License-Identifier: ISC */
/*
 * address_map: tables whose keys are addresses or parts of them, and in which order the parts of an
 * address are asked for:
 *
 *   user+extension@domain, user@domain     always
 *   user+extension, user                   KEY_BARE, where the domain is one of ours
 *   @domain                                KEY_AT_DOMAIN
 *   domain, and its parents                KEY_DOMAIN
 *   *                                      KEY_STAR
 *   user+extension@, user@                 KEY_USER_AT
 *
 * All tables of a parameter are asked for one form before the next form is tried (spec T-4); tables
 * of patterns are asked for the whole address alone (T-7). What has to stand in quotes is asked for
 * with them first, then without.
 */
#ifndef ROUTE_ADDRESS_MAP_H
#define ROUTE_ADDRESS_MAP_H

#include "route/mailbox.h"
#include "route/table.h"

#define KEY_BARE (1u << 0)
#define KEY_AT_DOMAIN (1u << 1)
#define KEY_DOMAIN (1u << 2)
#define KEY_PLAIN_PARENTS (1u << 3) /* with KEY_DOMAIN: "parent.tld" instead of ".parent.tld" */
#define KEY_STAR (1u << 4)
#define KEY_USER_AT (1u << 5)

struct address_question {
    const struct mailbox *mailbox; /* with a domain */
    const char *delimiters;        /* recipient_delimiter; empty: addresses have no extension */
    bool is_ours;                  /* the domain is: KEY_BARE counts */
    unsigned forms;                /* KEY_... */
    int64_t deadline_ms;
};

/*
 * Adds the value of the first form that a table has to value. *ret_extension, where somebody wants
 * it: the extension, with its delimiter, that the key was without; it points into the mailbox. OK,
 * NOT_FOUND, or TEMP with a text. [task: may wait]
 */
sluice_status address_map_find(const struct table_list *maps,
                               const struct address_question *question, struct buffer *value,
                               struct sluice_span *ret_extension, struct error *err);

#endif
