/* SPDX-License-Identifier: ISC */
/*
 * log: the ring, and the thread that empties it.
 *
 * The ring and its thread are one for each process, hence the static struct: whoever logs must be
 * able to, without being handed anything. A line is formatted on the caller's stack and copied into
 * the ring under a mutex that nobody holds while writing out.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/span.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024            /* with its NUL */
#define LOG_RING_LINES 4096          /* however short */
#define LOG_RING_BYTES (1024 * 1024) /* of text; allocated once, touched as it fills */
#define LOG_STOP_S 2                 /* log_stop waits so long for a reader that does not read */
#define LOG_IDENT_MAX 64

struct line {
    enum log_level level;
    uint32_t offset; /* of its text in the ring's bytes */
    uint32_t len;    /* without the NUL */
    int64_t wall_ms;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    char *bytes; /* NULL: not started, lines go out at once */
    struct line *lines;
    unsigned first; /* index of the oldest line */
    unsigned count;
    uint32_t next_byte;
    uint64_t dropped;
    int64_t next_loss_ms; /* when to speak of dropped lines again */
    bool is_stopping;
    bool is_idle; /* the thread has written out all that it was given */
    enum log_target target;
    enum log_level max_level;
    char ident[LOG_IDENT_MAX];
} ring = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .max_level = LOG_LEVEL_INFO,
    .ident = "sluice",
};

