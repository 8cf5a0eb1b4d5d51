/* SPDX-License-Identifier: ISC */
/*
 * domain: what waits, by recipient domain, so that a release costs what it releases.
 *
 * Domains hang below their parents, so that a release with sub-domains walks those that have mail
 * and nothing else. To bound what a long name costs, a domain of more than DOMAIN_LABELS_MAX labels
 * hangs below its last DOMAIN_LABELS_MAX labels at once, and has nothing below itself. A domain is
 * there as long as it has units or children.
 */
#ifndef QUEUE_DOMAIN_H
#define QUEUE_DOMAIN_H

#include "base/hash.h"
#include "queue/message.h"

#define DOMAIN_LABELS_MAX 8
#define DOMAIN_NAME_SIZE 256 /* RFC 1035: 255 octets; what is longer is cut */

enum domain_pass { /* a release that has to wait for its interval */
                   PASS_NONE,
                   PASS_DOMAIN,
                   PASS_SUBDOMAINS,
};

struct domain {
    struct domain *parent;
    struct domain *children;
    struct domain *prev; /* among its parent's children */
    struct domain *next;
    struct unit *units;     /* those that wait: held, waiting, ready */
    const struct site *routed_site; /* where its mail goes, as found in that walk (resolve.h) */
    uint32_t routed_walk;
    size_t unit_count;      /* in all states */
    uint64_t message_count; /* messages with units that wait here */
    int64_t last_pass_ms;   /* monotonic; 0: none that is remembered */
    enum domain_pass postponed;
    struct domain *pass_prev; /* among those with a pass, the earliest first */
    struct domain *pass_next;
    UT_hash_handle hh;
    size_t name_len;
    char name[]; /* lower case */
};

struct domains {
    struct domain *table;
    struct domain *passed;
};

/* The domain of an address, in lower case, into out; empty for an address without one. */
struct sluice_span domain_of(struct sluice_span address, char out[DOMAIN_NAME_SIZE]);
/* A name as domain_of gives it. */
struct sluice_span domain_fold(struct sluice_span name, char out[DOMAIN_NAME_SIZE]);

/* name: as from domain_of. NULL if there is none. */
struct domain *domain_find(const struct domains *domains, struct sluice_span name);
/* Finds or makes it, and counts one more unit. NULL: no memory. */
struct domain *domain_add_unit(struct domains *domains, struct sluice_span name);
/* The domain may be gone afterwards. */
void domain_remove_unit(struct domains *domains, struct domain *domain);

/* The unit begins or ceases to wait for a release or for its turn. */
void domain_wait(struct unit *unit);
void domain_unwait(struct unit *unit);

/* The one after domain in a walk through root and all below it; NULL: that was all. */
struct domain *domain_next(const struct domain *root, const struct domain *domain);

/* A release has passed over the domain. */
void domain_passed(struct domains *domains, struct domain *domain, int64_t now_ms);
/* The same for one that another process has seen, in the order of their times; name: as from
 * domain_of. False: no memory. */
bool domain_set_pass(struct domains *domains, struct sluice_span name, int64_t last_pass_ms,
                     enum domain_pass postponed);
/* Forgets that, and a release that is postponed; the domain may be gone afterwards. */
void domain_forget_pass(struct domains *domains, struct domain *domain);

#endif
