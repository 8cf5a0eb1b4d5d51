/* SPDX-License-Identifier: ISC */
/*
 * etrn_queues: domains that are released together, by a name of their own:
 *
 *   etrn_queues = ( { name = "branches"; domains = [ "berlin.tld", "@bonn.tld" ]; } );
 *
 * The roles get it flat, as the list etrn_queue_domains: "branches:berlin.tld", "branches:@bonn.tld".
 */
#ifndef CONFIG_ETRN_QUEUES_H
#define CONFIG_ETRN_QUEUES_H

#include "config/draft.h"

#define ETRN_QUEUES_NAME "etrn_queues"

/* That list as text. What is wrong goes into the report. */
const char *etrn_queues_text(struct draft *draft);

#endif
