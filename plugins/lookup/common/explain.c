/* SPDX-License-Identifier: ISC */
/* explain: see explain.h. */
#include "explain.h"

#include <stdarg.h>
#include <stdio.h>

sluice_status explain(const struct sluice_errors *errors, sluice_status status, const char *format,
                      ...)
{
    char text[EXPLAIN_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    errors->explain(errors, status == SLUICE_CONFIG ? "4.3.5" : "4.3.0", text);
    return status;
}
