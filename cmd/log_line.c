/* SPDX-License-Identifier: ISC */
/*
 * log_line: see log_line.h. The texts are those of core/queue/delivery_log.c and
 * core/receive/session_log.c.
 */
#include "log_line.h"

#include "base/id.h"
#include "base/span.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIME_SIZE 64
#define KEY_MAX 32
#define JOURNAL_PREFIX "SLUICE_"
#define ID_LEN (ID_TEXT_SIZE - 1)

static void set(json_t *event, const char *name, json_t *value)
{
    (void)json_object_set_new(event, name, value); /* without memory it is not shown */
}

static void set_span(json_t *event, const char *name, struct sluice_span text)
{
    set(event, name, json_stringn(text.ptr, text.len));
}

/* ---- fields in text -------------------------------------------------------------------------- */

static json_t *to_real(struct sluice_span text)
{
    char copy[KEY_MAX];

    (void)snprintf(copy, sizeof(copy), "%.*s", SPAN_ARGS(text));
    return json_real(strtod(copy, NULL));
}

static json_t *to_reals(struct sluice_span text)
{
    json_t *array = json_array();

    while (text.len > 0) {
        size_t len = span_find(text, '/');
        (void)json_array_append_new(array, to_real(span_first(text, len)));
        text = span_skip(text, len + 1);
    }
    return array;
}

static void set_field(json_t *event, const char *key, struct sluice_span value)
{
    uint64_t number;

    if (strcmp(key, "delay") == 0)
        set(event, key, to_real(value));
    else if (strcmp(key, "delays") == 0)
        set(event, key, to_reals(value));
    else if ((strcmp(key, "size") == 0 || strcmp(key, "nrcpt") == 0 || strcmp(key, "uid") == 0) &&
             span_to_u64(value, &number))
        set(event, key, json_integer((json_int_t)number));
    else
        set_span(event, key, value);
}

/* What the text begins with up to the > of an address, which may have a quoted part. */
static size_t address_len(struct sluice_span text)
{
    bool is_quoted = false;
    size_t len = 0;

    for (; len < text.len && (is_quoted || text.ptr[len] != '>'); len++) {
        if (text.ptr[len] == '\\')
            len++;
        else if (text.ptr[len] == '"')
            is_quoted = !is_quoted;
    }
    return len < text.len ? len : text.len;
}

/* Between < and >, or up to a comma or blank. Returns how long it is in all. */
static size_t take_value(struct sluice_span text, struct sluice_span *ret_value)
{
    size_t len = 0;

    if (text.len > 0 && text.ptr[0] == '<') {
        text = span_skip(text, 1);
        *ret_value = span_first(text, address_len(text));
        return ret_value->len + (ret_value->len < text.len ? 2 : 1);
    }
    while (len < text.len && text.ptr[len] != ',' && text.ptr[len] != ' ')
        len++;
    *ret_value = span_first(text, len);
    return len;
}

/* The name in front of an = at the start, as in JSON; false: there is none. */
static bool take_key(struct sluice_span text, char key[KEY_MAX])
{
    size_t len = 0;

    while (len < text.len && len < KEY_MAX - 1 &&
           (islower((unsigned char)text.ptr[len]) || strchr("-_", text.ptr[len]) != NULL)) {
        key[len] = text.ptr[len] == '-' ? '_' : text.ptr[len];
        len++;
    }
    key[len] = '\0';
    return len > 0 && len < text.len && text.ptr[len] == '=';
}

/* key=value, key=<value> and so on; what stands in brackets behind them is the text. */
static void take_fields(json_t *event, struct sluice_span text)
{
    struct sluice_span value;
    char key[KEY_MAX];

    while (take_key(text, key)) {
        text = span_skip(text, strlen(key) + 1);
        text = span_skip(text, take_value(text, &value));
        set_field(event, key, value);
        while (text.len > 0 && (text.ptr[0] == ',' || text.ptr[0] == ' '))
            text = span_skip(text, 1);
    }
    if (text.len > 1 && text.ptr[0] == '(' && text.ptr[text.len - 1] == ')')
        set_span(event, "text", span_first(span_skip(text, 1), text.len - 2));
    else if (text.len > 0)
        set_span(event, "text", text);
}

/* ---- events in text -------------------------------------------------------------------------- */

/* By the field that it begins with and another one that it has. */
static const char *kind_of(const json_t *fields, const char *first)
{
    static const struct {
        const char *first;
        const char *also;
        const char *event;
    } kinds[] = {{"client", "client", "client"}, {"uid", "from", "pickup"},
                 {"from", "size", "active"},     {"from", "status", "expired"},
                 {"to", "status", "delivery"}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(first, kinds[i].first) == 0 &&
            json_object_get(fields, kinds[i].also) != NULL)
            return kinds[i].event;
    }
    return NULL;
}

static bool starts(struct sluice_span text, const char *start)
{
    return text.len >= strlen(start) && memcmp(text.ptr, start, strlen(start)) == 0;
}

static void describe_note(json_t *event, struct sluice_span body)
{
    set(event, "event", json_string("note"));
    set_span(event, "text", body);
}

static void describe_message(json_t *event, struct sluice_span body)
{
    static const char message_id[] = "message-id=";
    json_t *fields = json_object();
    char first[KEY_MAX];
    const char *kind = NULL;

    if (take_key(body, first)) {
        take_fields(fields, body);
        kind = kind_of(fields, first);
    }
    if (starts(body, message_id)) { /* whatever stands behind it */
        set(event, "event", json_string("message-id"));
        set_span(event, "message_id", span_skip(body, sizeof(message_id) - 1));
    } else if (span_equal(body, SPAN_LITERAL("removed"))) {
        set(event, "event", json_string("removed"));
    } else if (kind != NULL) {
        set(event, "event", json_string(kind));
        (void)json_object_update(event, fields);
    } else {
        describe_note(event, body);
    }
    json_decref(fields);
}