static const int syslog_priorities[] = {
    [LOG_LEVEL_ERROR] = LOG_ERR, [LOG_LEVEL_WARNING] = LOG_WARNING, [LOG_LEVEL_NOTICE] = LOG_NOTICE,
    [LOG_LEVEL_INFO] = LOG_INFO, [LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

/* ---- making text fit for a log --------------------------------------------------------------- */

/* Length of the character at the start; 0: it is none, or a control character. */
static size_t printable_len(struct sluice_span text)
{
    unsigned char first = (unsigned char)text.ptr[0];
    size_t len = span_utf8_len(text);
    bool is_c1 = first == 0xc2 && len == 2 && (unsigned char)text.ptr[1] < 0xa0;

    return first < 0x20 || first == 0x7f || is_c1 ? 0 : len;
}

const char *log_quote(struct sluice_span bytes, char *out, size_t out_size)
{
    size_t used = 0;

    while (bytes.len > 0) {
        size_t len = printable_len(bytes);
        size_t taken = len > 0 ? len : 1;
        if (used + taken >= out_size)
            break;
        if (len > 0)
            memmove(out + used, bytes.ptr, len);
        else
            out[used] = '?';
        used += taken;
        bytes = span_skip(bytes, taken);
    }
    if (out_size > 0)
        out[used] = '\0';
    return out;
}

/* ---- writing out ----------------------------------------------------------------------------- */

#define TIME_TEXT_SIZE 96 /* for what the compiler fears, not for what comes */

static void format_time(int64_t wall_ms, char out[TIME_TEXT_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    (void)snprintf(out, TIME_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                   (int)(wall_ms % 1000));
}

static void write_stderr(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, text, len);
        if (n == -1 && errno != EINTR && errno != EAGAIN)
            return; /* nobody is left to tell */
        if (n == -1 && errno == EAGAIN)
            (void)usleep(10000); /* somebody made it non-blocking; only our thread waits */
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
}

static void write_line(enum log_level level, int64_t wall_ms, const char *text)
{
    char out[LOG_LINE_MAX + LOG_IDENT_MAX + TIME_TEXT_SIZE];
    char when[TIME_TEXT_SIZE];

    if (ring.target == LOG_TO_SYSLOG) {
        syslog(syslog_priorities[level], "%s", text);
        return;
    }
    format_time(wall_ms, when);
    int len =
        snprintf(out, sizeof(out), "%s %s[%ld]: %s\n", when, ring.ident, (long)getpid(), text);
    if (len > 0)
        write_stderr(out, (size_t)len < sizeof(out) ? (size_t)len : sizeof(out) - 1);
}

/* Copies the oldest line out; the ring's lock is held. */
static bool take_line(struct line *line, char text[LOG_LINE_MAX])
{
    if (ring.count == 0)
        return false;
    *line = ring.lines[ring.first];
    memcpy(text, ring.bytes + line->offset, line->len + 1);
    ring.first = (ring.first + 1) % LOG_RING_LINES;
    ring.count--;
    return true;
}

/* The count of lost lines as a line: when all else is written, and in between once a second. The
 * lock is held. */
static bool take_loss(struct line *line, char text[LOG_LINE_MAX])
{
    int64_t now_ms = clock_monotonic_ms();

    if (ring.dropped == 0 || (ring.count > 0 && now_ms < ring.next_loss_ms))
        return false;
    *line = (struct line){.level = LOG_LEVEL_WARNING, .wall_ms = clock_wall_ms()};
    (void)snprintf(text, LOG_LINE_MAX, "%llu lines of the log were lost",
                   (unsigned long long)ring.dropped);
    ring.dropped = 0;
    ring.next_loss_ms = now_ms + 1000;
    return true;
}

static void *run_thread(void *unused)
{
    char text[LOG_LINE_MAX];
    struct line line;

    (void)unused;
    pthread_mutex_lock(&ring.lock);
    for (;;) {
        if (!take_loss(&line, text) && !take_line(&line, text)) {
            if (ring.is_stopping)
                break;
            pthread_cond_wait(&ring.changed, &ring.lock);
            continue;
        }
        pthread_mutex_unlock(&ring.lock);
        write_line(line.level, line.wall_ms, text);
        pthread_mutex_lock(&ring.lock);
    }
    ring.is_idle = true;
    pthread_cond_broadcast(&ring.changed);
    pthread_mutex_unlock(&ring.lock);
    return NULL;
}

/* ---- the ring -------------------------------------------------------------------------------- */

/* A place for size bytes in one piece; the lock is held. The used part of bytes begins with the
 * oldest line and ends at next_byte, and may wrap once. */
static bool find_room(uint32_t size, uint32_t *ret_offset)
{
    uint32_t end = LOG_RING_BYTES;

    if (ring.count == LOG_RING_LINES)
        return false;
    if (ring.count == 0) {
        *ret_offset = 0;
        return true;
    }
    uint32_t oldest = ring.lines[ring.first].offset;
    if (oldest >= ring.next_byte)
        end = oldest;
    if (end - ring.next_byte >= size) {
        *ret_offset = ring.next_byte;
        return true;
    }
    *ret_offset = 0; /* behind the end nothing fits: begin anew before the oldest */
    return oldest < ring.next_byte && oldest >= size;
}

/* False if there is no ring. */
static bool put_line(enum log_level level, const char *text)
{
    uint32_t len = (uint32_t)strlen(text);
    uint32_t offset;

    pthread_mutex_lock(&ring.lock);
    bool is_started = ring.bytes != NULL;
    if (is_started && find_room(len + 1, &offset)) {
        memcpy(ring.bytes + offset, text, len + 1);
        ring.lines[(ring.first + ring.count) % LOG_RING_LINES] =
            (struct line){.level = level, .offset = offset, .len = len, .wall_ms = clock_wall_ms()};
        ring.count++;
        ring.next_byte = offset + len + 1;
        pthread_cond_signal(&ring.changed);
    } else if (is_started) {
        ring.dropped++;
    }
    pthread_mutex_unlock(&ring.lock);
    return is_started;
}

static void log_line(enum log_level level, const char *format, va_list args)
{
    char text[LOG_LINE_MAX];

    if (level > ring.max_level)
        return;
    (void)vsnprintf(text, sizeof(text), format, args); /* longer lines are cut */
    (void)log_quote(sluice_span_of(text), text, sizeof(text));
    if (!put_line(level, text))
        write_line(level, clock_wall_ms(), text);
}

void log_write(enum log_level level, const char *format, ...)
{
    int saved = errno;
    va_list args;
    va_start(args, format);
    log_line(level, format, args);
    va_end(args);
    errno = saved;
}

/* ---- start and stop -------------------------------------------------------------------------- */

static bool start_thread(void)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all); /* signals belong to the loop's thread */
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&ring.thread, NULL, run_thread, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        (void)pthread_setname_np(ring.thread, "log");
    return failed == 0;
}

