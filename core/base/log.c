/* SPDX-License-Identifier: ISC */
/*
 * log: the ring, and the thread that empties it.
 *
 * The ring and its thread are one for each process, hence the static struct: whoever logs must be
 * able to, without being handed anything. A line is rendered in memory of the caller's thread and copied
 * into the ring under a mutex that nobody holds while writing out. The sink belongs to the thread: who
 * changes the settings leaves them in the ring.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/log_sink.h"
#include "base/metrics.h"
#include "base/span.h"
#include "base/text.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOG_RING_LINES 4096          /* however short */
#define LOG_RING_BYTES (1024 * 1024) /* of text; allocated once, touched as it fills */
#define LOG_GATHER_NS 5000000L        /* how long lines wait for others, to be written with them */
#define LOG_STOP_S 2                 /* log_stop waits so long for a reader that does not read */
#define LOG_COMPONENT_MAX 64
#define LOG_ENTRY_MAX (LOG_COMPONENT_MAX + LOG_TEXT_SIZE + LOG_FIELDS_SIZE)

/* In the ring's bytes: component, text and fields, each with its NUL. */
struct entry {
    enum log_level level;
    uint32_t offset;
    uint32_t size;
    int64_t wall_ms;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    char *bytes; /* NULL: not started, lines go out at once */
    struct entry *entries;
    unsigned first; /* index of the oldest line */
    unsigned count;
    uint32_t next_byte;
    uint64_t dropped;     /* and not said yet */
    int64_t next_loss_ms; /* when to speak of dropped lines again */
    bool is_urgent; /* what there is must not wait for more */
    bool is_stopping;
    bool is_idle; /* the thread has written out all that it was given */
    _Atomic enum log_level max_level;
    _Atomic enum log_rendering rendering;
    char component[LOG_COMPONENT_MAX];
    struct log_settings settings;
    bool has_change;              /* the sink does not have these settings yet */
    unsigned lines_before_change; /* that are rendered as the sink has it */
} ring = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .max_level = LOG_LEVEL_INFO,
    .component = "main",
    .settings.file_fd = -1,
};

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
    [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

const char *log_level_name(enum log_level level)
{
    return level >= LOG_LEVEL_ERROR && level <= LOG_LEVEL_DEBUG ? level_names[level] : NULL;
}

bool log_level_find(const char *name, enum log_level *ret_level)
{
    for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        if (strcmp(level_names[level], name) == 0) {
            *ret_level = (enum log_level)level;
            return true;
        }
    }
    return false;
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
    uint32_t oldest = ring.entries[ring.first].offset;
    if (oldest >= ring.next_byte)
        end = oldest;
    if (end - ring.next_byte >= size) {
        *ret_offset = ring.next_byte;
        return true;
    }
    *ret_offset = 0; /* behind the end nothing fits: begin anew before the oldest */
    return oldest < ring.next_byte && oldest >= size;
}

/* Component, text and fields into bytes, which has room for them; their size. */
static uint32_t pack(const char *component, const struct log_rendered *rendered, char *bytes)
{
    const char *parts[] = {component, rendered->text, rendered->fields};
    size_t used = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t size = strlen(parts[i]) + 1;
        memcpy(bytes + used, parts[i], size);
        used += size;
    }
    return (uint32_t)used;
}

static void write_out(const struct entry *entry, const char *bytes)
{
    const char *text = bytes + strlen(bytes) + 1;
    struct log_line line = {
        .level = entry->level,
        .wall_ms = entry->wall_ms,
        .component = bytes,
        .text = text,
        .fields = text + strlen(text) + 1,
    };

    log_sink_put(&line);
}

/* Whether to wake the thread for a line that has been put there; the lock is held. The first one starts
 * the gathering. What is wrong is not to be lost with the process that says so; and there must be room
 * for more: each half of the ring is written when it is full. */
static bool wakes_thread(const struct entry *entry)
{
    const uint32_t half = LOG_RING_BYTES / 2;

    if (entry->level <= LOG_LEVEL_WARNING || ring.count == LOG_RING_LINES / 2 ||
        entry->offset / half != (entry->offset + entry->size) / half)
        ring.is_urgent = true;
    return ring.count == 1 || ring.is_urgent;
}

