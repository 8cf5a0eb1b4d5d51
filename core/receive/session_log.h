/* SPDX-License-Identifier: ISC */
/*
 * session_log: what the log says about a session, in the lines that pflogsumm, fail2ban and the like
 * read (spec M-36). client: session_name(). command: the verb, or CONNECT, UNKNOWN. Of a rehearsal it
 * says nothing: what it would say is explained.
 */
#ifndef RECEIVE_SESSION_LOG_H
#define RECEIVE_SESSION_LOG_H

#include "base/log.h"
#include "receive/session.h"

void session_log_connect(struct session *session);
/* commands: " ehlo=1 quit=1 commands=2"; NULL: not known. */
void session_log_disconnect(struct session *session, const char *commands);
/* A command could not be judged: "RCPT", and why. */
void session_log_failure(struct session *session, const char *command, const struct error *err);
/* The session ends early: "lost connection", "timeout", "too many errors", ... */
void session_log_trouble(struct session *session, enum log_level level, const char *reason);
/* Something was refused. id: the message's, or NULL. recipient: empty if there is none. */
void session_log_reject(struct session *session, const char *id, const char *command,
                        struct sluice_span recipient, const char *reply);
/* Something was noted and goes on: "warn", "hold", ... */
void session_log_note(struct session *session, const char *action, const char *command,
                      struct sluice_span recipient, const char *text);
/* A local user's message begins; those of others are logged by queue when they are durable. */
void session_log_pickup(struct session *session, const char *id);
void session_log_message_id(const char *id, struct sluice_span message_id);

#endif
