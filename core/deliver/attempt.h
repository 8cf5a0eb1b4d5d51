/* SPDX-License-Identifier: ISC */
/*
 * attempt: one try to deliver a job: its transport, the destinations of its next hop in order, the
 * hosts of each, a kept or a new connection to each, until every recipient is settled or there is
 * nothing left to try. The transport's fallback relays are further destinations.
 */
#ifndef DELIVER_ATTEMPT_H
#define DELIVER_ATTEMPT_H

#include "deliver/cache.h"
#include "deliver/hosts.h"
#include "deliver/job.h"
#include "deliver/transport.h"

/* What attempts share in a process. */
struct attempt_means {
    struct nexthop_chain *chain;
    struct cache *cache;
    unsigned session_limit; /* smtp_mx_session_limit, for each destination; 0: none */
    const char *relayhost;  /* empty: none */
    const char *best_mx_transport; /* the same */
};

/* Fills in the job's outcomes, site and times. transport NULL: no such transport. [task: waits] */
void attempt_job(const struct attempt_means *means, struct transport *transport, struct job *job);
/*
 * For `sluice explain` (task/explain.h): the same without connections. A step "nexthop" for each
 * destination has the hosts that would be tried, as if each of them failed; a step "outcome" says what
 * becomes of a recipient whom none of them takes. A transport that finds its own way is asked if it can
 * verify: the job's envelope must say so. [task: waits]
 */
void attempt_explain(const struct attempt_means *means, struct transport *transport,
                     struct job *job);

#endif
