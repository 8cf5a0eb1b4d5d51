/* SPDX-License-Identifier: ISC */
/*
 * peer: an SMTP server that does what a script says, in a thread of its own, and remembers what it
 * was sent. Connections are served one after the other.
 *
 * Order: peer_start -> (the client's work) -> peer_stop -> look at what it remembers.
 */
#ifndef TESTS_CONTRACT_PEER_H
#define TESTS_CONTRACT_PEER_H

#include <pthread.h>
#include <stdint.h>
#include <stddef.h>

#define PEER_CLOSE "close"   /* instead of a reply: closes the connection */
#define PEER_SILENT "silent" /* instead of a reply: says nothing until the client goes */

#define PEER_EHLO_BASE "250-peer.test at your service\r\n250-SIZE 10000000\r\n250-8BITMIME\r\n"
#define PEER_EHLO PEER_EHLO_BASE "250 DSN\r\n"
#define PEER_EHLO_PIPELINING PEER_EHLO_BASE "250-PIPELINING\r\n250 DSN\r\n"

#define PEER_TRANSCRIPT_MAX ((size_t)256 * 1024)
#define PEER_MESSAGES_MAX 16

/*
 * Complete replies with their CRLF, or one of the words above; NULL: what a friendly server says.
 * After a 421 it closes. RCPT is answered as the local part says: "r450" 450 with an enhanced
 * status, "p552" 552 without one, "q552" 552 5.5.3, "junk" something that is no reply, "close",
 * "silent"; else 250.
 */
struct peer_script {
    const char *greeting, *ehlo, *helo, *mail, *data, *dot, *rset;
    size_t content_max;        /* after that many bytes of content (0: never) ... */
    const char *content_reply; /* ... this is said and the connection closed */
    const char *after_message; /* said unasked after the reply to a message, then closes */
};

struct peer_message {
    char *raw; /* what followed DATA, without the lone dot's line */
    size_t len;
};

struct peer {
    struct peer_script script;
    uint16_t port;
    int listener;
    pthread_t thread;
    size_t connection_count;
    size_t early_count;     /* times that more was sent where the client had to wait for a reply */
    size_t pipelined_count; /* MAIL, RCPT and DATA came at once */
    char *transcript;       /* commands, one a line */
    size_t message_count;
    struct peer_message messages[PEER_MESSAGES_MAX];
};

void peer_start(struct peer *peer, const struct peer_script *script);
/* Waits for the thread; what it remembers stays until peer_done. */
void peer_stop(struct peer *peer);
void peer_done(struct peer *peer);

#endif /* TESTS_CONTRACT_PEER_H */
