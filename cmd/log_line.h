/* SPDX-License-Identifier: ISC */
/*
 * log_line: a line of our log, in any of its forms, as the object that its JSON form is.
 */
#ifndef CMD_LOG_LINE_H
#define CMD_LOG_LINE_H

#include "sluice/types.h"

#include <jansson.h>

/*
 * From text (files of ours and of syslog daemons), our JSON, or journalctl -o json. Always has time,
 * component and event; where the line is about a message queue_id and what we say in fields. An event
 * that is not known in text is "note", with its text. The caller's; NULL: no line of ours, or no
 * memory.
 */
json_t *log_line_parse(struct sluice_span line);
/* When it was, in milliseconds since 1970; 0 where the line's time does not say the year. */
int64_t log_line_ms(const json_t *event);

#endif
