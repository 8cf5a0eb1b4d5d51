/* SPDX-License-Identifier: ISC */
/*
 * dns: names to addresses and mail exchangers, through libunbound, on tasks.
 *
 * Order: dns_init once in a process that resolves; dns_query from tasks; dns_done at the end.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "base/error.h"
#include "net/address.h"
#include "sluice/host.h"

/* servers: "127.0.0.1@5353" or "127.0.0.1"; count 0: the system's. CONFIG with a text. */
sluice_status dns_init(const char *const *servers, size_t count, struct error *err);
void dns_done(void);
/* As sluice_dns.query. [task: waits] */
sluice_status dns_query(struct sluice_span name, uint32_t type, int64_t deadline_ms,
                        const struct sluice_dns_sink *sink, struct error *err);
/* Where the names of an address are (PTR). */
#define DNS_REVERSE_NAME_SIZE 80
void dns_reverse_name(const struct address *address, char name[DNS_REVERSE_NAME_SIZE]);
/* From now on answers are asked afresh: a new context, at most one a second (within that second
 * the present one is already fresh). Running queries end on the old one. */
void dns_refresh(void);

#endif
