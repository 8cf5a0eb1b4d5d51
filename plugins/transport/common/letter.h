/* SPDX-License-Identifier: ISC */
/*
 * letter: a message as a mailbox or a command wants it: lines of its own in front, the content's line
 * ends as asked for, dots and "From " quoted. As Postfix's mail_copy.
 *
 * Order: letter_init, then letter_next until it gives nothing. Any thread; nothing waits.
 */
#ifndef SLUICE_TRANSPORT_LETTER_H
#define SLUICE_TRANSPORT_LETTER_H

#include "sluice/transport.h"

#include <stdbool.h>

/* Lines in front, in this order. */
#define LETTER_FROM (1u << 0)        /* "From sender  date" */
#define LETTER_RETURN_PATH (1u << 1) /* "Return-Path: <sender>" */
#define LETTER_ORIGINAL (1u << 2)    /* "X-Original-To: recipient as the client gave it" */
#define LETTER_DELIVERED (1u << 3)   /* "Delivered-To: recipient" */
/* In the content, and behind it. */
#define LETTER_QUOTE_FROM (1u << 4) /* ">" before "From " at the beginning of a line */
#define LETTER_DOT (1u << 5)        /* "." before a dot at the beginning of a line */
#define LETTER_BLANK (1u << 6)      /* an empty line at the end */

#define LETTER_EOL_MAX 8
#define LETTER_READ ((size_t)4096) /* of the content, at a time */
/* The least that letter_next() needs: what a read becomes, were each byte a line, or the lines in front. */
#define LETTER_PIECE_MIN ((size_t)48 * 1024)

struct letter_format {
    unsigned flags; /* LETTER_... */
    char eol[LETTER_EOL_MAX];
    size_t eol_len;          /* 1 to LETTER_EOL_MAX */
    const char *null_sender; /* for the null sender, in both of his lines; where it is empty the
                                "From " line has MAILER-DAEMON */
};

struct letter {
    const struct letter_format *format; /* these three are borrowed */
    const struct sluice_message *message;
    const struct sluice_recipient *recipient;
    int64_t now_ms;
    uint64_t offset; /* in the content */
    size_t matched;  /* so much of "From " stands at the line's beginning and is kept back */
    bool is_line_start;
    bool has_cr; /* is kept back: with an LF behind it it is a line's end */
    bool has_begun;
    bool is_over;
    char in[LETTER_READ];
};

/* As mailboxes have it. */
extern const struct letter_format letter_mbox;
extern const struct letter_format letter_maildir;

/* now_ms: since 1970. */
void letter_init(struct letter *letter, const struct letter_format *format,
                 const struct sluice_message *message, const struct sluice_recipient *recipient,
                 int64_t now_ms);
/* The next piece; OK with 0 at the end. TEMP: the content cannot be read. size: LETTER_PIECE_MIN at
 * least. */
sluice_status letter_next(struct letter *letter, char *piece, size_t size, size_t *ret_len);

#endif
