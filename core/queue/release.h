/* SPDX-License-Identifier: ISC */
/*
 * release: letting deferred mail go now.
 *
 * A release is a pass over what waits at that moment: mail that comes later is held again, mail that
 * is in flight or on hold is not touched. It takes the recipients of the released domain and no others, and
 * what it lets go ignores the suspension of its site once. A pass that a stranger asks for too early
 * is postponed and merged with others for the same domain, never dropped. Nothing of this survives
 * a restart.
 */
#ifndef QUEUE_RELEASE_H
#define QUEUE_RELEASE_H

#include "queue/schedule.h"

/* All return the count of messages that the pass took. */
uint64_t release_all(struct schedule *schedule, int64_t now_ms);
uint64_t release_site(struct schedule *schedule, struct site *site, int64_t now_ms);
/* All sites of a transport. */
uint64_t release_transport(struct schedule *schedule, struct sluice_span transport, int64_t now_ms);
uint64_t release_message(struct schedule *schedule, struct queue_message *message, int64_t now_ms);
/* name: in any case; with_subdomains: and all below it, if it has at most DOMAIN_LABELS_MAX. */
uint64_t release_domain(struct schedule *schedule, struct sluice_span name, bool with_subdomains,
                        int64_t now_ms);

/*
 * The same for somebody who may ask once in interval_ms for each domain (0: always). Returns the
 * count of messages that go now or, when *ret_is_postponed, once the interval is over; then a
 * message for several sub-domains counts for each.
 */
uint64_t release_domain_paced(struct schedule *schedule, struct sluice_span name,
                              bool with_subdomains, int64_t interval_ms, int64_t now_ms,
                              bool *ret_is_postponed);
/* Runs the postponed passes whose interval is over, and forgets the others; call it about once a
 * second. */
void release_postponed(struct schedule *schedule, int64_t interval_ms, int64_t now_ms);

#endif
