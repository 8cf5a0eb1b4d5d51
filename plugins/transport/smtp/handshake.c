/* SPDX-License-Identifier: ISC */
/*
 * handshake: see handshake.h.
 */
#include "handshake.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define HELO_COMMAND_MAX 300 /* a host name has at most 255 bytes */
#define SIZE_DIGITS_MAX 20   /* RFC 1870 3 */

/* ---- what the server can do ----------------------------------------------------------------- */

static int word_is(struct sluice_span word, const char *name)
{
    return word.len == strlen(name) && strncasecmp(word.ptr, name, word.len) == 0;
}

/* Takes the first word off *line; empty when there is none. */
static struct sluice_span take_word(struct sluice_span *line)
{
    struct sluice_span word = *line;

    while (word.len > 0 && *word.ptr == ' ') {
        word.ptr++;
        word.len--;
    }
    line->len = 0;
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] == ' ') {
            line->ptr = word.ptr + i;
            line->len = word.len - i;
            word.len = i;
        }
    }
    return word;
}

/* RFC 1870 4: no number and 0 mean that there is no fixed limit; so does what is no number. */
static uint64_t parse_size_limit(struct sluice_span word)
{
    uint64_t limit = 0;

    if (word.len > SIZE_DIGITS_MAX)
        return 0;
    for (size_t i = 0; i < word.len; i++) {
        unsigned digit = (unsigned)(word.ptr[i] - '0');

        if (digit > 9 || limit > (UINT64_MAX - digit) / 10)
            return 0;
        limit = limit * 10 + digit;
    }
    return limit;
}

static void parse_keyword(struct sluice_span line, struct session_peer *peer)
{
    struct sluice_span keyword = take_word(&line);

    if (word_is(keyword, "PIPELINING")) {
        peer->has_pipelining = 1;
    } else if (word_is(keyword, "8BITMIME")) {
        peer->has_8bitmime = 1;
    } else if (word_is(keyword, "DSN")) {
        peer->has_dsn = 1;
    } else if (word_is(keyword, "SMTPUTF8")) {
        peer->has_smtputf8 = 1;
    } else if (word_is(keyword, "SIZE")) {
        peer->has_size = 1;
        peer->size_limit = parse_size_limit(take_word(&line));
    }
    /* ENHANCEDSTATUSCODES needs no note: a status in a reply is believed where it fits the code. */
}

void handshake_parse_ehlo(const struct reply *reply, struct session_peer *ret_peer)
{
    struct session_peer peer = {0};

    for (size_t i = 1; i < reply->line_count; i++)
        parse_keyword(reply_line(reply, i), &peer);
    *ret_peer = peer;
}

/* ---- the dialogue --------------------------------------------------------------------------- */

static sluice_status lost(const struct sluice_connection *session, struct session_verdict *verdict)
{
    session_verdict_failure(session, verdict);
    return verdict->status;
}

/* The server does not want us, now (4xx) or so it says ever (5xx). */
static sluice_status refused(const struct sluice_connection *session,
                             struct session_verdict *verdict)
{
    char text[SESSION_VERDICT_TEXT_MAX], dsn[REPLY_DSN_MAX];
    /* smtp_skip_5xx_greeting: a 5xx here says nothing of the message, and often that the
     * server is not set up yet; another host is tried, or the same one later. */
    int is_final = reply_class(&session->reply) == 5 && !session->transport->skips_5xx_greeting;

    reply_dsn(&session->reply, is_final ? 5 : 4, dsn);
    session_verdict_set(verdict, is_final ? SLUICE_PERM : SLUICE_TEMP, dsn,
                        "host %s refused to talk to me: %.1000s", session->label,
                        session_reply_text(session, text, sizeof(text)));
    return verdict->status;
}

static sluice_status greeting(struct sluice_connection *session, struct session_verdict *verdict)
{
    session->doing = "receiving the initial server greeting";
    if (session_receive(session, session->transport->timeouts.helo_ms) != SLUICE_OK)
        return lost(session, verdict);
    return reply_class(&session->reply) == 2 ? SLUICE_OK : refused(session, verdict);
}

/* Sends EHLO or HELO and receives the answer, whatever it is. */
static sluice_status introduce(struct sluice_connection *session, const char *verb,
                               struct session_verdict *verdict)
{
    char command[HELO_COMMAND_MAX];
    int64_t timeout_ms = session->transport->timeouts.helo_ms;

    (void)snprintf(command, sizeof(command), "%s %s\r\n", verb, session->transport->helo_name);
    if (session_send(session, sluice_span_of(command), timeout_ms) != SLUICE_OK ||
        session_receive(session, timeout_ms) != SLUICE_OK)
        return lost(session, verdict);
    return SLUICE_OK;
}

/* RFC 5321 4.1.1.1: the answer begins with the server's own name. */
static int is_ourselves(const struct sluice_connection *session)
{
    struct sluice_span line = reply_line(&session->reply, 0);

    return word_is(take_word(&line), session->transport->myhostname);
}

/* RFC 2033 4.1: an LMTP server knows LHLO and neither EHLO nor HELO. */
static sluice_status say_hello(struct sluice_connection *session, int *ret_is_extended,
                               struct session_verdict *verdict)
{
    int is_lmtp = session->transport->is_lmtp;
    sluice_status st;

    *ret_is_extended = 1;
    session->doing = is_lmtp ? "performing the LHLO handshake" : "performing the EHLO handshake";
    st = introduce(session, is_lmtp ? "LHLO" : "EHLO", verdict);
    if (st != SLUICE_OK || is_lmtp || reply_class(&session->reply) != 5)
        return st;
    *ret_is_extended = 0;
    session->doing = "performing the HELO handshake";
    return introduce(session, "HELO", verdict);
}

/*
 * PERM: the way of this mail leads back to us, and will until somebody changes it. A backup host of
 * its destination may only be in our place while the better ones are away.
 */
static sluice_status loops_back(const struct sluice_target *target, struct session_verdict *verdict)
{
    int is_backup = target->is_backup != 0;

    session_verdict_set(verdict, is_backup ? SLUICE_TEMP : SLUICE_PERM,
                        is_backup ? "4.4.6" : "5.4.6", "mail for %.*s loops back to myself",
                        (int)target->nexthop.len, target->nexthop.ptr);
    return verdict->status;
}

sluice_status handshake(struct sluice_connection *session, const struct sluice_target *target,
                        int loops_are_checked, struct session_verdict *verdict)
{
    sluice_status st = greeting(session, verdict);
    int is_extended;

    if (st == SLUICE_OK)
        st = say_hello(session, &is_extended, verdict);
    if (st != SLUICE_OK)
        return st;
    if (reply_class(&session->reply) != 2)
        return refused(session, verdict);
    if (loops_are_checked && is_ourselves(session))
        return loops_back(target, verdict);
    if (is_extended)
        handshake_parse_ehlo(&session->reply, &session->peer);
    return SLUICE_OK;
}
