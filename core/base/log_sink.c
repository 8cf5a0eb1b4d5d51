/* SPDX-License-Identifier: ISC */
/*
 * log_sink: standard error and files, syslog, systemd's journal.
 *
 * Lines of files are in the form of rsyslog's files on Debian and others, so that one set of tools
 * reads both. They gather, and go out with one write. The journal gets its native datagrams
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL) rather than "<5>text" on standard error: so journalctl finds a
 * message by its id (SLUICE_QUEUE_ID=...) and knows which part of us has spoken.
 */
#include "base/log_sink.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define DEFAULT_NAME "sluice"
#define BUFFER_SIZE (32 * 1024)
#define HEAD_SIZE 512 /* what a line has in front of its text and fields, at most */
#define LINE_SIZE (HEAD_SIZE + LOG_TEXT_SIZE + LOG_FIELDS_SIZE)
#define HOST_SIZE 64
#define TIME_SIZE 40

_Static_assert(BUFFER_SIZE >= LINE_SIZE, "a line fits");
_Static_assert(sizeof(((struct sockaddr_un *)NULL)->sun_path) == LOG_SOCKET_PATH_SIZE, "a path fits");

static struct {
    struct log_settings settings;
    int file_fd;
    int journal_fd;
    int facility;
    char host[HOST_SIZE];
    pid_t pid; /* 0: neither is known yet */
    char ident[2 * LOG_NAME_SIZE]; /* syslog() keeps its address */
    time_t second;          /* of when */
    char when[TIME_SIZE];   /* "2026-11-22T01:50:00." */
    char zone[8];           /* "+01:00" */
    char buffer[BUFFER_SIZE];
    size_t used;
} sink = {.settings.name = DEFAULT_NAME, .file_fd = -1, .journal_fd = -1, .second = -1};

