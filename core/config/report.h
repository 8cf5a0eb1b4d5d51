/* SPDX-License-Identifier: ISC */
/*
 * report: what is wrong with a configuration, all of it, each with the file and line it comes from.
 *
 * What has been said of a line of the configuration is not said again: many may find the same
 * mistake. Of a line whose form is wrong nothing else is said: what was made of it is not what it
 * means. Texts never contain values of secret options.
 */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include "base/buffer.h"

/* Where something was written. file NULL: nowhere, it is a default. */
struct place {
    const char *file;
    unsigned line;
};

#define PLACE_DEFAULT ((struct place){.file = NULL})

struct report {
    const char *path;   /* of the configuration, for what is a default; may be NULL */
    struct buffer text; /* lines that end in LF */
    size_t form_len;    /* of those that are about the form of the file */
    size_t error_count;
    size_t warning_count;
};

#define REPORT_INIT                                                                                \
    {                                                                                              \
        0                                                                                          \
    }

void report_done(struct report *report);
/* "FILE:LINE: text"; "FILE:default: text" for what no line says. */
void report_error(struct report *report, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "FILE:LINE: warning: text" */
void report_warning(struct report *report, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What has been said so far is about the form. */
void report_end_form(struct report *report);

#endif
