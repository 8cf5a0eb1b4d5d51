/* SPDX-License-Identifier: ISC */
/*
 * report: see report.h.
 */
#include "config/report.h"

#include "base/span.h"

#include <stdio.h>

#define REPORT_TEXT_MAX 1024

void report_done(struct report *report)
{
    buffer_done(&report->text);
    *report = (struct report)REPORT_INIT;
}

/* "FILE:LINE: " */
static void put_place(const struct report *report, struct place place, struct buffer *line)
{
    if (place.file == NULL)
        buffer_printf(line, "%s%sdefault: ", report->path != NULL ? report->path : "",
                      report->path != NULL ? ":" : "");
    else if (place.line == 0)
        buffer_printf(line, "%s: ", place.file);
    else
        buffer_printf(line, "%s:%u: ", place.file, place.line);
}

/* True if one of the lines begins like that. */
static bool has_line(struct sluice_span lines, struct sluice_span begin)
{
    bool is_found = false;

    while (!is_found && lines.len > 0) {
        is_found = span_equal(span_first(lines, begin.len), begin);
        lines = span_skip(lines, span_find(lines, '\n') + 1);
    }
    return is_found;
}

/* False: nothing was said. */
static bool add_line(struct report *report, struct place place, const char *kind,
                     const char *format, va_list arguments)
{
    struct sluice_span said = buffer_span(&report->text);
    struct buffer line = BUFFER_INIT;
    char text[REPORT_TEXT_MAX];

    (void)vsnprintf(text, sizeof(text), format, arguments); /* cut off if need be */
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    put_place(report, place, &line);
    bool is_malformed = has_line(span_first(said, report->form_len), buffer_span(&line));
    buffer_printf(&line, "%s%s\n", kind, text);
    bool is_new = !is_malformed && !has_line(said, buffer_span(&line));
    if (is_new)
        buffer_add_span(&report->text, buffer_span(&line));
    buffer_done(&line);
    return is_new;
}

void report_end_form(struct report *report)
{
    report->form_len = report->text.len;
}

void report_error(struct report *report, struct place place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (add_line(report, place, "", format, arguments))
        report->error_count++;
    va_end(arguments);
}

void report_warning(struct report *report, struct place place, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (add_line(report, place, "warning: ", format, arguments))
        report->warning_count++;
    va_end(arguments);
}
