/* SPDX-License-Identifier: ISC */
/*
 * net_host: the test host with a network: sluice.io/1 over plain sockets, where waiting blocks, a
 * sluice.dns/1 that answers from a table, a sluice.offload/1 that calls at once, and a clock that runs fast, so that a time-out of seconds
 * is over in a fraction of one.
 */
#ifndef TESTS_CONTRACT_NET_HOST_H
#define TESTS_CONTRACT_NET_HOST_H

#include "host.h"

#define NET_HOST_SPEED 20 /* milliseconds of the host's clock in a real one */
#define NET_HOST_QUERIES_MAX 8192

/* What the DNS answers; a name that is in no row of its type does not exist. */
struct net_zone {
    const char *name;   /* NULL ends a table */
    const char *type;   /* "A", "AAAA", "MX" */
    const char *answer; /* "192.0.2.1 192.0.2.2", "10:mx1.d.test 20:", "SERVFAIL" */
};

struct net_host {
    struct test_host test; /* its sdk is what the plugin gets */
    const void *(*get_other_service)(const struct sluice_host *host, const char *id);
    const struct net_zone *zone;
    char queries[NET_HOST_QUERIES_MAX]; /* "MX d.test\n" for each query */
};

/* zone: NULL for none. */
void net_host_init(struct net_host *net, const char *instance, const struct net_zone *zone);

/* The host's clock: for deadlines. */
int64_t net_now_ms(void);

#endif /* TESTS_CONTRACT_NET_HOST_H */
