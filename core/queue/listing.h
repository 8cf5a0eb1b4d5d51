/* SPDX-License-Identifier: ISC */
/*
 * listing: all messages, or those of a site or a domain, one line each, oldest first.
 *
 * However many there are, what is in memory is one page: their records are read from the store
 * together, and no faster than the asker reads. A message that is there all the time is in the
 * listing, once; those that come later are not.
 */
#ifndef QUEUE_LISTING_H
#define QUEUE_LISTING_H

#include "queue/session.h"

/* The command "queue list". [task: waits] */
sluice_status listing_send(struct session *session, json_t *request);

#endif
