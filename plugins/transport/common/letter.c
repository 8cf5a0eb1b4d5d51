/* SPDX-License-Identifier: ISC */
/* letter: see letter.h. */
#include "letter.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#define FROM "From "
#define FROM_LEN ((int)sizeof(FROM) - 1)
#define NO_FROM (-1)

#define DELIVERED_TO "Delivered-To:"
#define HEADER_MAX ((uint64_t)1024 * 1024) /* that is looked through */
#define LINE_MAX_LEN 2048                  /* of which so much of each line */

/* ---- what goes before ------------------------------------------------------------------------ */

void letter_init(struct letter *letter, const struct sluice_message *message,
                 const struct sluice_recipient *recipient, bool is_mbox)
{
    letter->message = message;
    letter->recipient = recipient;
    letter->is_mbox = is_mbox;
    letter->is_over = false;
    letter->offset = 0;
    letter->from_len = 0;
    letter->has_cr = false;
}

/* "Thu Nov 22 10:49:26 2026", local time: the form that readers of mboxes know. */
static void format_date(int64_t now_ms, char date[32])
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;

    date[0] = '\0';
    if (localtime_r(&seconds, &parts) != NULL)
        (void)strftime(date, 32, "%a %b %e %H:%M:%S %Y", &parts);
}

static int len_of(struct sluice_span span)
{
    return (int)span.len; /* addresses are short */
}

size_t letter_head(const struct letter *letter, int64_t now_ms, char head[LETTER_HEAD_MAX])
{
    struct sluice_span sender = letter->message->sender;
    struct sluice_span from = sender.len > 0 ? sender : sluice_span_of("MAILER-DAEMON");
    struct sluice_span original = sluice_recipient_original(letter->recipient);
    struct sluice_span to = letter->recipient->address;
    char date[32];
    int start = 0;
    int len;

    format_date(now_ms, date);
    if (letter->is_mbox)
        start = snprintf(head, LETTER_HEAD_MAX, FROM "%.*s  %s\n", len_of(from), from.ptr, date);
    if (start < 0 || (size_t)start >= LETTER_HEAD_MAX)
        return 0;
    len = snprintf(head + start, LETTER_HEAD_MAX - (size_t)start,
                   "Return-Path: <%.*s>\nX-Original-To: %.*s\n" DELIVERED_TO " %.*s\n",
                   len_of(sender), sender.len > 0 ? sender.ptr : "", len_of(original), original.ptr,
                   len_of(to), to.ptr);
    return len < 0 || (size_t)(start + len) >= LETTER_HEAD_MAX ? 0 : (size_t)(start + len);
}

/* ---- the content ----------------------------------------------------------------------------- */

/* What has been kept back was no "From ". */
static char *put_from(struct letter *letter, char *to)
{
    for (int i = 0; i < letter->from_len; i++)
        *to++ = FROM[i];
    letter->from_len = NO_FROM;
    return to;
}

static char *put(struct letter *letter, char c, char *to)
{
    if (letter->from_len != NO_FROM && c == FROM[letter->from_len]) {
        if (++letter->from_len < FROM_LEN)
            return to;
        if (letter->is_mbox)
            *to++ = '>';
        return put_from(letter, to);
    }
    if (letter->from_len != NO_FROM)
        to = put_from(letter, to);
    if (letter->has_cr && c != '\n')
        *to++ = '\r';
    letter->has_cr = c == '\r';
    if (!letter->has_cr)
        *to++ = c;
    if (c == '\n')
        letter->from_len = 0;
    return to;
}

/* The content's last line is complete; an empty one behind it parts it from the next message. */
static char *finish(struct letter *letter, char *to)
{
    letter->is_over = true;
    if (letter->from_len > 0)
        to = put_from(letter, to);
    if (letter->is_mbox)
        *to++ = '\n';
    return to;
}

sluice_status letter_next(struct letter *letter, char piece[LETTER_PIECE_MAX], size_t *ret_len)
{
    const struct sluice_message *message = letter->message;
    char *to = piece;
    size_t len = 0;

    if (message->read(message, letter->offset, letter->in, sizeof(letter->in), &len) != SLUICE_OK)
        return SLUICE_TEMP;
    if (len == 0 && letter->offset < message->size)
        return SLUICE_TEMP; /* against its promise: half a message is none */
    letter->offset += len;
    for (size_t i = 0; i < len; i++)
        to = put(letter, letter->in[i], to);
    if (letter->offset >= message->size)
        to = finish(letter, to);
    *ret_len = (size_t)(to - piece);
    return SLUICE_OK;
}

/* ---- loops ----------------------------------------------------------------------------------- */

struct scan {
    struct sluice_span address;
    char line[LINE_MAX_LEN];
    size_t len;
    bool is_found;
    bool is_over; /* the header has ended */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void look_at_line(struct scan *scan)
{
    size_t name_len = sizeof(DELIVERED_TO) - 1;
    const char *value = scan->line + name_len;

    if (scan->len > 0 && scan->line[scan->len - 1] == '\r')
        scan->len--;
    if (scan->len == 0)
        scan->is_over = true;
    if (scan->len < name_len || strncasecmp(scan->line, DELIVERED_TO, name_len) != 0)
        return;
    size_t len = scan->len - name_len;
    for (; len > 0 && is_blank(*value); value++)
        len--;
    while (len > 0 && is_blank(value[len - 1]))
        len--;
    if (len == scan->address.len && strncasecmp(value, scan->address.ptr, len) == 0)
        scan->is_found = true;
}

static void look_at_piece(struct scan *scan, const char *piece, size_t len)
{
    for (size_t i = 0; i < len && !scan->is_over && !scan->is_found; i++) {
        if (piece[i] == '\n') {
            look_at_line(scan);
            scan->len = 0;
        } else if (scan->len < sizeof(scan->line)) {
            scan->line[scan->len++] = piece[i];
        }
    }
}

sluice_status letter_was_delivered_to(const struct sluice_message *message,
                                      struct sluice_span address)
{
    struct scan *scan = calloc(1, sizeof(*scan));
    sluice_status st = SLUICE_OK;
    uint64_t offset = 0;
    char piece[4096];
    size_t len = 1;

    if (scan == NULL)
        return SLUICE_TEMP;
    scan->address = address;
    while (st == SLUICE_OK && len > 0 && !scan->is_over && !scan->is_found && offset < HEADER_MAX) {
        st = message->read(message, offset, piece, sizeof(piece), &len);
        if (st != SLUICE_OK)
            break;
        look_at_piece(scan, piece, len);
        offset += len;
    }
    if (st == SLUICE_OK && !scan->is_found)
        st = SLUICE_NOT_FOUND;
    else if (st != SLUICE_OK)
        st = SLUICE_TEMP;
    free(scan);
    return st;
}
