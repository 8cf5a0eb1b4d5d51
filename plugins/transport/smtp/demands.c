/* SPDX-License-Identifier: ISC */
/*
 * demands: see demands.h.
 */
#include "demands.h"

#include "envelope.h"

static int is_ascii(struct sluice_span span)
{
    for (size_t i = 0; i < span.len; i++) {
        if ((unsigned char)span.ptr[i] >= 0x80)
            return 0;
    }
    return 1;
}

static int has_ascii_addresses(const struct transaction_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        if (!is_ascii(transaction_recipient(job, i)->address))
            return 0;
    }
    return is_ascii(job->message->sender);
}

/* A message may have come with SMTPUTF8 and not need it (RFC 6531 3.6). */
static int check_utf8(const struct sluice_connection *session, const struct transaction_job *job,
                      const struct content_facts *facts, struct session_verdict *verdict)
{
    if (!job->message->is_smtputf8 || session->peer.has_smtputf8 ||
        (has_ascii_addresses(job) && !facts->has_8bit_header))
        return 1;
    session_verdict_set(verdict, SLUICE_PERM, "5.6.7",
                        "SMTPUTF8 is required, but was not offered by host %s", session->label);
    return 0;
}

static int check_8bit(const struct sluice_connection *session, int is_8bit,
                      struct session_verdict *verdict)
{
    if (!is_8bit || session->peer.has_8bitmime ||
        !session->transport->rejects_8bit_without_8bitmime)
        return 1;
    session_verdict_set(verdict, SLUICE_PERM, "5.6.3",
                        "8-bit content, but 8BITMIME was not offered by host %s", session->label);
    return 0;
}

static int check_size(const struct sluice_connection *session, uint64_t size,
                      struct session_verdict *verdict)
{
    uint64_t limit = session->peer.size_limit;

    if (limit == 0 || size <= limit)
        return 1;
    session_verdict_set(verdict, SLUICE_PERM, "5.3.4",
                        "message size %llu exceeds size limit %llu of server %s",
                        (unsigned long long)size, (unsigned long long)limit, session->label);
    return 0;
}

/* Whether the answer to some question depends on what bytes are in the content: the content is read
 * twice then, unless it is small. */
static int needs_scan(const struct sluice_connection *session, const struct sluice_message *message)
{
    const struct session_peer *peer = &session->peer;

    if (sluice_message_has(message, SLUICE_MESSAGE_7BIT))
        return 0;
    if (message->is_smtputf8 && !peer->has_smtputf8)
        return 1;
    if (peer->has_8bitmime)
        return message->body != SLUICE_BODY_8BITMIME;
    return session->transport->rejects_8bit_without_8bitmime;
}

int demands_are_met(const struct sluice_connection *session, const struct transaction_job *job,
                    struct content_reader *reader, int *ret_is_8bit,
                    struct session_verdict *verdict)
{
    const struct sluice_message *message = job->message;
    int is_announced = message->body == SLUICE_BODY_8BITMIME;
    struct content_facts facts = {0, 0};

    if (!envelope_is_sendable(message->sender)) {
        session_verdict_set(verdict, SLUICE_PERM, "5.1.7", "bad sender address syntax");
        return 0;
    }
    if (needs_scan(session, message) && content_scan(reader, &facts) != SLUICE_OK) {
        session_verdict_set(verdict, SLUICE_TEMP, "4.3.0", "cannot read the message");
        return 0;
    }
    /* To a peer without 8BITMIME only what is there counts, not what was announced. */
    *ret_is_8bit = facts.has_8bit || (is_announced && session->peer.has_8bitmime);
    return check_size(session, message->size, verdict) &&
           check_utf8(session, job, &facts, verdict) && check_8bit(session, *ret_is_8bit, verdict);
}
