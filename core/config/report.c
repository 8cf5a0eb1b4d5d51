/* SPDX-License-Identifier: ISC */
/*
 * report: see report.h.
 */
#include "config/report.h"

#include <stdio.h>
#include <stdlib.h>

#define REPORT_TEXT_MAX 1024

void report_done(struct report *report)
{
    buffer_done(&report->text);
    free(report->failed);
    *report = (struct report)REPORT_INIT;
}

static bool has_failed(const struct report *report, struct place place)
{
    for (size_t i = 0; i < report->failed_count; i++) {
        if (report->failed[i].line == place.line && strcmp(report->failed[i].file, place.file) == 0)
            return true;
    }
    return false;
}

/* Without memory the place is not remembered, and more is said than need be. */
static void remember(struct report *report, struct place place)
{
    struct place *failed =
        realloc(report->failed, (report->failed_count + 1) * sizeof(*report->failed));

    if (failed == NULL)
        return;
    report->failed = failed;
    report->failed[report->failed_count++] = place;
}

static void add_line(struct report *report, struct place place, const char *kind,
                     const char *format, va_list arguments)
{
    char text[REPORT_TEXT_MAX];

    (void)vsnprintf(text, sizeof(text), format, arguments); /* cut off if need be */
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    if (place.file == NULL)
        buffer_printf(&report->text, "%s%sdefault: %s%s\n",
                      report->path != NULL ? report->path : "", report->path != NULL ? ":" : "",
                      kind, text);
    else if (place.line == 0)
        buffer_printf(&report->text, "%s: %s%s\n", place.file, kind, text);
    else
        buffer_printf(&report->text, "%s:%u: %s%s\n", place.file, place.line, kind, text);
}

void report_error(struct report *report, struct place place, const char *format, ...)
{
    bool has_line = place.file != NULL && place.line > 0;

    if (has_line && has_failed(report, place))
        return;
    va_list arguments;
    va_start(arguments, format);
    add_line(report, place, "", format, arguments);
    va_end(arguments);
    report->error_count++;
    if (has_line)
        remember(report, place);
}

void report_warning(struct report *report, struct place place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add_line(report, place, "warning: ", format, arguments);
    va_end(arguments);
    report->warning_count++;
}
