/* SPDX-License-Identifier: ISC */
/*
 * demands: what a message demands of the peer, and whether the peer announced it: size, 8-bit
 * content, addresses and header fields in UTF-8. Asked before anything of the message is said.
 */
#ifndef SMTP_DEMANDS_H
#define SMTP_DEMANDS_H

#include "content.h"
#include "session.h"
#include "transaction.h"

/* 1 with *ret_is_8bit: BODY=8BITMIME is due; else 0 with the verdict on all recipients. reader: of
 * the job's message. [call: reads the content] */
int demands_are_met(const struct sluice_connection *session, const struct transaction_job *job,
                    struct content_reader *reader, int *ret_is_8bit,
                    struct session_verdict *verdict);

#endif /* SMTP_DEMANDS_H */
