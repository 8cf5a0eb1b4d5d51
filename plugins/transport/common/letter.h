/* SPDX-License-Identifier: ISC */
/*
 * letter: a message as it is written into a mailbox: first the lines that belong there, then the
 * content with line feeds alone, and for mboxes with "From " lines quoted. As Postfix's mail_copy.
 *
 * Order: letter_init, letter_head, then letter_next until is_over. On the thread that deliver() runs
 * on; nothing waits.
 */
#ifndef SLUICE_TRANSPORT_LETTER_H
#define SLUICE_TRANSPORT_LETTER_H

#include "sluice/transport.h"

#include <stdbool.h>

#define LETTER_HEAD_MAX ((size_t)8 * 1024) /* three addresses of 2,000 bytes at most, and a date */
#define LETTER_PIECE ((size_t)32 * 1024)   /* of the content, at a time */
#define LETTER_PIECE_MAX (LETTER_PIECE + LETTER_PIECE / 4 + 16) /* with what quoting adds */

struct letter {
    const struct sluice_message *message; /* borrowed */
    const struct sluice_recipient *recipient;
    bool is_mbox;
    bool is_over;    /* all has been read */
    uint64_t offset; /* in the content */
    int from_len;    /* so much of "From " stands at the present line's start and is kept back;
                         NO_FROM: the line begins otherwise */
    bool has_cr;     /* a CR is kept back: with an LF behind it, it goes */
    char in[LETTER_PIECE];
};

void letter_init(struct letter *letter, const struct sluice_message *message,
                 const struct sluice_recipient *recipient, bool is_mbox);
/* "From " where it is an mbox, Return-Path, X-Original-To, Delivered-To. now_ms: since 1970. Returns
 * the length; 0: too long, which no address of ours is. */
size_t letter_head(const struct letter *letter, int64_t now_ms, char head[LETTER_HEAD_MAX]);
/* The next piece. TEMP: the content cannot be read. */
sluice_status letter_next(struct letter *letter, char piece[LETTER_PIECE_MAX], size_t *ret_len);

/*
 * Looks for a Delivered-To field with that address: it has been here before, and goes round in
 * circles. OK: there is one; NOT_FOUND; TEMP: the content cannot be read, or no memory. Of a header
 * only the first mebibyte is looked through.
 */
sluice_status letter_was_delivered_to(const struct sluice_message *message,
                                      struct sluice_span address);

#endif
