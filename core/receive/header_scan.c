/* SPDX-License-Identifier: ISC */
/*
 * header_scan: one byte at a time; a header is short against what follows it.
 */
#include "receive/header_scan.h"

#include "base/span.h"

/* A field's name is complete: what is it to us? */
static void begin_value(struct header_scan *scan)
{
    struct sluice_span name = {.ptr = scan->name, .len = scan->column};

    scan->is_in_value = true;
    scan->is_wanted = false;
    if (span_equal_case(name, SPAN_LITERAL("Received")))
        scan->received_count++;
    if (span_equal_case(name, SPAN_LITERAL("Message-ID")))
        scan->is_wanted = scan->message_id_len == 0;
}

/* The value may stand on a continued line (RFC 5322 2.2.3); blanks are no part of it. */
static void add_to_value(struct header_scan *scan, char c)
{
    if (scan->is_wanted && c > ' ' && scan->message_id_len < HEADER_SCAN_MESSAGE_ID_MAX)
        scan->message_id[scan->message_id_len++] = c;
}

static void begin_line(struct header_scan *scan, char c)
{
    if (c == ' ' || c == '\t') { /* goes on with the field before */
        scan->is_in_value = true;
        scan->column = 1;
        return;
    }
    scan->is_in_value = false;
    scan->is_wanted = false;
    scan->name[0] = c;
    scan->column = 1;
}

static void feed_byte(struct header_scan *scan, char c)
{
    if (c == '\n') {
        scan->is_over = scan->column == 0;
        scan->column = 0;
    } else if (c == '\r') {
        return; /* the line feed follows */
    } else if (scan->column == 0) {
        begin_line(scan, c);
    } else if (scan->is_in_value) {
        add_to_value(scan, c);
    } else if (c == ':') {
        begin_value(scan);
    } else if (c != ' ' && c != '\t' && scan->column < HEADER_SCAN_NAME_MAX) {
        scan->name[scan->column++] = c;
    }
}

void header_scan_feed(struct header_scan *scan, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len && !scan->is_over; i++)
        feed_byte(scan, bytes[i]);
}
