/* SPDX-License-Identifier: ISC */
/*
 * sluice_trace: the story of one message, from the log and from the queue as it is now.
 *
 * The log is a file (--log, else maillog_file; the one before it, FILE.1, is read first), standard
 * input (--log -), or the journal. Releases are logged once for all that they let go: those that name
 * a domain or transport of the message, while it was there, are a part of its story.
 */
#include "sluice.h"

#include "control_client.h"
#include "log_line.h"

#include "base/id.h"
#include "base/span.h"
#include "config/draft.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define EVENTS_MAX 100000 /* of a message and releases; more are left out */

struct trace {
    const struct sluice *sluice;
    const char *id;
    json_t *events; /* the message's and releases, in their order */
    bool has_message;
};

/* ---- reading --------------------------------------------------------------------------------- */

/* Releases before the message was there are none of its. */
static void take_line(struct trace *trace, struct sluice_span line)
{
    json_t *event = log_line_parse(line);
    const char *id = control_text(event, "queue_id");
    bool is_ours = strcasecmp(id, trace->id) == 0;
    bool is_release = trace->has_message && strcmp(control_text(event, "event"), "release") == 0;

    if ((is_ours || is_release) && json_array_size(trace->events) < EVENTS_MAX) {
        trace->has_message = true;
        (void)json_array_append(trace->events, event); /* without memory it is not shown */
    }
    json_decref(event);
}

/* Parsing is dear: only what may be meant. */
static bool may_matter(const struct trace *trace, const char *line)
{
    return strcasestr(line, trace->id) != NULL || strstr(line, "release") != NULL;
}

static void read_lines(struct trace *trace, FILE *file)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while ((len = getline(&line, &size, file)) > 0) {
        if (line[len - 1] == '\n')
            line[--len] = '\0';
        if (may_matter(trace, line))
            take_line(trace, (struct sluice_span){.ptr = line, .len = (size_t)len});
    }
    free(line);
}

static int read_file(struct trace *trace, const char *path, bool is_optional)
{
    FILE *file = fopen(path, "re");

    if (file == NULL && is_optional && errno == ENOENT)
        return EX_OK;
    if (file == NULL)
        return sluice_fatal(EX_NOINPUT, "%s: %s", path, strerror(errno));
    read_lines(trace, file);
    bool has_failed = ferror(file) != 0;
    (void)fclose(file); /* only read */
    return has_failed ? sluice_fatal(EX_IOERR, "%s: it cannot be read", path) : EX_OK;
}

static int read_files(struct trace *trace, const char *path)
{
    char before[PATH_MAX];

    if (strcmp(path, "-") == 0) {
        read_lines(trace, stdin);
        return EX_OK;
    }
    (void)snprintf(before, sizeof(before), "%s.1", path); /* cut: it is not there */
    int code = read_file(trace, before, true);
    return code == EX_OK ? read_file(trace, path, false) : code;
}

/* The id is of hexadecimal digits alone. */
static int read_journal(struct trace *trace)
{
    char command[256];
    FILE *journal;

    (void)snprintf(command, sizeof(command),
                   "exec journalctl --quiet --output=json SLUICE_QUEUE_ID=%s + "
                   "SLUICE_EVENT=release",
                   trace->id);
    journal = popen(command, "re");
    if (journal == NULL)
        return sluice_fatal(EX_OSERR, "journalctl: %s", strerror(errno));
    read_lines(trace, journal);
    int status = pclose(journal);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EX_OK)
        return EX_OK;
    return sluice_fatal(EX_UNAVAILABLE, "the journal cannot be read; --log FILE names another log");
}

static int read_log(struct trace *trace)
{
    struct error err = ERROR_INIT;
    struct draft draft;
    const char *path = trace->sluice->log;
    int code;

    draft_init(&draft);
    if (path == NULL && control_read_config(&draft, trace->sluice->config_path, &err) != SLUICE_OK) {
        code = sluice_fatal(EX_CONFIG, "%s", err.text);
    } else {
        const struct draft_parameter *parameter =
            path == NULL ? draft_parameter(&draft, "maillog_file") : NULL;
        if (parameter != NULL && parameter->value.text != NULL)
            path = parameter->value.text;
        code = path != NULL && path[0] != '\0' ? read_files(trace, path) : read_journal(trace);
    }
    draft_done(&draft);
    return code;
}

