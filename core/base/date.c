/* SPDX-License-Identifier: ISC */
#include "base/date.h"

#include <string.h>
#include <time.h>

/* Of a whole second's messages: a date takes 0.5 µs to make. */
static _Thread_local struct {
    time_t seconds;
    char text[DATE_TEXT_SIZE]; /* empty: none yet */
} last;

const char *date_format(int64_t wall_ms, char text[DATE_TEXT_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;

    if (last.text[0] == '\0' || last.seconds != seconds) {
        last.seconds = seconds;
        if (localtime_r(&seconds, &parts) == NULL ||
            strftime(last.text, DATE_TEXT_SIZE, "%a, %d %b %Y %H:%M:%S %z (%Z)", &parts) == 0)
            last.text[0] = '\0';
    }
    memcpy(text, last.text, DATE_TEXT_SIZE);
    return text;
}