/* Afresh even if this process was forked off one whose log was running. */
static void init_locks(void)
{
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&ring.lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&ring.changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

static void free_ring(void)
{
    free(ring.bytes);
    free(ring.lines);
    ring.bytes = NULL;
    ring.lines = NULL;
}

void log_start(const char *role, enum log_target target, enum log_level max_level)
{
    init_locks();
    free_ring();
    (void)snprintf(ring.ident, sizeof(ring.ident), "sluice/%s", role);
    ring.target = target;
    ring.max_level = max_level;
    ring.first = ring.count = 0;
    ring.next_byte = 0;
    ring.dropped = 0;
    ring.next_loss_ms = 0;
    ring.is_stopping = ring.is_idle = false;
    if (target == LOG_TO_SYSLOG)
        openlog(ring.ident, LOG_PID | LOG_NDELAY, LOG_MAIL);
    ring.bytes = malloc(LOG_RING_BYTES);
    ring.lines = malloc(LOG_RING_LINES * sizeof(ring.lines[0]));
    /* Without a ring lines still go out, at once. */
    if (ring.bytes == NULL || ring.lines == NULL || !start_thread())
        free_ring();
}

void log_stop(void)
{
    struct timespec deadline;
    int result = 0;

    if (ring.bytes == NULL)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += LOG_STOP_S;
    pthread_mutex_lock(&ring.lock);
    ring.is_stopping = true;
    pthread_cond_broadcast(&ring.changed);
    while (!ring.is_idle && result == 0)
        result = pthread_cond_timedwait(&ring.changed, &ring.lock, &deadline);
    bool is_idle = ring.is_idle;
    pthread_mutex_unlock(&ring.lock);
    /* A thread that hangs in a write keeps the ring; the process is about to end. */
    if (!is_idle) {
        (void)pthread_detach(ring.thread);
        return;
    }
    (void)pthread_join(ring.thread, NULL);
    pthread_mutex_lock(&ring.lock);
    free_ring();
    pthread_mutex_unlock(&ring.lock);
}

/* ---- complaints ------------------------------------------------------------------------------ */

#define COMPLAINT_MIN_MS (60 * 1000)
#define COMPLAINT_MAX_MS (60 * 60 * 1000)

void complain(struct complaint *complaint, enum log_level level, const char *format, ...)
{
    int64_t now_ms = clock_monotonic_ms();
    if (complaint->interval_ms != 0 && now_ms < complaint->next_ms) {
        complaint->unsaid++;
        return;
    }
    char text[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (complaint->unsaid > 0)
        log_write(level, "%s (and %llu more like this)", text,
                  (unsigned long long)complaint->unsaid);
    else
        log_write(level, "%s", text);

    int64_t doubled = complaint->interval_ms == 0 ? COMPLAINT_MIN_MS : complaint->interval_ms * 2;
    complaint->interval_ms = doubled < COMPLAINT_MAX_MS ? doubled : COMPLAINT_MAX_MS;
    complaint->next_ms = now_ms + complaint->interval_ms;
    complaint->unsaid = 0;
}

void complain_over(struct complaint *complaint, const char *format, ...)
{
    if (complaint->interval_ms == 0)
        return; /* nothing was said */
    va_list args;
    va_start(args, format);
    log_line(LOG_LEVEL_NOTICE, format, args);
    va_end(args);
    *complaint = (struct complaint){0};
}
