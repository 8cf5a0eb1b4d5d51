/* SPDX-License-Identifier: ISC */
/*
 * session: one connection to one server: commands out, replies in, in step.
 *
 * Order: new -> begin -> (set doing, send, receive)* -> free. begin() sets the deadline of the call
 * of the host's that goes on. After a failure nothing more can be sent; verdicts say what it was.
 * On a task; send and receive wait.
 */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "reply.h"
#include "smtp.h"

#define SESSION_LABEL_MAX 320         /* a host name of 255 bytes and an address */
#define SESSION_INPUT_MAX 4096        /* read at once; holds a line of REPLY_LINE_MAX */
#define SESSION_VERDICT_TEXT_MAX 1500 /* one line of a log or a report */

#define SESSION_REPLY_MAX 1001

enum session_failure {
    SESSION_FINE,
    SESSION_LOST,
    SESSION_TIMED_OUT,
    SESSION_NOT_SMTP /* the peer sent something else */
};

/* What the server announced after EHLO. */
struct session_peer {
    int has_pipelining;
    int has_8bitmime;
    int has_dsn;
    int has_smtputf8;
    int has_size;
    uint64_t size_limit; /* 0: none */
};

/* What the host gets to hear: of a recipient, or of a connection that could not be had. */
struct session_verdict {
    sluice_status status;
    char dsn[REPLY_DSN_MAX];
    char text[SESSION_VERDICT_TEXT_MAX];
    char reply[SESSION_REPLY_MAX]; /* the server's own words; empty: it did not say this */
};

struct sluice_connection {
    const struct sluice_transport *transport;
    struct sluice_stream *stream;
    int64_t deadline_ms; /* of the host's call */
    const char *doing;   /* "sending MAIL FROM": for the text of a failure */
    enum session_failure failure;
    int is_finished;       /* out of step, or the server takes its leave: not to be used */
    int is_in_transaction; /* MAIL was accepted and nothing has ended it yet */
    int is_used;           /* it has carried a message before */
    struct session_peer peer;
    char label[SESSION_LABEL_MAX]; /* "host[address]" */
    size_t input_start, input_end; /* unread bytes in input */
    char input[SESSION_INPUT_MAX];
    struct reply reply; /* the last one received */
};

/* NULL when there is no memory. */
struct sluice_connection *session_new(const struct sluice_transport *transport,
                                      const struct sluice_target *target);

/* Closes the stream; accepts NULL. */
void session_free(struct sluice_connection *session);

/* A call of the host's begins, with this deadline. */
void session_begin(struct sluice_connection *session, int64_t deadline_ms);

/* 1 if the peer sent something that nobody asked for, or closed. */
int session_is_disturbed(struct sluice_connection *session);

/* All of bytes to the peer. TEMP: session->failure says why. */
sluice_status session_send(struct sluice_connection *session, struct sluice_span bytes,
                           int64_t timeout_ms);

/* The next reply, into session->reply. TEMP: session->failure says why. A 421 leaves the session
 * finished (RFC 5321 3.8). timeout_ms is for all of the reply, so that a peer cannot stretch it. */
sluice_status session_receive(struct sluice_connection *session, int64_t timeout_ms);

/* ---- verdicts ------------------------------------------------------------------------------- */

#if defined(__GNUC__)
#define SESSION_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define SESSION_PRINTF(at, first)
#endif

/* Cut to what a verdict holds. */
void session_verdict_set(struct session_verdict *verdict, sluice_status status, const char *dsn,
                         const char *format, ...) SESSION_PRINTF(4, 5);

/* Of session->failure: TEMP, and what we were doing. */
void session_verdict_failure(const struct sluice_connection *session,
                             struct session_verdict *verdict);

/* Of session->reply to command ("RCPT TO"): OK where it has the class that is due, PERM for 5xx,
 * TEMP for 4xx and for what has no meaning here. */
void session_verdict_reply(const struct sluice_connection *session, const char *command,
                           int good_class, struct session_verdict *verdict);

/* The last reply with its lines on one line, cut to what text holds. Returns text. */
const char *session_reply_text(const struct sluice_connection *session, char *text, size_t size);

#endif /* SMTP_SESSION_H */
