/* SPDX-License-Identifier: ISC */
/*
 * domains: the option "domain" of sqlite_table(5) and its sisters. Any thread.
 */
#ifndef SLUICE_TABLE_DOMAINS_H
#define SLUICE_TABLE_DOMAINS_H

#include "sluice/types.h"

#include <stdbool.h>

/* True if the key can be in the table at all: it is not empty and has no NUL, and, unless the list of
 * domains (parted by commas and white space) is empty, it is an address in one of them. */
bool domains_ask_for(const char *domains, struct sluice_span key);

#endif /* SLUICE_TABLE_DOMAINS_H */
