/* SPDX-License-Identifier: ISC */
#include "base/date.h"

#include <time.h>

const char *date_format(int64_t wall_ms, char text[DATE_TEXT_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;

    if (localtime_r(&seconds, &parts) == NULL ||
        strftime(text, DATE_TEXT_SIZE, "%a, %d %b %Y %H:%M:%S %z (%Z)", &parts) == 0)
        text[0] = '\0';
    return text;
}
