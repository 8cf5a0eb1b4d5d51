/* SPDX-License-Identifier: ISC */
/*
 * resolver: what mx and mx-bypass have in common: the addresses of a host, our own addresses, and
 * how an answer is given.
 *
 * Order: init -> resolve_host or (lookup -> answer) -> done. Tasks of one process share it; nothing
 * in it is held across a wait.
 */
#ifndef MX_RESOLVER_H
#define MX_RESOLVER_H

#include "addresses.h"
#include "destination.h"

#include "sluice/nexthop.h"

#define RESOLVER_SMTP_PORT 25
#define RESOLVER_REASON_MAX 80 /* "Host not found" */

/* The options that resolver_init reads; rows of the option tables of its users. */
/* clang-format off */
#define RESOLVER_OPTIONS                                                                           \
    {"own_addresses", SLUICE_OPT_LIST, SLUICE_OPT_GLOBAL, "", NULL,                                \
     "Numeric addresses that this machine receives mail on; the daemon fills it in"},              \
    {"proxy_interfaces", SLUICE_OPT_LIST, SLUICE_OPT_GLOBAL, "", NULL,                             \
     "Numeric addresses that others reach this machine by (NAT, proxy)"},                          \
    {"inet_protocols", SLUICE_OPT_LIST, SLUICE_OPT_GLOBAL, "all", NULL,                            \
     "Protocols that mail is sent by: all, ipv4, ipv6"},                                           \
    {"smtp_address_preference", SLUICE_OPT_ENUM, SLUICE_OPT_GLOBAL, "any", "any|ipv4|ipv6",        \
     "Which of the addresses of hosts of the same preference come first"},                         \
    {"smtp_randomize_addresses", SLUICE_OPT_BOOLEAN, SLUICE_OPT_GLOBAL, "true", NULL,              \
     "Random order of hosts of the same preference"},                                              \
    {"smtp_mx_address_limit", SLUICE_OPT_INTEGER, SLUICE_OPT_GLOBAL, "5", "0..100",                \
     "Addresses tried for a destination; 0: all"},                                                 \
    {"known_tcp_ports", SLUICE_OPT_LIST, SLUICE_OPT_GLOBAL,                                        \
     "lmtp=24, smtp=25, smtps=submissions=465, submission=587", NULL,                              \
     "Names of ports in next hops; those of /etc/services follow"}
/* clang-format on */

struct resolver {
    const struct sluice_host *host;
    const struct sluice_dns *dns;
    struct address *own;
    size_t own_count;
    struct services services;
    size_t address_limit;
    int uses_v4, uses_v6;
    int prefers_v4, prefers_v6;
    int is_random;
    uint64_t random;
};

/* done() is due whatever it returns. */
sluice_status resolver_init(struct resolver *resolver, const struct sluice_host *host,
                            const struct sluice_config *config, const struct sluice_errors *errors);
void resolver_done(struct resolver *resolver);

/* One DNS query. reason: why NOT_FOUND; the texts of other failures go nowhere, ours are below.
 * [task: waits] */
sluice_status resolver_query(const struct resolver *resolver, struct sluice_span name,
                             uint32_t type, int64_t deadline_ms, const struct sluice_dns_sink *sink,
                             char reason[RESOLVER_REASON_MAX]);

/*
 * The host's A and AAAA records at the end of list; a numeric name stands for itself. OK if there is
 * at least one address, NOT_FOUND if there is none, with the reason, TEMP if nobody knows.
 * [task: waits]
 */
sluice_status resolver_lookup(struct resolver *resolver, struct sluice_span name,
                              int64_t deadline_ms, struct address_list *list,
                              char reason[RESOLVER_REASON_MAX]);

/* Where the destination is talked to: the port that it names, or the transport's; 25 if not known. */
uint32_t resolver_port(const struct destination *destination,
                       const struct sluice_nexthop_sink *sink);

/* 1 if one of ours is in list from first on, and port is where we would talk to ourselves. */
int resolver_finds_self(const struct resolver *resolver, const struct address_list *list,
                        size_t first, uint32_t port);

/* Tells the host that nobody else may be tried. */
void resolver_last(const struct sluice_nexthop_sink *sink);

/* Puts those from first on into the order wanted. */
void resolver_mix(struct resolver *resolver, struct address_list *list, size_t first);

/* Hands the list to the sink, cut to the limit: OK. */
sluice_status resolver_answer(const struct resolver *resolver, struct address_list *list,
                              uint32_t port, const struct sluice_nexthop_sink *sink);

/* All of it for a destination that is one host, without MX. [task: waits] */
sluice_status resolver_resolve_host(struct resolver *resolver,
                                    const struct destination *destination, int64_t deadline_ms,
                                    const struct sluice_nexthop_sink *sink,
                                    const struct sluice_errors *errors);

/* ---- refusals: each explains and returns the status ------------------------------------------- */

sluice_status resolver_malformed(struct sluice_span text, const struct sluice_errors *errors);
sluice_status resolver_loops(const char *name, const struct sluice_errors *errors);
/* The DNS has no address of that name, because of reason: PERM, or TEMP as the configuration wants. */
sluice_status resolver_not_found(const struct resolver *resolver, sluice_status status,
                                 const char *name, const char *reason,
                                 const struct sluice_errors *errors);
/* Nobody knows the addresses of that name, or its MX records: TEMP. */
sluice_status resolver_unsure(const struct resolver *resolver, const char *name,
                              const struct sluice_errors *errors);
sluice_status resolver_unsure_of_mx(const char *name, const struct sluice_errors *errors);
sluice_status resolver_out_of_memory(const struct sluice_errors *errors);

#endif /* MX_RESOLVER_H */
