/* SPDX-License-Identifier: ISC */
/*
 * log: one event, one line; never waits for the reader of the log.
 *
 * Lines go into a bounded ring that a thread of its own writes out, to standard error or syslog.
 * When the ring is full lines are dropped, counted, and the count is said with the next line.
 * Peers' bytes go in through log_quote(); control characters that slip through are made visible.
 *
 * Order: log_start once in each process (before it, lines go to standard error at once), log_stop
 * before the process ends. Everything else from any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "sluice/types.h"

enum log_level { /* the SDK's numbers */
    LOG_LEVEL_ERROR = 1,
    LOG_LEVEL_WARNING = 2,
    LOG_LEVEL_NOTICE = 3,
    LOG_LEVEL_INFO = 4,
    LOG_LEVEL_DEBUG = 5,
};

enum log_target {
    LOG_TO_STDERR,
    LOG_TO_SYSLOG,
};

/* role: "queue", shown as sluice/queue[pid]; must stay valid. */
void log_start(const char *role, enum log_target target, enum log_level max_level);
/* Writes out what is in the ring and ends the thread. */
void log_stop(void);

void log_write(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Writes bytes as printable ASCII into out (control and 8-bit characters as ?; UTF-8 passes), cut
 * to fit with a NUL. Returns out. */
const char *log_quote(struct sluice_span bytes, char *out, size_t out_size);

/*
 * A failure that repeats: said at once, then at growing intervals (1 min doubling to 1 h) with the
 * count of what was not said; complain_over says once that it is over.
 */
struct complaint {
    int64_t next_ms;
    int64_t interval_ms;
    uint64_t unsaid;
};
void complain(struct complaint *complaint, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void complain_over(struct complaint *complaint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
