/* SPDX-License-Identifier: ISC */
/*
 * address_list: the addresses in a text as people and programs write them (RFC 5322 3.4): lists with
 * commas, names before the address in angle brackets, comments, quoted names, groups, source routes.
 *
 * Each address comes out in the form in which it goes into SMTP, quoted where it must be, and once,
 * whatever the case of its letters. What is no address comes out too, as far as it fits between angle
 * brackets: who asked for it is told so by a report (spec C-6).
 */
#ifndef CMD_ADDRESS_LIST_H
#define CMD_ADDRESS_LIST_H

#include "base/error.h"

#include <stdbool.h>

struct address_seen;

/* Zero it to initialise. */
struct address_list {
    char **items;
    size_t count;
    struct address_seen *seen;
};

/* Adds those in text, which has no NUL. TEMP: no memory. */
sluice_status address_list_add(struct address_list *list, struct sluice_span text);
void address_list_done(struct address_list *list);

#endif