/* ---- order ----------------------------------------------------------------------------------- */

struct moment {
    int64_t ms;
    size_t place;
    json_t *event;
};

static int compare(const void *a, const void *b)
{
    const struct moment *left = a;
    const struct moment *right = b;

    if (left->ms != right->ms)
        return left->ms < right->ms ? -1 : 1;
    return left->place < right->place ? -1 : 1;
}

/* Processes write their lines when they get to it. Without memory it stays as it is. */
static void sort_events(struct trace *trace)
{
    size_t count = json_array_size(trace->events);
    struct moment *moments = calloc(count + 1, sizeof(*moments));
    json_t *sorted = json_array();

    for (size_t i = 0; moments != NULL && i < count; i++) {
        json_t *event = json_array_get(trace->events, i);
        moments[i] = (struct moment){.ms = log_line_ms(event), .place = i, .event = event};
    }
    if (moments != NULL)
        qsort(moments, count, sizeof(*moments), compare);
    for (size_t i = 0; moments != NULL && i < count; i++)
        (void)json_array_append(sorted, moments[i].event);
    free(moments);
    if (json_array_size(sorted) == count) {
        json_decref(trace->events);
        trace->events = sorted;
    } else {
        json_decref(sorted);
    }
}

/* ---- releases that count --------------------------------------------------------------------- */

static bool is_in_domain(const char *address, const char *domain, bool with_subdomains)
{
    const char *at = strrchr(address, '@');
    size_t len = strlen(domain);

    if (at == NULL || len == 0)
        return false;
    at++;
    if (strcasecmp(at, domain) == 0)
        return true;
    return with_subdomains && strlen(at) > len && at[strlen(at) - len - 1] == '.' &&
           strcasecmp(at + strlen(at) - len, domain) == 0;
}

/* A site is called transport:nexthop, and a transport is a queue with a name. */
static bool is_of_transport(const char *transport, const char *name)
{
    size_t len = strlen(transport);

    name += name[0] == '#' ? 1 : 0;
    return len > 0 && strncmp(name, transport, len) == 0 && (name[len] == ':' || name[len] == '\0');
}

static bool releases(const struct trace *trace, const char *name)
{
    bool with_subdomains = name[0] == '@';
    const char *domain = name + (with_subdomains ? 1 : 0);
    const json_t *event;
    size_t i;

    if (strcmp(name, "ALL") == 0 || strcasecmp(name, trace->id) == 0)
        return true;
    json_array_foreach(trace->events, i, event)
    {
        if (is_in_domain(control_text(event, "to"), domain, with_subdomains) ||
            (control_text(event, "to")[0] != '\0' &&
             is_of_transport(control_text(event, "component"), name)))
            return true;
    }
    return false;
}

static bool is_last(const json_t *event)
{
    return strcmp(control_text(event, "event"), "removed") == 0;
}

/* Takes out of the events the releases of other mail, and what came after the message's end. */
static void choose(struct trace *trace)
{
    json_t *chosen = json_array();
    bool has_left = false;
    json_t *event;
    size_t i;

    json_array_foreach(trace->events, i, event)
    {
        bool is_release = strcmp(control_text(event, "event"), "release") == 0;
        if (is_release && (has_left || !releases(trace, control_text(event, "released"))))
            continue;
        (void)json_array_append(chosen, event);
        has_left = has_left || is_last(event);
    }
    json_decref(trace->events);
    trace->events = chosen;
}

/* ---- showing --------------------------------------------------------------------------------- */

/* "2026-01-31T12:00:00.000+00:00" */
#define TIME_WIDTH 29

static void show_delivery(const json_t *event)
{
    printf("%s: <%s> by %s, %s", control_text(event, "status"), control_text(event, "to"),
           control_text(event, "component"), control_text(event, "relay"));
    if (json_object_get(event, "delay") != NULL)
        printf(", after %g s", json_number_value(json_object_get(event, "delay")));
    printf("\n%*s %s %s", TIME_WIDTH, "", control_text(event, "dsn"), control_text(event, "text"));
}