/* What a line is made in. Not on the stack: a task's keeps all pages that were touched once, and an idle
 * session had 17.4 KiB instead of 5.4 (bench/sessions.py). Nothing waits while it is in use. */
static _Thread_local struct {
    char text[LOG_TEXT_SIZE];
    struct log_rendered rendered;
    char bytes[LOG_ENTRY_MAX];
} making;

static void put_line(enum log_level level, const char *component,
                     const struct log_rendered *rendered)
{
    char *bytes = making.bytes;
    struct entry entry = {.level = level,
                          .wall_ms = clock_wall_ms(),
                          .size = pack(component, rendered, bytes)};
    bool wakes = false;

    pthread_mutex_lock(&ring.lock);
    if (ring.bytes == NULL) { /* no thread either */
        write_out(&entry, bytes);
        log_sink_flush();
    } else if (find_room(entry.size, &entry.offset)) {
        memcpy(ring.bytes + entry.offset, bytes, entry.size);
        ring.entries[(ring.first + ring.count) % LOG_RING_LINES] = entry;
        ring.count++;
        wakes = wakes_thread(&entry);
        ring.next_byte = entry.offset + entry.size;
    } else {
        ring.dropped++;
        metric_add(metric_get(METRIC_LOG_LOST, NULL, NULL, NULL), 1);
    }
    pthread_mutex_unlock(&ring.lock);
    if (wakes) /* not earlier: it would wake up and wait for the lock */
        pthread_cond_signal(&ring.changed);
}

/* ---- saying ---------------------------------------------------------------------------------- */

