/* SPDX-License-Identifier: ISC */
/*
 * envelope: everything about a message but its content. Receive writes it, queue keeps it in the
 * store as the message's record, deliver reads it.
 *
 * As bytes it is a version and tag-length-value fields; fields of unknown tags, of the message and
 * of each recipient, are kept. A decoded envelope borrows: its spans point into the bytes that it
 * was decoded from (or wherever the writer pointed them).
 */
#ifndef IPC_ENVELOPE_H
#define IPC_ENVELOPE_H

#include "base/buffer.h"
#include "base/error.h"
#include "sluice/transport.h"

#include <stdbool.h>

#define ENVELOPE_VERSION 1
#define ENVELOPE_RECIPIENTS_MAX 100000 /* more than smtpd_recipient_limit may say is nonsense */

enum recipient_state {
    RECIPIENT_WAITING = 0,
    RECIPIENT_DELIVERED = 1, /* nothing is left to do */
    RECIPIENT_FAILED = 2,    /* for good; listed and never retried until its report is stored */
    RECIPIENT_RETURNED = 3,  /* failed, and whoever is to know has been told */
    RECIPIENT_RELAYED = 4,   /* a next host without DSN has it; a success report is owed */
    RECIPIENT_ARRIVED = 5,   /* it is in its mailbox; a success report is owed */
    RECIPIENT_UNVERIFIED = 6, /* is_verify: it could not be found out; that is owed as a report */
};

struct envelope_recipient {
    struct sluice_span address;   /* as it is to be delivered */
    struct sluice_span original;  /* as the client gave it; empty: the same */
    struct sluice_span orcpt;     /* RFC 3461, as received */
    uint32_t notify;              /* SLUICE_NOTIFY_... */
    struct sluice_span transport; /* route: its transport and next hop */
    struct sluice_span nexthop;
    enum recipient_state state;
    uint32_t attempts;
    int64_t last_attempt_ms;      /* 0: none yet */
    int64_t next_due_ms;          /* 0: at once; ENVELOPE_ON_RELEASE */
    struct sluice_span dsn;       /* of the last attempt */
    struct sluice_span text;
    struct sluice_span reply;     /* the peer's own words, if it was a peer that said it */
    struct sluice_span remote;    /* the peer's name */
    struct sluice_span unknown;   /* fields that we do not know, as they came */
};

#define ENVELOPE_ON_RELEASE INT64_MAX

struct envelope {
    struct sluice_span sender; /* without brackets; empty: null sender */
    struct sluice_span envid;  /* RFC 3461 ENVID, as received */
    int32_t ret;               /* SLUICE_RET_... */
    int32_t body;              /* SLUICE_BODY_... */
    bool is_smtputf8;
    bool is_verify; /* nothing is delivered: its sender wants to know whether it could be */
    struct sluice_span client_address;
    struct sluice_span client_name;
    struct sluice_span helo;
    struct sluice_span protocol; /* "ESMTP" */
    struct sluice_span login;
    int64_t arrival_ms;
    uint64_t content_size;
    bool is_held;
    int64_t expired_ms; /* 0: not */
    int64_t warned_ms;
    uint32_t crashes; /* of deliver while it attempted this message, without an attempt that ended */
    struct envelope_recipient *recipients;
    size_t recipient_count;
    struct sluice_span unknown;
};

#define ENVELOPE_INIT {0}

/* Frees the array of recipients, not what the spans point to. */
void envelope_done(struct envelope *envelope);
/* Appends one zeroed recipient and returns it; NULL: no memory. Earlier pointers are void. */
struct envelope_recipient *envelope_add(struct envelope *envelope);
/* True if nothing is left to do for any recipient. */
bool envelope_is_finished(const struct envelope *envelope);
/* Writes the envelope's bytes behind what is in the buffer. */
void envelope_encode(const struct envelope *envelope, struct buffer *buffer);
/* PERM with a text if the bytes make no sense, or are of a later version; TEMP: no memory. */
sluice_status envelope_decode(struct sluice_span bytes, struct envelope *ret_envelope,
                              struct error *err);

#endif