/* What has no words of its own here: all its fields. */
static void show_fields(const json_t *event)
{
    static const char *const known[] = {"time", "host",     "name", "component", "pid", "level",
                                        "event", "queue_id"};
    const char *key;
    json_t *value;

    printf("%s", control_text(event, "event"));
    json_object_foreach((json_t *)(uintptr_t)event, key, value)
    {
        bool is_known = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            is_known = is_known || strcmp(key, known[i]) == 0;
        if (!is_known && json_is_string(value))
            printf(" %s=%s", key, json_string_value(value));
        else if (!is_known && json_is_integer(value))
            printf(" %s=%lld", key, (long long)json_integer_value(value));
    }
}

static void show_event(const json_t *event)
{
    const char *kind = control_text(event, "event");

    printf("%-*s ", TIME_WIDTH, control_text(event, "time"));
    if (strcmp(kind, "client") == 0)
        printf("accepted from %s", control_text(event, "client"));
    else if (strcmp(kind, "pickup") == 0)
        printf("submitted by uid %lld as <%s>", control_number(event, "uid"),
               control_text(event, "from"));
    else if (strcmp(kind, "message-id") == 0)
        printf("message-id %s", control_text(event, "message_id"));
    else if (strcmp(kind, "active") == 0)
        printf("in the queue: from <%s>, %lld bytes, %lld recipients", control_text(event, "from"),
               control_number(event, "size"), control_number(event, "nrcpt"));
    else if (strcmp(kind, "delivery") == 0)
        show_delivery(event);
    else if (strcmp(kind, "release") == 0)
        printf("released with %s by %s", control_text(event, "released"), control_text(event, "by"));
    else if (strcmp(kind, "removed") == 0)
        printf("left the queue");
    else if (strcmp(kind, "note") == 0)
        printf("%s", control_text(event, "text"));
    else
        show_fields(event);
    (void)putchar('\n');
}

static void show_json(const json_t *event)
{
    (void)json_dumpf(event, stdout, 0); /* main looks at stdout in the end */
    (void)putchar('\n');
}

static void show_present(void *user, const json_t *line)
{
    const struct trace *trace = user;
    json_t *event;

    if (!trace->sluice->wants_json) {
        unsigned long lines = 0;
        (void)puts("now in the queue:");
        sluice_show_message(&lines, line);
        return;
    }
    event = json_copy((json_t *)(uintptr_t)line);
    (void)json_object_set_new(event, "event", json_string("now"));
    show_json(event);
    json_decref(event);
}

/* NOT_FOUND: it is not in the queue. */
static sluice_status ask(struct trace *trace)
{
    struct error err = ERROR_INIT;
    json_t *request = json_pack("{s:s, s:s}", "command", "queue show", "id", trace->id);
    sluice_status st =
        control_ask(trace->sluice->config_path, request, show_present, trace, &err);

    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND)
        (void)sluice_fatal(EX_UNAVAILABLE, "whether it is in the queue now is not known: %s",
                           err.text);
    return st;
}

static void show_events(const struct trace *trace)
{
    const json_t *event;
    size_t i;

    json_array_foreach(trace->events, i, event)
    {
        if (trace->sluice->wants_json)
            show_json(event);
        else
            show_event(event);
    }
}

int sluice_trace(const struct sluice *sluice, const char *message)
{
    struct trace trace = {.sluice = sluice, .id = message, .events = json_array()};
    uint64_t id;

    if (!id_parse(sluice_span_of(trace.id), &id)) {
        json_decref(trace.events);
        return sluice_fatal(EX_USAGE, "%s is no id of a message: those have 16 digits, 0-9 and A-F",
                            trace.id);
    }
    int code = read_log(&trace);
    sort_events(&trace);
    choose(&trace);
    show_events(&trace);
    sluice_status st = ask(&trace);
    if (code == EX_OK && st == SLUICE_NOT_FOUND && !trace.has_message)
        code = sluice_fatal(EX_NOINPUT, "%s is neither in the log nor in the queue", trace.id);
    json_decref(trace.events);
    return code;
}
