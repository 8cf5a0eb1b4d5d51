/* SPDX-License-Identifier: ISC */
/*
 * header_scan: reads along while a message comes in, until the end of its header: counts Received
 * fields and remembers the Message-ID for the log.
 */
#ifndef RECEIVE_HEADER_SCAN_H
#define RECEIVE_HEADER_SCAN_H

#include "sluice/types.h"

#include <stdbool.h>

#define HEADER_SCAN_NAME_MAX 12        /* longer names are none of ours */
#define HEADER_SCAN_MESSAGE_ID_MAX 200 /* longer ones are cut in the log */

/* Zero it to initialise. */
struct header_scan {
    bool is_over;
    bool is_in_value; /* of the present line */
    bool is_wanted;   /* the value is that of a Message-ID */
    unsigned column;  /* in the present line, up to HEADER_SCAN_NAME_MAX */
    char name[HEADER_SCAN_NAME_MAX];
    unsigned received_count;
    size_t message_id_len;
    char message_id[HEADER_SCAN_MESSAGE_ID_MAX];
};

/* The next bytes of the content; lines end in CRLF. */
void header_scan_feed(struct header_scan *scan, const char *bytes, size_t len);

#endif
