/* SPDX-License-Identifier: ISC */
/* loop: see loop.h. */
#include "loop.h"

#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>

#define DELIVERED_TO "Delivered-To:"
#define HEADER_MAX ((uint64_t)1024 * 1024) /* that is looked through */
#define LINE_MAX_LEN 2048                  /* of which so much of each line */

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

sluice_status loop_find(const struct sluice_message *message, struct sluice_span address)
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
