/* SPDX-License-Identifier: ISC */
/*
 * command: the verbs of SMTP.
 */
#ifndef RECEIVE_COMMAND_H
#define RECEIVE_COMMAND_H

#include "sluice/types.h"

#include <stdbool.h>
#include <stdint.h>

struct session;

/* In the order in which the log shows them. */
enum command_id {
    COMMAND_HELO,
    COMMAND_EHLO,
    COMMAND_STARTTLS,
    COMMAND_AUTH,
    COMMAND_MAIL,
    COMMAND_RCPT,
    COMMAND_DATA,
    COMMAND_BDAT,
    COMMAND_RSET,
    COMMAND_NOOP,
    COMMAND_VRFY,
    COMMAND_ETRN,
    COMMAND_QUIT,
    COMMAND_UNKNOWN,
    COMMAND_COUNT,
};

#define COMMAND_ENDS_GROUP ((uint32_t)1 << 0)  /* nothing may be pipelined behind it */
#define COMMAND_IS_JUNK ((uint32_t)1 << 1)     /* too many of it count as errors */
#define COMMAND_HAS_CONTENT ((uint32_t)1 << 2) /* what is behind it belongs to it */

struct command {
    const char *verb; /* upper case; NULL: anything else */
    const char *word; /* in the log's last line */
    uint32_t flags;
    /* argument: what follows the verb, without blanks at its ends. */
    void (*run)(struct session *session, struct sluice_span argument);
};

const struct command *command_at(enum command_id id);
/* The command that a line begins with, and its argument. */
enum command_id command_find(struct sluice_span line, struct sluice_span *ret_argument);

/* hello.c */
void command_helo(struct session *session, struct sluice_span argument);
void command_ehlo(struct session *session, struct sluice_span argument);
/* mail.c */
void command_mail(struct session *session, struct sluice_span argument);
/* rcpt.c */
void command_rcpt(struct session *session, struct sluice_span argument);
void command_vrfy(struct session *session, struct sluice_span argument);
/* data.c */
void command_data(struct session *session, struct sluice_span argument);
/* bdat.c */
void command_bdat(struct session *session, struct sluice_span argument);
/* etrn.c */
void command_etrn(struct session *session, struct sluice_span argument);

/*
 * "FROM:<path> PARAMETERS" and "TO:...": takes keyword and path off. False: the keyword or the
 * address is missing.
 */
bool command_take_path(struct sluice_span argument, const char *keyword,
                       struct sluice_span *ret_path, struct sluice_span *ret_parameters);

/* is_asked: DSN parameters were given. True: they may not, the reply is out; smtpd_discard_ehlo_keywords
 * counts for clients, not for our own sendmail. */
bool command_refuses_dsn(struct session *session, bool is_asked);

#endif
