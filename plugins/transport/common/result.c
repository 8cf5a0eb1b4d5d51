/* SPDX-License-Identifier: ISC */
/* result: see result.h. */
#include "result.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static void set(struct result *result, sluice_status status, const char *dsn, const char *format,
                va_list arguments)
{
    result->status = status;
    (void)snprintf(result->dsn, sizeof(result->dsn), "%s", dsn);
    (void)vsnprintf(result->text, sizeof(result->text), format, arguments);
}

sluice_status result_set(struct result *result, sluice_status status, const char *dsn,
                         const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    set(result, status, dsn, format, arguments);
    va_end(arguments);
    return status;
}

sluice_status result_set_errno(struct result *result, int error, const char *format, ...)
{
    bool is_over_limit = error == EDQUOT || error == EFBIG;
    const char *dsn = is_over_limit ? "5.2.2" : error == ENOSPC ? "4.3.1" : "4.2.0";
    va_list arguments;

    va_start(arguments, format);
    set(result, is_over_limit ? SLUICE_PERM : SLUICE_TEMP, dsn, format, arguments);
    va_end(arguments);
    size_t len = strlen(result->text);
    (void)snprintf(result->text + len, sizeof(result->text) - len, ": %s", strerror(error));
    return result->status;
}

void result_prefix(struct result *result, const char *format, ...)
{
    char text[RESULT_TEXT_MAX];
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof(text))
        return; /* the reason itself is worth more */
    (void)snprintf(text + len, sizeof(text) - (size_t)len, "%s", result->text);
    memcpy(result->text, text, sizeof(text));
}

struct sluice_result result_full(const struct result *result)
{
    return (struct sluice_result){
        .struct_size = sizeof(struct sluice_result),
        .status = result->status,
        .dsn = result->dsn,
        .text = result->text,
        .flags = result->status == SLUICE_OK ? SLUICE_RESULT_FINAL : 0,
    };
}

void result_report(const struct result *result, const struct sluice_report *report, size_t index)
{
    const struct sluice_result full = result_full(result);

    report->result(report, index, &full);
}