static const int priorities[] = {
    [LOG_LEVEL_ERROR] = LOG_ERR, [LOG_LEVEL_WARNING] = LOG_WARNING, [LOG_LEVEL_NOTICE] = LOG_NOTICE,
    [LOG_LEVEL_INFO] = LOG_INFO, [LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

/* ---- settings -------------------------------------------------------------------------------- */

static int find_facility(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } facilities[] = {
        {"daemon", LOG_DAEMON}, {"user", LOG_USER},     {"local0", LOG_LOCAL0},
        {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
        {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
        {"local7", LOG_LOCAL7},
    };

    for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++) {
        if (strcmp(facilities[i].name, name) == 0)
            return facilities[i].number;
    }
    return LOG_MAIL;
}

/* The host as in files of syslog: without its domain. */
static void find_self(void)
{
    sink.pid = getpid();
    if (gethostname(sink.host, sizeof(sink.host)) != 0 || sink.host[0] == '\0')
        (void)snprintf(sink.host, sizeof(sink.host), "localhost");
    sink.host[sizeof(sink.host) - 1] = '\0';
    sink.host[strcspn(sink.host, ".")] = '\0';
}

enum log_rendering log_sink_rendering(const struct log_settings *settings)
{
    if (settings->target == LOG_TO_JOURNAL)
        return LOG_RENDER_JOURNAL;
    return settings->format == LOG_AS_JSON ? LOG_RENDER_JSON : LOG_RENDER_TEXT;
}

static void set_file(int fd)
{
    if (sink.file_fd != -1)
        (void)close(sink.file_fd); /* what was not written is lost in any case */
    sink.file_fd = fd;
}

void log_sink_set(const struct log_settings *settings)
{
    if (settings->file_fd != -1 || settings->target != LOG_TO_FILE)
        set_file(settings->file_fd);
    sink.settings = *settings;
    if (settings->name[0] == '\0')
        (void)snprintf(sink.settings.name, LOG_NAME_SIZE, "%s", DEFAULT_NAME);
    if (settings->journal[0] == '\0')
        (void)snprintf(sink.settings.journal, LOG_SOCKET_PATH_SIZE, "%s", JOURNAL_SOCKET);
    sink.facility = find_facility(settings->facility);
    sink.second = -1;
    sink.pid = 0; /* perhaps we were forked off */
    closelog(); /* another facility counts for a new connection */
    if (settings->target == LOG_TO_JOURNAL && sink.journal_fd == -1)
        sink.journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Local time with its distance from UTC, as RFC 3339 has it: people and reports think in local days. */
static void set_time(int64_t wall_ms)
{
    time_t second = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (second == sink.second)
        return;
    (void)localtime_r(&second, &tm);
    (void)strftime(sink.when, sizeof(sink.when), "%Y-%m-%dT%H:%M:%S.", &tm);
    long minutes = tm.tm_gmtoff / 60;
    long distance = minutes < 0 ? -minutes : minutes;
    (void)snprintf(sink.zone, sizeof(sink.zone), "%c%02ld:%02ld", minutes < 0 ? '-' : '+',
                   distance / 60 % 100, distance % 60);
    sink.second = second;
}

/* ---- one line -------------------------------------------------------------------------------- */

static const char *level_word(enum log_level level)
{
    const char *word = log_level_name(level);

    return word != NULL ? word : "info";
}

static size_t format_json(const struct log_line *line, char *out, size_t size)
{
    int len = snprintf(out, size,
                       "{\"time\":\"%s%03d%s\",\"host\":\"%s\",\"name\":\"%s\",\"component\":\"%s\","
                       "\"pid\":%ld,\"level\":\"%s\",%s}",
                       sink.when, (int)(line->wall_ms % 1000), sink.zone, sink.host, sink.settings.name,
                       line->component, (long)sink.pid, level_word(line->level), line->fields);

    return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

/* "2026-11-22T01:50:00.250+01:00 mx sluice/smtpd[123]: text" */
static size_t format_text(const struct log_line *line, char *out, size_t size)
{
    struct text text = text_open(out, size);

    text_add(&text, sink.when);
    text_add_number(&text, (uint64_t)(line->wall_ms % 1000), 3);
    text_add(&text, sink.zone);
    text_add(&text, " ");
    text_add(&text, sink.host);
    text_add(&text, " ");
    text_add(&text, sink.settings.name);
    text_add(&text, "/");
    text_add(&text, line->component);
    text_add(&text, "[");
    text_add_number(&text, (uint64_t)sink.pid, 1);
    text_add(&text, "]: ");
    text_add(&text, line->text);
    return text.is_cut ? 0 : text.len;
}

static void put_buffered(const struct log_line *line)
{
    if (BUFFER_SIZE - sink.used < LINE_SIZE)
        log_sink_flush();
    char *out = sink.buffer + sink.used;
    size_t len = sink.settings.format == LOG_AS_JSON ? format_json(line, out, LINE_SIZE)
                                                     : format_text(line, out, LINE_SIZE);
    if (len == 0)
        return;
    out[len] = '\n';
    sink.used += len + 1;
}

/* openlog() on an open connection changes the name alone. */
static void put_syslog(const struct log_line *line)
{
    char json[LINE_SIZE];
    const char *text = line->text;

    (void)snprintf(sink.ident, sizeof(sink.ident), "%s/%s", sink.settings.name, line->component);
    openlog(sink.ident, LOG_PID | LOG_NDELAY, sink.facility);
    if (sink.settings.format == LOG_AS_JSON) {
        if (format_json(line, json, sizeof(json)) == 0)
            return;
        text = json;
    }
    syslog(priorities[line->level], "%s", text);
}

static void put_journal(const struct log_line *line)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char out[LINE_SIZE];
    ssize_t sent;
    int len = snprintf(out, sizeof(out),
                       "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%s/%s\nSYSLOG_PID=%ld\n"
                       "MESSAGE=%s\n%s",
                       priorities[line->level], LOG_FAC(sink.facility), sink.settings.name, line->component,
                       (long)sink.pid, line->text, line->fields);

    if (len <= 0 || (size_t)len >= sizeof(out))
        return;
    memcpy(address.sun_path, sink.settings.journal, sizeof(address.sun_path));
    do {
        sent = sendto(sink.journal_fd, out, (size_t)len, MSG_NOSIGNAL,
                      (const struct sockaddr *)&address, sizeof(address));
    } while (sent == -1 && errno == EINTR); /* else nobody is there: there is no second log */
}

void log_sink_put(const struct log_line *line)
{
    if (sink.pid == 0)
        find_self();
    set_time(line->wall_ms);
    if (sink.settings.target == LOG_TO_SYSLOG)
        put_syslog(line);
    else if (sink.settings.target == LOG_TO_JOURNAL)
        put_journal(line);
    else
        put_buffered(line);
}

void log_sink_flush(void)
{
    int fd = sink.settings.target == LOG_TO_FILE ? sink.file_fd : STDERR_FILENO;
    const char *at = sink.buffer;

    while (sink.used > 0) {
        ssize_t n = write(fd, at, sink.used);
        if (n == -1 && errno != EINTR && errno != EAGAIN)
            break; /* nobody is left to tell */
        if (n == -1 && errno == EAGAIN)
            (void)usleep(10000); /* somebody made it non-blocking; only our thread waits */
        if (n > 0) {
            at += n;
            sink.used -= (size_t)n;
        }
    }
    sink.used = 0;
}
