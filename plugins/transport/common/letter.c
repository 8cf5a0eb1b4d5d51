/* SPDX-License-Identifier: ISC */
/* letter: see letter.h. */
#include "letter.h"

#include <stdio.h>
#include <time.h>

#define FROM "From "
#define FROM_LEN (sizeof(FROM) - 1)
#define DATE_SIZE 32

_Static_assert(LETTER_READ *(LETTER_EOL_MAX + 2) + 64 <= LETTER_PIECE_MIN,
               "a read fits into a piece");

#define MAILBOX_FLAGS (LETTER_RETURN_PATH | LETTER_ORIGINAL | LETTER_DELIVERED)

const struct letter_format letter_mbox = {
    .flags = MAILBOX_FLAGS | LETTER_FROM | LETTER_QUOTE_FROM | LETTER_BLANK,
    .eol = "\n",
    .eol_len = 1,
    .null_sender = "",
};
const struct letter_format letter_maildir = {
    .flags = MAILBOX_FLAGS, .eol = "\n", .eol_len = 1, .null_sender = ""};

void letter_init(struct letter *letter, const struct letter_format *format,
                 const struct sluice_message *message, const struct sluice_recipient *recipient,
                 int64_t now_ms)
{
    letter->format = format;
    letter->message = message;
    letter->recipient = recipient;
    letter->now_ms = now_ms;
    letter->offset = 0;
    letter->matched = 0;
    letter->is_line_start = true;
    letter->has_cr = letter->has_begun = letter->is_over = false;
}

/* Where what is put goes. */
struct piece {
    char *at;
    const char *end;
    bool is_full;
};

static void put(struct piece *piece, const char *bytes, size_t len)
{
    if ((size_t)(piece->end - piece->at) < len) {
        piece->is_full = true;
        return;
    }
    if (len > 0)
        memcpy(piece->at, bytes, len);
    piece->at += len;
}

static void put_text(struct piece *piece, const char *text)
{
    put(piece, text, strlen(text));
}

static void put_eol(const struct letter *letter, struct piece *piece)
{
    put(piece, letter->format->eol, letter->format->eol_len);
}

static bool has(const struct letter *letter, unsigned flag)
{
    return (letter->format->flags & flag) != 0;
}

/* ---- in front -------------------------------------------------------------------------------- */

/* "Thu Nov 22 10:49:26 2026", local time: the form that readers of mailboxes know. */
static void format_date(int64_t now_ms, char date[DATE_SIZE])
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;

    date[0] = '\0';
    if (localtime_r(&seconds, &parts) != NULL)
        (void)strftime(date, DATE_SIZE, "%a %b %e %H:%M:%S %Y", &parts);
}

static void put_line(const struct letter *letter, struct piece *piece, const char *before,
                     struct sluice_span value, const char *behind)
{
    put_text(piece, before);
    put(piece, value.ptr, value.len);
    put_text(piece, behind);
    put_eol(letter, piece);
}

static void put_head(const struct letter *letter, struct piece *piece)
{
    struct sluice_span sender = letter->message->sender.len > 0
                                    ? letter->message->sender
                                    : sluice_span_of(letter->format->null_sender);
    char date[DATE_SIZE + 2] = "  ";

    format_date(letter->now_ms, date + 2);
    if (has(letter, LETTER_FROM))
        put_line(letter, piece, FROM, sender.len > 0 ? sender : sluice_span_of("MAILER-DAEMON"),
                 date);
    if (has(letter, LETTER_RETURN_PATH))
        put_line(letter, piece, "Return-Path: <", sender, ">");
    if (has(letter, LETTER_ORIGINAL))
        put_line(letter, piece, "X-Original-To: ", sluice_recipient_original(letter->recipient),
                 "");
    if (has(letter, LETTER_DELIVERED))
        put_line(letter, piece, "Delivered-To: ", letter->recipient->address, "");
}

/* ---- the content ----------------------------------------------------------------------------- */

/* What was kept back was no "From ". */
static void put_matched(struct letter *letter, struct piece *piece)
{
    put(piece, FROM, letter->matched);
    letter->matched = 0;
}

/* True: c is kept back, or has been put with what was. */
static bool match_from(struct letter *letter, struct piece *piece, char c)
{
    bool is_candidate = letter->is_line_start || letter->matched > 0;

    if (!has(letter, LETTER_QUOTE_FROM) || !is_candidate || c != FROM[letter->matched]) {
        put_matched(letter, piece);
        return false;
    }
    letter->is_line_start = false;
    if (++letter->matched == FROM_LEN) {
        put_text(piece, ">");
        put_matched(letter, piece);
    }
    return true;
}

static void put_byte(struct letter *letter, struct piece *piece, char c)
{
    if (match_from(letter, piece, c))
        return;
    if (letter->is_line_start && c == '.' && has(letter, LETTER_DOT))
        put_text(piece, ".");
    letter->is_line_start = false;
    put(piece, &c, 1);
}

static void put_content(struct letter *letter, struct piece *piece, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (letter->has_cr && bytes[i] != '\n')
            put_byte(letter, piece, '\r');
        letter->has_cr = bytes[i] == '\r';
        if (bytes[i] == '\n') {
            put_matched(letter, piece);
            put_eol(letter, piece);
            letter->is_line_start = true;
        } else if (!letter->has_cr) {
            put_byte(letter, piece, bytes[i]);
        }
    }
}

/* The content's last line is complete. */
static void put_end(struct letter *letter, struct piece *piece)
{
    put_matched(letter, piece);
    if (has(letter, LETTER_BLANK))
        put_eol(letter, piece);
    letter->is_over = true;
}

sluice_status letter_next(struct letter *letter, char *piece, size_t size, size_t *ret_len)
{
    const struct sluice_message *message = letter->message;
    struct piece to = {.at = piece, .end = piece + size};
    size_t len = 0;

    while (to.at == piece && !letter->is_over) {
        if (!letter->has_begun) {
            put_head(letter, &to);
            letter->has_begun = true;
        } else if (message->read(message, letter->offset, letter->in, sizeof(letter->in), &len) !=
                       SLUICE_OK ||
                   (len == 0 && letter->offset < message->size)) {
            return SLUICE_TEMP; /* half a message is none */
        } else {
            put_content(letter, &to, letter->in, len);
            letter->offset += len;
            if (letter->offset >= message->size)
                put_end(letter, &to);
        }
    }
    *ret_len = (size_t)(to.at - piece);
    return to.is_full ? SLUICE_TEMP : SLUICE_OK; /* an address that is longer than all limits */
}
