/* SPDX-License-Identifier: 0BSD */
/*
 * sluice/nexthop.h: which hosts serve this next hop, in which order?
 *
 * The host asks the plugins of the chain (parameter nexthop_chain, by default mx-bypass, mx) one
 * after the other until one gives another answer than NOT_FOUND ("not mine"). With the default
 * chain, "[mail.customer.tld]:2525" is answered by mx-bypass and "customer.tld" by mx.
 *
 * A call sequence
 *   resolve("customer.tld")    sink->host("mx1.customer.tld", "192.0.2.1", 0), ..., OK
 *   resolve("nosuch.tld")      errors->explain("5.4.4", "..."), PERM
 *   resolve("[192.0.2.7]")     NOT_FOUND: somebody else's
 *
 * Changes: 1.0 first version. 1.3 sluice_nexthop_host.is_backup, sluice_nexthop_sink.port and .last.
 */
#ifndef SLUICE_NEXTHOP_H
#define SLUICE_NEXTHOP_H

#include "sluice/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_NEXTHOP_ID "sluice.nexthop/1"

struct sluice_nexthop; /* the plugin's own: one link of the chain */

struct sluice_nexthop_host {
    uint32_t struct_size;
    uint32_t port;              /* 0: the transport's default */
    struct sluice_span name;    /* host name, or the address where there is none */
    struct sluice_span address; /* numeric, or the absolute path of a local socket */
    int32_t is_backup;          /* the destination has better hosts, reachable or not; since 1.3 */
    int32_t reserved;
};

struct sluice_nexthop_sink {
    uint32_t struct_size;
    uint32_t port; /* where the destination names none: the transport's. 0: not known; since 1.3 */
    /* The next host to try; copied. */
    void (*host)(const struct sluice_nexthop_sink *sink, const struct sluice_nexthop_host *host);
    /*
     * Since 1.3. Nobody but this destination's hosts may be tried, neither what follows in a list of
     * next hops nor a fallback relay: this machine is one of its mail exchangers, so that the mail
     * would come back, or it takes no mail at all. With any status.
     */
    void (*last)(const struct sluice_nexthop_sink *sink);
};

struct sluice_nexthop_ops {
    uint32_t struct_size;
    uint32_t flags; /* 0 */

    /* Required. *ret_nexthop only on OK. [main] */
    sluice_status (*open)(const struct sluice_host *host, const struct sluice_config *config,
                          const struct sluice_errors *errors, struct sluice_nexthop **ret_nexthop);
    /* Required. Accepts NULL. [main] */
    void (*close)(struct sluice_nexthop *nexthop);
    /*
     * Required. OK after at least one host; NOT_FOUND: not mine; TEMP or PERM with a text: the
     * destination cannot be resolved now, or never will be. [call]
     */
    sluice_status (*resolve)(struct sluice_nexthop *nexthop, struct sluice_span destination,
                             int64_t deadline_ms, const struct sluice_nexthop_sink *sink,
                             const struct sluice_errors *errors);
};

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_NEXTHOP_H */
