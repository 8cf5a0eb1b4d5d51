/* SPDX-License-Identifier: ISC */
/*
 * reply: see reply.h.
 */
#include "reply.h"

#define CODE_LEN 3       /* digits of a reply code */
#define DSN_DIGITS_MAX 3 /* RFC 3463 2: subject and detail have up to three digits */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The code that a line starts with, or -1. Any three digits: a peer that answers with a class that
 * nobody knows is still in step. */
static int parse_code(struct sluice_span line)
{
    if (line.len < CODE_LEN || !is_digit(line.ptr[0]) || !is_digit(line.ptr[1]) ||
        !is_digit(line.ptr[2]))
        return -1;
    if (line.len > CODE_LEN && line.ptr[CODE_LEN] != ' ' && line.ptr[CODE_LEN] != '-')
        return -1;
    return (line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + (line.ptr[2] - '0');
}

/* A line that does not fit is left out whole: half of "SIZE 10000000" would be another limit. */
static void add_text(struct reply *reply, struct sluice_span line)
{
    if (line.len + 1 > REPLY_TEXT_MAX - reply->text_len)
        return;
    if (reply->text_len > 0)
        reply->text[reply->text_len++] = '\n';
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];

        /* A peer's text ends in logs and reports: nothing in it may act on a terminal. */
        reply->text[reply->text_len++] = c == '\t' ? ' ' : c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    reply->text[reply->text_len] = '\0';
}

static enum reply_progress refuse_line(struct reply *reply, struct sluice_span line)
{
    reply_init(reply);
    add_text(reply, line);
    return REPLY_BAD;
}

void reply_init(struct reply *reply)
{
    reply->code = 0;
    reply->line_count = 0;
    reply->text_len = 0;
    reply->text[0] = '\0';
}

enum reply_progress reply_add_line(struct reply *reply, struct sluice_span line)
{
    int code = parse_code(line);

    /* RFC 5321 4.2.1: all lines of a reply have the same code. */
    if (code == -1 || (reply->line_count > 0 && code != reply->code) ||
        reply->line_count == REPLY_LINES_MAX)
        return refuse_line(reply, line);
    reply->code = code;
    reply->line_count++;
    add_text(reply, line);
    return line.len > CODE_LEN && line.ptr[CODE_LEN] == '-' ? REPLY_MORE : REPLY_DONE;
}

int reply_class(const struct reply *reply)
{
    return reply->code / 100;
}

struct sluice_span reply_line(const struct reply *reply, size_t index)
{
    const char *start = reply->text;
    struct sluice_span line = {NULL, 0};
    size_t len;

    for (size_t i = 0; i < index && start != NULL; i++) {
        start = strchr(start, '\n');
        if (start != NULL)
            start++;
    }
    if (start == NULL)
        return line;
    len = strcspn(start, "\n");
    if (len > CODE_LEN + 1) {
        line.ptr = start + CODE_LEN + 1;
        line.len = len - CODE_LEN - 1;
    }
    return line;
}

/* ".digits" at text: its length, or 0. */
static size_t dsn_part(const char *text, size_t len)
{
    size_t digits = 0;

    if (len == 0 || text[0] != '.')
        return 0;
    while (1 + digits < len && is_digit(text[1 + digits]))
        digits++;
    return digits >= 1 && digits <= DSN_DIGITS_MAX ? 1 + digits : 0;
}

/* Length of the enhanced status code that the first line starts with, or 0. */
static size_t dsn_len(const struct reply *reply, struct sluice_span line)
{
    size_t subject, detail, len;

    /* RFC 2034 4: its class agrees with the code's first digit; what does not is no such code. */
    if (line.len < 1 || line.ptr[0] != '0' + reply_class(reply))
        return 0;
    subject = dsn_part(line.ptr + 1, line.len - 1);
    if (subject == 0)
        return 0;
    detail = dsn_part(line.ptr + 1 + subject, line.len - 1 - subject);
    if (detail == 0)
        return 0;
    len = 1 + subject + detail;
    return len == line.len || line.ptr[len] == ' ' ? len : 0;
}

int reply_has_dsn(const struct reply *reply)
{
    return dsn_len(reply, reply_line(reply, 0)) > 0;
}

void reply_dsn(const struct reply *reply, int class, char dsn[REPLY_DSN_MAX])
{
    struct sluice_span line = reply_line(reply, 0);
    size_t len = dsn_len(reply, line);

    if (len > 0) {
        memcpy(dsn, line.ptr, len);
        dsn[len] = '\0';
    } else {
        memcpy(dsn, "0.0.0", sizeof("0.0.0"));
    }
    dsn[0] = (char)('0' + class);
}
