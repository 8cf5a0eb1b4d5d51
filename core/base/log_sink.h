/* SPDX-License-Identifier: ISC */
/*
 * log_sink: where lines go, in the form that is usual there. There is one in a process; log.c sees
 * to it that only one thread at a time is in here. Writing may wait.
 */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

#include "base/log_render.h"

struct log_line {
    enum log_level level;
    int64_t wall_ms;
    const char *component;
    const char *text;
    const char *fields;
};

/* How lines have to be rendered for these settings. */
enum log_rendering log_sink_rendering(const struct log_settings *settings);
/* Closes the file of the settings before, unless it is the same. */
void log_sink_set(const struct log_settings *settings);
/* The line may stay in a buffer until log_sink_flush. */
void log_sink_put(const struct log_line *line);
void log_sink_flush(void);

#endif
