/* SPDX-License-Identifier: ISC */
/*
 * report: a delivery status notification as a message (RFC 3461, 3464, 6522; 6533 for what came with
 * SMTPUTF8): a text for people, a part for programs, and the message it is about or its header.
 *
 * Pure: from what is known to bytes. What strangers have said, such as a host's reply, goes in with
 * control characters replaced, folded to lines that may travel.
 */
#ifndef DELIVER_REPORT_H
#define DELIVER_REPORT_H

#include "base/buffer.h"
#include "ipc/envelope.h"
#include "ipc/messages.h"

struct report_origin { /* who reports */
    const char *myhostname;
    const char *myorigin; /* domain of its sender */
    const char *mail_name;
};

struct report_subject {
    enum report_kind kind;
    bool is_for_postmaster;
    uint64_t message_id; /* of the message that it is about */
    uint64_t new_id;     /* of the report itself */
    int64_t now_ms;
    int64_t expires_ms; /* of a delayed message; 0: not known */
    struct sluice_span to;
    const struct envelope *envelope; /* of the message; not its recipients */
    const struct envelope_recipient *const *recipients;
    size_t recipient_count;
    struct sluice_span returned; /* the message or its header: whole lines that end in CRLF */
    bool is_whole;               /* the message */
};

/* The report behind what is in out, its lines ended by CRLF. */
void report_compose(const struct report_origin *origin, const struct report_subject *subject,
                    struct buffer *out);
/* Length of the header that the bytes of a message begin with, without the empty line; whole lines
 * alone if its end is not there. */
size_t report_header_len(struct sluice_span content);

#endif
