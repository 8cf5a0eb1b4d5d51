/* SPDX-License-Identifier: 0BSD */
/*
 * sluice/transport.h: take this message to that host.
 *
 * The division of work. The host (the deliver role) asks the nexthop chain which hosts serve the
 * destination, walks them in order, keeps connections for the next job, and decides with the queue
 * what happens to each recipient. The transport speaks the protocol with one host at a time.
 *
 * A call sequence for one job, two recipients, two hosts
 *   connect(mx1)                         TEMP "connect to mx1...: Connection refused": next host
 *   connect(mx2)                         OK, a connection
 *   deliver(connection, message, 2)      report(0, OK), report(1, TEMP, "4.2.0", ...);
 *                                        returns SLUICE_FATE_REUSABLE
 *   deliver(connection, next message, …) within connection_cache_time
 *   disconnect(connection)
 * Recipients with OK or PERM are settled. Those with TEMP or without a report go on to the next
 * host while there is one and time remains; after the last, the last report counts, and a recipient
 * that nobody reported is TEMP.
 *
 * A transport without connect() gets connection NULL, is called once for each job, without hosts,
 * and does everything in deliver().
 *
 * Changes: 1.0 first version. 1.1 sluice_report.result: what a peer said itself, and who reports
 * success. 1.2 SLUICE_TRANSPORT_VERIFIES, sluice_message.flags: asking without delivering. 1.3
 * SLUICE_MESSAGE_7BIT: nobody need look for 8-bit bytes; a recipient's original address, a message's
 * next hop and client; sluice_target.is_backup; sluice_transport_ops.fallback;
 * SLUICE_TRANSPORT_HAS_NO_RELAY.
 */
#ifndef SLUICE_TRANSPORT_H
#define SLUICE_TRANSPORT_H

#include "sluice/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_TRANSPORT_ID "sluice.transport/1"

struct sluice_transport;  /* the plugin's own: one configured transport */
struct sluice_connection; /* the plugin's own: one connection to one host */

/* Where connect() shall go. */
struct sluice_target {
    uint32_t struct_size;
    uint32_t port;               /* 0: the transport's own default, if it has no port() */
    struct sluice_span nexthop;  /* as routed: "customer.tld", "[host]:2525" */
    struct sluice_span host;     /* the host's name, for greetings and logs */
    struct sluice_span address;  /* numeric, or the absolute path of a local socket */
    int32_t is_last;             /* no further host follows */
    int32_t is_backup;           /* the destination has better hosts; since 1.3 */
};

/* What deliver() says of the connection. An unknown value counts as FINISHED. */
#define SLUICE_FATE_REUSABLE ((int32_t)1)    /* open and in step: may carry another message */
#define SLUICE_FATE_FINISHED ((int32_t)2)    /* do not use it again */
#define SLUICE_FATE_HOST_FAILED ((int32_t)3) /* broken by the host's fault (lost, timed out): counts
                                                against the site */

/* Body types as in RFC 6152. */
#define SLUICE_BODY_7BIT ((int32_t)0)
#define SLUICE_BODY_8BITMIME ((int32_t)1)

/* RFC 3461 NOTIFY, RET. */
#define SLUICE_NOTIFY_DEFAULT ((uint32_t)0)
#define SLUICE_NOTIFY_NEVER ((uint32_t)1 << 0)
#define SLUICE_NOTIFY_SUCCESS ((uint32_t)1 << 1)
#define SLUICE_NOTIFY_FAILURE ((uint32_t)1 << 2)
#define SLUICE_NOTIFY_DELAY ((uint32_t)1 << 3)
#define SLUICE_RET_DEFAULT ((int32_t)0)
#define SLUICE_RET_FULL ((int32_t)1)
#define SLUICE_RET_HDRS ((int32_t)2)

