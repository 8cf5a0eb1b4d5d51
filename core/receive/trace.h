/* SPDX-License-Identifier: ISC */
/*
 * trace: the Received field that goes on top of a message (RFC 5321 4.4, spec M-48).
 */
#ifndef RECEIVE_TRACE_H
#define RECEIVE_TRACE_H

#include "base/buffer.h"
#include "net/address.h"

#include <stdbool.h>

#define TRACE_RECIPIENT_MAX 900 /* a longer one would make the line too long: it is left out */

struct trace {
    bool is_local; /* a user of this machine: neither client nor helo, nor a protocol to name */
    unsigned long uid;
    const char *helo; /* NULL: none was said */
    const struct address *client;
    struct sluice_span client_name; /* "unknown": it has none */
    const char *myhostname;
    const char *mail_name;
    bool is_esmtp;
    const char *id;
    struct sluice_span recipient; /* the only one; empty: there are several */
    int64_t arrival_ms;
};

/* Lines that end in CRLF. */
void trace_format(const struct trace *trace, struct buffer *buffer);

#endif
