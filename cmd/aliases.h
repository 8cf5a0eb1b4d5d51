/* SPDX-License-Identifier: ISC */
/*
 * aliases: newaliases, sendmail -bi and -I: rebuilds the tables that alias_database names.
 */
#ifndef CMD_ALIASES_H
#define CMD_ALIASES_H

#include "mailq.h"

/* Becomes postalias; returns the exit code where there is nothing to do or that fails. */
int aliases_rebuild(const struct mailq *mailq);

#endif
