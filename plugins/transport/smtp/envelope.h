/* SPDX-License-Identifier: ISC */
/*
 * envelope: MAIL and RCPT with the parameters that a peer understands (RFC 5321 4.1.1, RFC 1870,
 * RFC 3461, RFC 6152, RFC 6531). Pure text: no socket, no waiting.
 */
#ifndef SMTP_ENVELOPE_H
#define SMTP_ENVELOPE_H

#include "session.h"

#define ENVELOPE_ADDRESS_MAX 1024 /* far over RFC 5321 4.5.3.1: what came in goes out */
#define ENVELOPE_ENVID_MAX 100    /* RFC 3461 4.4 */
#define ENVELOPE_ORCPT_MAX 500    /* RFC 3461 4.2 */
#define ENVELOPE_COMMAND_MAX 2048 /* any command of this module, with its CRLF */

/* 1 if the address can be put between angle brackets: not too long, no control characters, which
 * would be commands of their own. */
int envelope_is_sendable(struct sluice_span address);

/* "MAIL FROM:<...> ...\r\n" into out: its length. body_is_8bit: the content has 8-bit bytes. */
size_t envelope_mail(const struct session_peer *peer, const struct sluice_message *message,
                     int body_is_8bit, char out[ENVELOPE_COMMAND_MAX]);

/* "RCPT TO:<...> ...\r\n" into out: its length. */
size_t envelope_rcpt(const struct session_peer *peer, const struct sluice_recipient *recipient,
                     char out[ENVELOPE_COMMAND_MAX]);

#endif /* SMTP_ENVELOPE_H */
