/* SPDX-License-Identifier: ISC */
/*
 * log: one event, one line; never waits for the reader of the log.
 *
 * Lines go into a bounded ring that a thread of its own writes out. When the ring is full lines are
 * dropped, counted, and the count is said with the next line.
 *
 * Two ways to say something: prose (log_notice, ...), and events (log_event), which have fields. The
 * text of an event is what the tools of Postfix's world read; as JSON and in the journal it is its
 * fields, with their types.
 *
 * Order: log_start once in each process (before it, lines go to standard error at once), log_stop
 * before the process ends. Everything else from any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "sluice/types.h"

#include <stdbool.h>

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
    LOG_TO_JOURNAL, /* systemd's, by its native protocol */
    LOG_TO_FILE,
};

enum log_format {
    LOG_AS_TEXT,
    LOG_AS_JSON, /* one object a line; not in the journal, which has fields anyway */
};

#define LOG_NAME_SIZE 64
#define LOG_FACILITY_SIZE 16
#define LOG_SOCKET_PATH_SIZE 108

struct log_settings {
    enum log_target target;
    enum log_format format;
    enum log_level max_level;
    int file_fd; /* LOG_TO_FILE: opened for appending, and the log's from now on; -1: as before */
    char name[LOG_NAME_SIZE];           /* lines are marked with name/component[pid]; "": sluice */
    char facility[LOG_FACILITY_SIZE];   /* of syslog; "": mail */
    char journal[LOG_SOCKET_PATH_SIZE]; /* "": the system's socket */
};

/* component: what the process is, "qmgr"; copied like everything else. */
void log_start(const char *component, const struct log_settings *settings);
/* From the next line on; what is in the ring goes out in the new way, too. */
void log_change(const struct log_settings *settings);
/* LOG_TO_FILE: goes on in this file, and closes the one before. Takes fd over. */
void log_set_file(int fd);
/* Writes out what is in the ring and ends the thread. */
void log_stop(void);

/* ---- prose ----------------------------------------------------------------------------------- */

void log_write(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* ---- events ---------------------------------------------------------------------------------- */

enum log_field_type {
    LOG_FIELD_TEXT,
    LOG_FIELD_NUMBER,
    LOG_FIELD_ID,
    LOG_FIELD_SECONDS, /* one number of milliseconds, or several: an array, 1.2/0/0.05 in text */
};

struct log_field {
    const char *name;
    enum log_field_type type;
    bool is_absent; /* left out everywhere */
    struct sluice_span text;
    uint64_t number;
    const int64_t *times_ms;
    size_t count;
};

/*
 * text: with {name} where the field of that name goes. {before|name|after} is all of that, or nothing
 * if the field is absent.
 */
struct log_event {
    enum log_level level;
    const char *component; /* NULL: the process's own */
    const char *name;      /* of the kind of event: "delivery" */
    const char *text;
};

void log_event_write(const struct log_event *event, const struct log_field *fields, size_t count);

/* log_event(&event, log_id("queue_id", id), log_span("to", address)); */
#define log_event(event, ...)                                                                      \
    log_event_write((event), (const struct log_field[]){__VA_ARGS__},                              \
                    sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* Bytes of anybody's: control characters are made visible. */
static inline struct log_field log_span(const char *name, struct sluice_span text)
{
    return (struct log_field){.name = name, .text = text};
}

/* Absent if it is empty. */
static inline struct log_field log_span_if(const char *name, struct sluice_span text)
{
    return (struct log_field){.name = name, .text = text, .is_absent = text.len == 0};
}

static inline struct log_field log_text(const char *name, const char *text)
{
    return log_span(name, sluice_span_of(text));
}

static inline struct log_field log_number(const char *name, uint64_t number)
{
    return (struct log_field){.name = name, .type = LOG_FIELD_NUMBER, .number = number};
}

static inline struct log_field log_id(const char *name, uint64_t id)
{
    return (struct log_field){.name = name, .type = LOG_FIELD_ID, .number = id};
}

static inline struct log_field log_seconds(const char *name, const int64_t *times_ms, size_t count)
{
    return (struct log_field){
        .name = name, .type = LOG_FIELD_SECONDS, .times_ms = times_ms, .count = count};
}

/* ---- tools ----------------------------------------------------------------------------------- */

/* Writes bytes as printable characters into out (control and 8-bit characters as ?; UTF-8 passes),
 * cut to fit with a NUL. Returns out. */
const char *log_quote(struct sluice_span bytes, char *out, size_t out_size);

/* "error" to "debug", and back; false if it is none. */
const char *log_level_name(enum log_level level);
bool log_level_find(const char *name, enum log_level *ret_level);

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
