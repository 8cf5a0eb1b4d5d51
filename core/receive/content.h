/* SPDX-License-Identifier: ISC */
/*
 * content: from what comes after DATA to the content of a message (RFC 5321 4.1.1.4, 4.5.2).
 *
 * End of data is CRLF.CRLF and nothing else. A dot at the beginning of a line is taken off. Proper
 * lines come out byte for byte; a bare LF becomes CRLF and a bare CR a space, so that what is stored
 * consists of proper lines only, and no peer can take a part of it for an end of data.
 *
 * What comes in chunks (BDAT, RFC 3030) has no dots to be taken off and no mark at its end: set
 * is_counted, and call content_end.
 *
 * A machine that takes bytes in any portions and never allocates; nothing waits.
 */
#ifndef RECEIVE_CONTENT_H
#define RECEIVE_CONTENT_H

#include "receive/header_scan.h"

#include <stdbool.h>

#define CONTENT_ROOM_MIN 3 /* bytes of room that content_feed needs to get on */

enum content_state {
    CONTENT_LINE_START = 0,
    CONTENT_DOT,    /* behind a dot at the beginning of a line */
    CONTENT_DOT_CR, /* behind that dot and CR */
    CONTENT_TEXT,
    CONTENT_TEXT_CR,
};

/* Zero it, set reject_characters. */
struct content {
    struct sluice_span reject_characters; /* borrowed */
    bool is_counted;
    enum content_state state;
    bool is_after_bare_lf; /* the line before the present one ended in a bare LF */
    bool is_done;          /* the end of data has been reached */
    bool has_bare_lf;
    bool has_8bit;     /* the caller may set it, for what it puts before or behind */
    bool has_rejected; /* one of reject_characters */
    uint64_t size;     /* of the content so far */
    struct header_scan header;
};

/*
 * Takes bytes of in until its end, the end of data, or until less than CONTENT_ROOM_MIN bytes of
 * room are left in out; returns how many it took and writes how many it put out.
 */
size_t content_feed(struct content *content, struct sluice_span in, char *out, size_t room,
                    size_t *ret_written);
/* The end of counted content: puts out what a last line without its end lacks; how many bytes. */
size_t content_end(struct content *content, char out[CONTENT_ROOM_MIN]);

#endif