static void log_line(enum log_level level, const char *format, va_list args)
{
    if (level > ring.max_level)
        return;
    (void)vsnprintf(making.text, sizeof(making.text), format, args); /* longer lines are cut */
    log_render_prose(ring.rendering, level, making.text, &making.rendered);
    put_line(level, ring.component, &making.rendered);
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

void log_event_write(const struct log_event *event, const struct log_field *fields, size_t count)
{
    char component[LOG_COMPONENT_MAX];
    int saved = errno;

    if (event->level > ring.max_level)
        return;
    text_copy(component, sizeof(component),
              event->component != NULL ? event->component : ring.component);
    log_render_event(ring.rendering, event, fields, count, &making.rendered);
    put_line(event->level, component, &making.rendered);
    errno = saved;
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Copies the oldest line out; the ring's lock is held. */
static bool take_line(struct entry *entry, char bytes[LOG_ENTRY_MAX])
{
    if (ring.count == 0)
        return false;
    *entry = ring.entries[ring.first];
    memcpy(bytes, ring.bytes + entry->offset, entry->size);
    ring.first = (ring.first + 1) % LOG_RING_LINES;
    ring.count--;
    if (ring.lines_before_change > 0)
        ring.lines_before_change--;
    return true;
}

/* The count of lost lines as a line: when all else is written, and in between once a second. The
 * lock is held. */
static bool take_loss(struct entry *entry, char bytes[LOG_ENTRY_MAX])
{
    int64_t now_ms = clock_monotonic_ms();
    struct log_rendered rendered;
    char text[64];

    if (ring.dropped == 0 || ring.has_change || (ring.count > 0 && now_ms < ring.next_loss_ms))
        return false;
    *entry = (struct entry){.level = LOG_LEVEL_WARNING, .wall_ms = clock_wall_ms()};
    (void)snprintf(text, sizeof(text), "%llu lines of the log were lost",
                   (unsigned long long)ring.dropped);
    log_render_prose(ring.rendering, entry->level, text, &rendered);
    (void)pack(ring.component, &rendered, bytes);
    ring.dropped = 0;
    ring.next_loss_ms = now_ms + 1000;
    return true;
}

/* The settings, once it is their turn; the lock is held. */
static bool take_change(struct log_settings *settings)
{
    if (!ring.has_change || ring.lines_before_change > 0)
        return false;
    *settings = ring.settings;
    ring.settings.file_fd = -1; /* is taken */
    ring.has_change = false;
    return true;
}

/* One thing to do, without the lock, which is held before and after. False: there is nothing. */
static bool work(bool *is_flushed)
{
    char bytes[LOG_ENTRY_MAX];
    struct log_settings settings;
    struct entry entry;
    bool has_settings = take_change(&settings);
    bool has_line = !has_settings && (take_loss(&entry, bytes) || take_line(&entry, bytes));

    if (!has_settings && !has_line && *is_flushed)
        return false;
    pthread_mutex_unlock(&ring.lock);
    if (has_line)
        write_out(&entry, bytes);
    else
        log_sink_flush();
    if (has_settings)
        log_sink_set(&settings);
    *is_flushed = !has_line;
    pthread_mutex_lock(&ring.lock);
    return true;
}

/* Lets lines come together: waking up and writing for each one costs more than all else. The lock is
 * held before and after. */
static void gather(void)
{
    struct timespec until;
    int result = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOG_GATHER_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    while (ring.count > 0 && !ring.is_urgent && !ring.is_stopping && result == 0)
        result = pthread_cond_timedwait(&ring.changed, &ring.lock, &until);
    ring.is_urgent = false;
}

static void *run_thread(void *unused)
{
    bool is_flushed = true;

    (void)unused;
    pthread_mutex_lock(&ring.lock);
    for (;;) {
        if (work(&is_flushed))
            continue;
        if (ring.is_stopping)
            break;
        pthread_cond_wait(&ring.changed, &ring.lock);
        gather();
    }
    ring.is_idle = true;
    pthread_cond_broadcast(&ring.changed);
    pthread_mutex_unlock(&ring.lock);
    return NULL;
}

/* ---- start, change and stop ------------------------------------------------------------------ */

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
    free(ring.entries);
    ring.bytes = NULL;
    ring.entries = NULL;
}

/* The lock is held. */
static void set(const struct log_settings *settings)
{
    int untaken_fd = ring.has_change ? ring.settings.file_fd : -1;
    int file_fd = settings->target == LOG_TO_FILE ? settings->file_fd : -1;

    if (!ring.has_change)
        ring.lines_before_change = ring.count;
    ring.settings = *settings;
    if (settings->target == LOG_TO_FILE && file_fd == -1)
        file_fd = untaken_fd;
    else if (untaken_fd != -1)
        (void)close(untaken_fd); /* nobody has written into it */
    ring.settings.file_fd = file_fd;
    ring.has_change = true;
    ring.max_level = settings->max_level;
    ring.rendering = log_sink_rendering(settings);
}

/* The thread does it, since it may be writing; without one it is done here. The lock is held. */
static void apply_change(void)
{
    struct log_settings settings;

    if (ring.bytes != NULL)
        pthread_cond_signal(&ring.changed);
    else if (take_change(&settings))
        log_sink_set(&settings);
}

void log_start(const char *component, const struct log_settings *settings)
{
    init_locks();
    free_ring();
    (void)snprintf(ring.component, sizeof(ring.component), "%s", component);
    ring.first = ring.count = 0;
    ring.next_byte = 0;
    ring.dropped = 0;
    ring.next_loss_ms = 0;
    ring.is_urgent = ring.is_stopping = ring.is_idle = ring.has_change = false;
    set(settings);
    apply_change();
    ring.bytes = malloc(LOG_RING_BYTES);
    ring.entries = malloc(LOG_RING_LINES * sizeof(ring.entries[0]));
    /* Without a ring lines still go out, at once. */
    if (ring.bytes == NULL || ring.entries == NULL || !start_thread())
        free_ring();
}

void log_change(const struct log_settings *settings)
{
    pthread_mutex_lock(&ring.lock);
    set(settings);
    apply_change();
    pthread_mutex_unlock(&ring.lock);
}

void log_set_file(int fd)
{
    pthread_mutex_lock(&ring.lock);
    struct log_settings settings = ring.settings;
    settings.target = LOG_TO_FILE;
    settings.file_fd = fd;
    set(&settings);
    apply_change();
    pthread_mutex_unlock(&ring.lock);
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
    char text[LOG_TEXT_SIZE];
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
