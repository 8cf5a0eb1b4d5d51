/* SPDX-License-Identifier: ISC */
/*
 * smtp: one configured SMTP transport, as the modules of this plugin share it.
 *
 *   smtp.c         options, the plugin's operations
 *   handshake.c    greeting and EHLO: makes a connection ready
 *   transaction.c  one message over a connection
 *   demands.c      whether the peer can take that message
 *   session.c      what both build on: commands out, replies in, and how to tell what went wrong
 *   envelope.c     MAIL and RCPT with their parameters
 *   content.c      what follows DATA
 *   reply.c        what the server answers
 */
#ifndef SMTP_SMTP_H
#define SMTP_SMTP_H

#include "sluice/transport.h"

#define SMTP_PORT 25

struct smtp_timeouts {
    int64_t connect_ms;
    int64_t helo_ms;
    int64_t mail_ms;
    int64_t rcpt_ms;
    int64_t data_init_ms;
    int64_t data_xfer_ms;
    int64_t data_done_ms;
    int64_t rset_ms;
    int64_t quit_ms;
};

struct sluice_transport {
    const struct sluice_host *host;
    const struct sluice_io *io;
    const struct sluice_clock *clock;
    char *myhostname;
    char *helo_name;
    char *fallback; /* a list of next hops */
    struct smtp_timeouts timeouts;
    uint32_t port;
    size_t line_length_limit;
    int is_lmtp;
    int skips_5xx_greeting;
    int rejects_8bit_without_8bitmime;
};

#endif /* SMTP_SMTP_H */
