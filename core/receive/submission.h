/* SPDX-License-Identifier: ISC */
/*
 * submission: the header of a message that a local program sends, while it comes in. Programs leave
 * out what a message must have, and leave in what is nobody's business: Message-Id, Date and From are
 * added where they are missing (at the header's end, as Postfix does), the fields of
 * message_drop_headers (Bcc, ...) are taken out. No other mail is treated so: see doc/differences.md.
 *
 * Order, until is_over: submission_look at what comes next, as it came from the client; what it says is
 * done with so many bytes, submission_took tells. Where it says END, submission_format. Nothing waits.
 */
#ifndef RECEIVE_SUBMISSION_H
#define RECEIVE_SUBMISSION_H

#include "base/buffer.h"
#include "receive/settings.h"

#include <stdbool.h>

enum submission_step {
    SUBMISSION_MORE, /* cannot be said yet: a line is not complete */
    SUBMISSION_KEEP,
    SUBMISSION_DROP,
    SUBMISSION_END, /* the header ends before these bytes */
};

/* Zero it, set settings. */
struct submission {
    const struct settings *settings; /* borrowed */
    bool is_over; /* also set where the message is to stay as it is */
    bool is_without_body; /* it ended in a line that is no field, and not in an empty one */
    bool has_field;       /* there has been one */
    bool is_dropping;     /* the present field */
    bool is_mid_line;     /* the present line goes on behind what has been seen of it */
    size_t left;          /* bytes of it that have been seen and not been taken */
    bool is_resent;       /* it has been resent: then it is the Resent- fields that count */
    unsigned seen;        /* which of those that it must have */
};

/* What the fields are made from. */
struct submission_facts {
    struct sluice_span sender;    /* empty: null sender */
    struct sluice_span full_name; /* as xtext; empty: not known */
    const char *myhostname;
    const char *myorigin;
    const char *id;
    int64_t arrival_ms;
};

/* in: what has come, not empty. is_full: no more can come before some of it is taken. */
enum submission_step submission_look(struct submission *submission, struct sluice_span in,
                                     bool is_full, size_t *ret_len);
void submission_took(struct submission *submission, size_t len);
/* What is missing, as lines that end in CRLF, and an empty one where the header ended without; the
 * header is over. */
void submission_format(struct submission *submission, const struct submission_facts *facts,
                       struct buffer *buffer);

#endif