/* Bits of sluice_message.flags. */
#define SLUICE_MESSAGE_VERIFY ((uint32_t)1 << 0) /* find out whether the recipients would be taken,
                                                    and deliver nothing: OK then means yes. Only to
                                                    who has SLUICE_TRANSPORT_VERIFIES */
#define SLUICE_MESSAGE_7BIT ((uint32_t)1 << 1)   /* no byte of the content is above 127: the host has
                                                    looked. Without it nobody knows. Since 1.3 */

/* One message to deliver; borrowed for the call of deliver(). */
struct sluice_message {
    uint32_t struct_size;
    int32_t body;               /* SLUICE_BODY_...: as announced by the sender */
    struct sluice_span id;      /* queue id, for logs */
    struct sluice_span sender;  /* without angle brackets; empty for the null sender */
    struct sluice_span envid;   /* RFC 3461, as received (xtext); empty: none */
    int32_t ret;                /* SLUICE_RET_... */
    int32_t is_smtputf8;
    int64_t arrival_ms;         /* since 1970 UTC */
    uint64_t size;              /* of the content, in bytes */
    /*
     * Up to size bytes of the content from offset on into buffer. The content is what was stored:
     * lines that end in CRLF, dots not doubled, the last line complete. OK with *ret_len of at
     * least 1 below the message's size, 0 at its end; TEMP if it cannot be read. [call]
     */
    sluice_status (*read)(const struct sluice_message *message, uint64_t offset, void *buffer,
                          size_t size, size_t *ret_len);
    uint32_t flags; /* SLUICE_MESSAGE_...; since 1.2: see sluice_message_has() */
    uint32_t reserved;
    /* Since 1.3: where it goes and where it came from; see sluice_message_has_origin(). */
    struct sluice_span nexthop;        /* as routed */
    struct sluice_span client_address; /* these five may be empty: nobody knows, or it was made here */
    struct sluice_span client_name;
    struct sluice_span client_helo;
    struct sluice_span client_protocol; /* "ESMTP" */
    struct sluice_span login;
};

/* True if the host is not older than nexthop and the members behind it. */
static inline int sluice_message_has_origin(const struct sluice_message *message)
{
    return message->struct_size >=
           offsetof(struct sluice_message, login) + sizeof(message->login);
}

/* True if that bit of flags is set; also right where the host is older than flags. */
static inline int sluice_message_has(const struct sluice_message *message, uint32_t flag)
{
    return message->struct_size >=
               offsetof(struct sluice_message, flags) + sizeof(message->flags) &&
           (message->flags & flag) != 0;
}

/* True if the host wants to know, and nothing delivered. */
static inline int sluice_message_is_verify(const struct sluice_message *message)
{
    return sluice_message_has(message, SLUICE_MESSAGE_VERIFY);
}

/* One recipient; borrowed for the call of deliver(). */
struct sluice_recipient {
    uint32_t struct_size;
    uint32_t notify;              /* SLUICE_NOTIFY_... */
    struct sluice_span address;   /* without angle brackets */
    struct sluice_span orcpt;     /* RFC 3461, as received ("rfc822;a+2Bb@c"); empty: none */
    struct sluice_span original;  /* since 1.3: what address stands for, as the client gave it; see
                                     sluice_recipient_original() */
};

/* As the client gave it: the address itself, unless the host says otherwise. */
static inline struct sluice_span sluice_recipient_original(const struct sluice_recipient *recipient)
{
    int is_known = recipient->struct_size >=
                   offsetof(struct sluice_recipient, original) + sizeof(recipient->original);

    return is_known && recipient->original.len > 0 ? recipient->original : recipient->address;
}

/* More that a result may say; bits of sluice_result.flags. */
#define SLUICE_RESULT_DSN_PASSED ((uint32_t)1 << 0) /* OK: NOTIFY went on to the peer, which now owes
                                                       the sender any report (RFC 3461 5.2.1) */
#define SLUICE_RESULT_FINAL ((uint32_t)1 << 1)      /* OK: it is in the recipient's mailbox, not on
                                                       its way to a further host */