/* "<name>, 3 messages, by somebody" */
static void describe_release(json_t *event, struct sluice_span body)
{
    struct sluice_span name;
    struct sluice_span rest = span_skip(body, take_value(body, &name));
    size_t by = span_find_last(rest, ',');

    set(event, "event", json_string("release"));
    set_span(event, "released", name);
    set_span(event, "by", span_skip(rest, by + strlen(", by ")));
}

static void describe(json_t *event, struct sluice_span body)
{
    static const char *const words[] = {"warning: ", "fatal: "};
    uint64_t id;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        body = span_skip(body, starts(body, words[i]) ? strlen(words[i]) : 0);
    if (body.len > ID_LEN + 1 && body.ptr[ID_LEN] == ':' && id_parse(span_first(body, ID_LEN), &id)) {
        set_span(event, "queue_id", span_first(body, ID_LEN));
        describe_message(event, span_skip(body, ID_LEN + 2));
    } else if (starts(body, "release: <")) {
        describe_release(event, span_skip(body, strlen("release: ")));
    } else {
        describe_note(event, body);
    }
}

/* ---- lines ----------------------------------------------------------------------------------- */

static struct sluice_span take_word(struct sluice_span *rest)
{
    struct sluice_span word = span_first(*rest, span_find(*rest, ' '));

    *rest = span_skip(*rest, word.len + 1);
    return word;
}

/* "Nov 22 03:50:00" or what RFC 3339 says. */
static struct sluice_span take_time(struct sluice_span *rest)
{
    const size_t len = strlen("Nov 22 03:50:00");
    struct sluice_span time = span_first(*rest, len);

    if (rest->len > 0 && isdigit((unsigned char)rest->ptr[0]))
        return take_word(rest);
    *rest = span_skip(*rest, len + 1);
    return time;
}

/* TIME HOST NAME/COMPONENT[PID]: BODY */
static json_t *parse_text(struct sluice_span line)
{
    struct sluice_span time = take_time(&line);
    (void)take_word(&line);
    struct sluice_span ident = take_word(&line);
    size_t slash = span_find(ident, '/');
    size_t bracket = span_find(ident, '[');

    if (slash >= bracket || bracket == ident.len)
        return NULL;
    json_t *event = json_object();
    set_span(event, "time", time);
    set_span(event, "component", span_skip(span_first(ident, bracket), slash + 1));
    describe(event, line);
    return event;
}

/* Microseconds since 1970, as the log writes its times. */
static void set_journal_time(json_t *event, const char *microseconds)
{
    long long us = strtoll(microseconds != NULL ? microseconds : "0", NULL, 10);
    time_t seconds = (time_t)(us / 1000000);
    char date[TIME_SIZE];
    char text[TIME_SIZE + 24];
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return;
    (void)snprintf(text, sizeof(text), "%s.%03d+00:00", date, (int)(us / 1000 % 1000));
    set(event, "time", json_string(text));
}

/* Its fields are texts, SLUICE_QUEUE_ID and so on. */
static json_t *parse_journal(json_t *entry)
{
    const char *ident = json_string_value(json_object_get(entry, "SYSLOG_IDENTIFIER"));
    const char *slash = ident != NULL ? strchr(ident, '/') : NULL;
    json_t *event = json_object();
    char name[KEY_MAX];
    const char *key;
    json_t *value;

    set_journal_time(event, json_string_value(json_object_get(entry, "__REALTIME_TIMESTAMP")));
    set(event, "component", json_string(slash != NULL ? slash + 1 : "sluice"));
    json_object_foreach(entry, key, value)
    {
        size_t len = strlen(key);
        if (strncmp(key, JOURNAL_PREFIX, strlen(JOURNAL_PREFIX)) != 0 || len > sizeof(name) ||
            !json_is_string(value))
            continue;
        (void)snprintf(name, sizeof(name), "%s", key + strlen(JOURNAL_PREFIX));
        span_fold(name, strlen(name));
        set_field(event, name, sluice_span_of(json_string_value(value)));
    }
    return event;
}

json_t *log_line_parse(struct sluice_span line)
{
    json_t *object = line.len > 0 && line.ptr[0] == '{' ? json_loadb(line.ptr, line.len, 0, NULL)
                                                        : NULL;
    json_t *event;

    if (object == NULL)
        return parse_text(line);
    if (json_object_get(object, "time") != NULL)
        return object;
    event = parse_journal(object);
    json_decref(object);
    return event;
}

/* What follows the seconds: ".123+01:00". */
static int64_t fraction_ms(const char *rest, int *ret_zone_s)
{
    int milliseconds = 0;
    int hours = 0;
    int minutes = 0;

    *ret_zone_s = 0;
    if (sscanf(rest, ".%3d", &milliseconds) == 1)
        rest += 1 + strspn(rest + 1, "0123456789");
    if ((*rest == '+' || *rest == '-') && sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2)
        *ret_zone_s = (*rest == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return milliseconds;
}

int64_t log_line_ms(const json_t *event)
{
    const char *text = json_string_value(json_object_get(event, "time"));
    struct tm tm = {0};
    int zone_s;
    const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

    if (rest == NULL)
        return 0;
    int64_t ms = fraction_ms(rest, &zone_s);
    return ((int64_t)timegm(&tm) - zone_s) * 1000 + ms;
}
