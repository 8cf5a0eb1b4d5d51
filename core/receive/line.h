/* SPDX-License-Identifier: ISC */
/*
 * line: reading a command's line.
 */
#ifndef RECEIVE_LINE_H
#define RECEIVE_LINE_H

#include "receive/session.h"

struct line {
    struct sluice_span text; /* without its end */
    bool is_bare;            /* it ended in a bare LF */
    bool is_too_long;        /* its text is lost */
};

/* The next line, which stays in the stream's buffer until line_drop. Anything but OK is for
 * session_lost. [task: waits] */
sluice_status line_read(struct session *session, struct line *ret_line);
/* The line is not needed any more; what follows it is next in the stream. */
void line_drop(struct session *session);

#endif
