/* SPDX-License-Identifier: ISC */
/* failure: how the queue stores say what went wrong. */
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 512

sluice_status failure(const struct sluice_errors *errors, sluice_status status, const char *dsn,
                      const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    if (errors == NULL)
        return status;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* a longer text is cut, no harm */
    va_end(args);
    errors->explain(errors, dsn, text);
    return status;
}

sluice_status failure_errno(const struct sluice_errors *errors, const char *what, const char *name)
{
    int error = errno;
    const char *reason = strerrordesc_np(error);
    int is_full = error == ENOSPC || error == EDQUOT;

    return failure(errors, SLUICE_TEMP, is_full ? "4.3.1" : "4.3.0", "%s %s: %s", what, name,
                   reason != NULL ? reason : "unknown error");
}