/* A result as report->result takes it. Since 1.1. */
struct sluice_result {
    uint32_t struct_size;
    sluice_status status;
    const char *dsn;   /* these two as for report->recipient */
    const char *text;
    const char *reply; /* the peer's reply with its code, its lines on one; NULL: no peer said this */
    uint32_t flags;    /* SLUICE_RESULT_... */
    uint32_t reserved;
};

/* Where results go. */
struct sluice_report {
    uint32_t struct_size;
    uint32_t reserved;
    /*
     * The result for the recipient of that index: OK (the peer has taken it over), TEMP or PERM;
     * anything else counts as TEMP. dsn: enhanced status ("5.1.1"), text: one line, both copied.
     * A second report for the same recipient replaces a first one of TEMP and is ignored after OK
     * and PERM. [call]
     */
    void (*recipient)(const struct sluice_report *report, size_t index, sluice_status status,
                      const char *dsn, const char *text);
    /* The same for all recipients that have no report yet. [call] */
    void (*remaining)(const struct sluice_report *report, sluice_status status, const char *dsn,
                      const char *text);
    /* Since 1.1: as recipient and as remaining, with what the sender may want to know. [call] */
    void (*result)(const struct sluice_report *report, size_t index,
                   const struct sluice_result *result);
    void (*remaining_result)(const struct sluice_report *report,
                             const struct sluice_result *result);
};

/* Bits of sluice_transport_ops.flags. */
#define SLUICE_TRANSPORT_VERIFIES ((uint32_t)1 << 0) /* deliver() knows SLUICE_MESSAGE_VERIFY; of a
                                                        plugin that derives: its own deliver() */
#define SLUICE_TRANSPORT_HAS_NO_RELAY ((uint32_t)1 << 1) /* decides by itself, nobody takes mail over:
                                                            the log says relay=none. Since 1.3 */

struct sluice_transport_ops {
    uint32_t struct_size;
    uint32_t flags; /* SLUICE_TRANSPORT_...; others are 0 */

    /* Required. *ret_transport only on OK. [main] */
    sluice_status (*open)(const struct sluice_host *host, const struct sluice_config *config,
                          const struct sluice_errors *errors,
                          struct sluice_transport **ret_transport);
    /* Required. Accepts NULL. [main] */
    void (*close)(struct sluice_transport *transport);
    /*
     * Optional, together with disconnect: a connection that is ready for a message (for SMTP:
     * greeting and EHLO done). TEMP: the next host is tried. PERM: the remaining recipients fail
     * for good. In both cases explain() says why. [call]
     */
    sluice_status (*connect)(struct sluice_transport *transport, const struct sluice_target *target,
                             int64_t deadline_ms, const struct sluice_errors *errors,
                             struct sluice_connection **ret_connection);
    /*
     * Required. Delivers message to the recipients (count of them, recipient_size bytes apart; at
     * least one) and reports on each. Returns the connection's fate. connection stays the host's to
     * pass to disconnect, whatever the fate. [call]
     */
    int32_t (*deliver)(struct sluice_transport *transport, struct sluice_connection *connection,
                       const struct sluice_message *message,
                       const struct sluice_recipient *recipients, size_t count,
                       size_t recipient_size, int64_t deadline_ms,
                       const struct sluice_report *report);
    /* Ends a connection, politely (QUIT) if it is still in step; accepts NULL. [call] */
    void (*disconnect)(struct sluice_transport *transport, struct sluice_connection *connection);
    /* Optional: the TCP port where the next hop names none; the host then fills in target->port and
     * shows it in the log. [any] */
    uint32_t (*port)(struct sluice_transport *transport);
    /* Optional, since 1.3: next hops, as a list, that are tried after that of the route when its hosts
     * were not found, or failed for now; empty: none. Stays until close. [any] */
    struct sluice_span (*fallback)(struct sluice_transport *transport);
};

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_TRANSPORT_H */
