/* SPDX-License-Identifier: ISC */
/*
 * log_render: a line of the log as text or as fields, without what all lines have: time, host, name.
 * Pure, on the thread of whoever logs.
 */
#ifndef BASE_LOG_RENDER_H
#define BASE_LOG_RENDER_H

#include "base/log.h"

#define LOG_TEXT_SIZE 4096   /* with its NUL; longer ones are cut */
#define LOG_FIELDS_SIZE 4096 /* what does not fit is left out, field by field */

enum log_rendering {
    LOG_RENDER_TEXT,    /* text alone */
    LOG_RENDER_JSON,    /* fields: the members of an object; no text */
    LOG_RENDER_JOURNAL, /* text, and fields as lines NAME=value */
};

struct log_rendered {
    char text[LOG_TEXT_SIZE];
    char fields[LOG_FIELDS_SIZE];
};

/* The text of warnings and errors begins with the word that tools look for. */
void log_render_prose(enum log_rendering rendering, enum log_level level, const char *text,
                      struct log_rendered *rendered);
void log_render_event(enum log_rendering rendering, const struct log_event *event,
                      const struct log_field *fields, size_t count, struct log_rendered *rendered);

#endif
