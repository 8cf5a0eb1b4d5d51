/* SPDX-License-Identifier: ISC */
/*
 * reply: what a server answers (RFC 5321 4.2), put together from its lines.
 *
 * Order: init -> add_line until it says DONE -> the rest. Works in the caller's memory, knows
 * nothing of sockets.
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "sluice/types.h"

#define REPLY_LINE_MAX 2048 /* RFC 5321 4.5.3.1.5 says 512; some servers send more */
#define REPLY_LINES_MAX 128 /* in one reply: EHLO has a line for each extension */
#define REPLY_TEXT_MAX 4096 /* what is kept of a reply; lines beyond it are read and dropped */
#define REPLY_DSN_MAX 12    /* "5.123.456" */

struct reply {
    int code; /* 0..999 */
    size_t line_count;
    size_t text_len;
    /* The lines with their codes as they came, parted by '\n', control characters replaced. */
    char text[REPLY_TEXT_MAX + 1];
};

enum reply_progress {
    REPLY_MORE, /* a further line belongs to it */
    REPLY_DONE,
    REPLY_BAD /* this is not SMTP; text is the offending line */
};

void reply_init(struct reply *reply);

/* Adds a line, without its line end. After DONE and BAD: no further line. */
enum reply_progress reply_add_line(struct reply *reply, struct sluice_span line);

/* The first digit of the code: 2..5, or one that means nothing. */
int reply_class(const struct reply *reply);

/*
 * The enhanced status code (RFC 3463) with the first digit changed to class: from the text where it
 * has one that agrees with the code, else class.0.0.
 */
void reply_dsn(const struct reply *reply, int class, char dsn[REPLY_DSN_MAX]);

/* 1 if the reply's text carries an enhanced status code that agrees with the code. */
int reply_has_dsn(const struct reply *reply);

/* The line of that index without code and separator; empty if there is none. Borrowed. */
struct sluice_span reply_line(const struct reply *reply, size_t index);

#endif /* SMTP_REPLY_H */
