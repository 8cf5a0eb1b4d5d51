/* SPDX-License-Identifier: ISC */
/*
 * report: what is wrong with a configuration, all of it, each with the file and line it comes from.
 *
 * A line of the configuration that has an error already gets no second one: what follows from the
 * first mistake is not worth reading. Texts never contain values of secret options.
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
    const char *path;     /* of the configuration, for what is a default; may be NULL */
    struct buffer text;   /* lines that end in LF */
    struct place *failed; /* where errors are */
    size_t failed_count;
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

#endif
