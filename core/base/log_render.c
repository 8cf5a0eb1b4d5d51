/* SPDX-License-Identifier: ISC */
/*
 * log_render: see log_render.h.
 */
#include "base/log_render.h"

#include "base/id.h"
#include "base/span.h"
#include "base/text.h"

#include <ctype.h>

#define VALUE_MAX 1500  /* bytes of a field's text */
#define JOURNAL_PREFIX "SLUICE_"

static void put(struct text *out, const char *bytes, size_t len)
{
    text_add_span(out, (struct sluice_span){bytes, len});
}

/* ---- characters ------------------------------------------------------------------------------ */

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

/* How many bytes at the start need no second look: that is nearly all, nearly always. */
static size_t plain_len(struct sluice_span bytes)
{
    size_t len = 0;

    while (len < bytes.len && bytes.ptr[len] >= ' ' && bytes.ptr[len] <= '~' &&
           bytes.ptr[len] != '"' && bytes.ptr[len] != '\\')
        len++;
    return len;
}

/* A whole character or nothing; is_json: as a part of a JSON string. */
static void put_characters(struct text *out, struct sluice_span bytes, bool is_json)
{
    bytes = span_first(bytes, VALUE_MAX);
    while (bytes.len > 0) {
        size_t plain = plain_len(bytes);
        put(out, bytes.ptr, plain);
        bytes = span_skip(bytes, plain);
        if (bytes.len == 0)
            return;
        size_t len = printable_len(bytes);
        size_t taken = len > 0 ? len : 1;
        if (out->len + taken + 1 >= out->size) { /* with a backslash */
            out->is_cut = true;
            return;
        }
        if (is_json && (bytes.ptr[0] == '"' || bytes.ptr[0] == '\\'))
            put(out, "\\", 1);
        put(out, len > 0 ? bytes.ptr : "?", taken);
        bytes = span_skip(bytes, taken);
    }
}

/* ---- values ---------------------------------------------------------------------------------- */

/* With that many digits behind the point; less than nothing is a clock that was set. */
static void put_time(struct text *out, int64_t ms, int digits)
{
    static const uint64_t units[] = {1000, 100, 10, 1}; /* in milliseconds */
    uint64_t unit = units[digits];
    uint64_t rounded = ((ms > 0 ? (uint64_t)ms : 0) + unit / 2) / unit;

    text_add_number(out, rounded / (1000 / unit), 1);
    if (digits == 0)
        return;
    put(out, ".", 1);
    text_add_number(out, rounded % (1000 / unit), digits);
}

/* Two significant digits, as far as milliseconds go: "0.050", "1.2", "86". */
static void put_seconds(struct text *out, int64_t ms)
{
    int digits = ms >= 10000 ? 0 : ms >= 1000 ? 1 : ms >= 100 ? 2 : 3;

    if (ms <= 0)
        put(out, "0", 1);
    else
        put_time(out, ms, digits);
}

static void put_value(struct text *out, const struct log_field *field)
{
    char id[ID_TEXT_SIZE];

    if (field->type == LOG_FIELD_TEXT)
        put_characters(out, field->text, false);
    else if (field->type == LOG_FIELD_ID)
        text_add(out, id_format(field->number, id));
    else if (field->type == LOG_FIELD_NUMBER)
        text_add_number(out, field->number, 1);
    for (size_t i = 0; i < field->count; i++) {
        if (i > 0)
            put(out, "/", 1);
        put_seconds(out, field->times_ms[i]);
    }
}

static void put_json_seconds(struct text *out, const struct log_field *field)
{
    bool is_array = field->count != 1;

    text_add(out, is_array ? "[" : "");
    for (size_t i = 0; i < field->count; i++) {
        if (i > 0)
            put(out, ",", 1);
        put_time(out, field->times_ms[i], 3);
    }
    text_add(out, is_array ? "]" : "");
}

static void put_json_value(struct text *out, const struct log_field *field)
{
    if (field->type == LOG_FIELD_NUMBER) {
        text_add_number(out, field->number, 1);
        return;
    }
    if (field->type == LOG_FIELD_SECONDS) {
        put_json_seconds(out, field);
        return;
    }
    put(out, "\"", 1);
    if (field->type == LOG_FIELD_TEXT)
        put_characters(out, field->text, true);
    else
        put_value(out, field);
    put(out, "\"", 1);
}

/* ---- fields ---------------------------------------------------------------------------------- */

static void put_json_field(struct text *out, const struct log_field *field)
{
    text_add(out, out->len > 0 ? ",\"" : "\"");
    text_add(out, field->name);
    text_add(out, "\":");
    put_json_value(out, field);
}

static void put_journal_field(struct text *out, const struct log_field *field)
{
    text_add(out, JOURNAL_PREFIX);
    for (const char *at = field->name; *at != '\0'; at++) {
        char upper = (char)toupper((unsigned char)*at);
        put(out, &upper, 1);
    }
    put(out, "=", 1);
    put_value(out, field);
    put(out, "\n", 1);
}

/* A field that does not fit is not there: half of one would break the rest. */
static void put_field(struct text *out, enum log_rendering rendering, const struct log_field *field)
{
    struct text before = *out;

    if (field->is_absent)
        return;
    if (rendering == LOG_RENDER_JSON)
        put_json_field(out, field);
    else
        put_journal_field(out, field);
    if (out->is_cut) {
        *out = before;
        out->ptr[out->len] = '\0';
    }
}

static void render_fields(enum log_rendering rendering, const char *event,
                          const struct log_field *fields, size_t count, char *room)
{
    struct text out = text_open(room, LOG_FIELDS_SIZE);
    struct log_field name = log_text("event", event);

    name.is_absent = event == NULL;
    put_field(&out, rendering, &name);
    for (size_t i = 0; i < count; i++)
        put_field(&out, rendering, &fields[i]);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* pflogsumm and its like sort lines by these words. */
static void put_severity(struct text *out, enum log_level level)
{
    if (level == LOG_LEVEL_WARNING)
        text_add(out, "warning: ");
    else if (level == LOG_LEVEL_ERROR)
        text_add(out, "fatal: ");
}

/* Texts name the fields in their order, mostly: next is where to look first. */
static const struct log_field *find_field(const struct log_field *fields, size_t count,
                                          struct sluice_span name, size_t *next)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = (*next + i) % count;
        if (span_equal(sluice_span_of(fields[at].name), name)) {
            *next = at + 1;
            return &fields[at];
        }
    }
    return NULL;
}

/* What is between braces: name, or before|name|after. */
static void put_piece(struct text *out, struct sluice_span piece, const struct log_field *fields,
                      size_t count, size_t *next)
{
    struct sluice_span before = span_first(piece, span_find(piece, '|'));
    struct sluice_span rest = span_skip(piece, before.len + 1);
    struct sluice_span name = span_first(rest, span_find(rest, '|'));
    struct sluice_span after = span_skip(rest, name.len + 1);
    bool is_name_alone = before.len == piece.len;
    const struct log_field *field = find_field(fields, count, is_name_alone ? piece : name, next);

    if (field == NULL || field->is_absent)
        return;
    if (!is_name_alone)
        put(out, before.ptr, before.len);
    put_value(out, field);
    if (!is_name_alone)
        put(out, after.ptr, after.len);
}

static void render_text(const struct log_event *event, const struct log_field *fields, size_t count,
                        char *room)
{
    struct text out = text_open(room, LOG_TEXT_SIZE);
    struct sluice_span rest = sluice_span_of(event->text);
    size_t next = 0;

    put_severity(&out, event->level);
    while (rest.len > 0) {
        size_t plain = span_find(rest, '{');
        put(&out, rest.ptr, plain);
        rest = span_skip(rest, plain + 1);
        size_t len = span_find(rest, '}');
        if (rest.len > 0)
            put_piece(&out, span_first(rest, len), fields, count, &next);
        rest = span_skip(rest, len + 1);
    }
}

/* ---- lines ----------------------------------------------------------------------------------- */

void log_render_prose(enum log_rendering rendering, enum log_level level, const char *text,
                      struct log_rendered *rendered)
{
    struct log_field message = log_text("message", text);
    struct text out = text_open(rendered->text, LOG_TEXT_SIZE);

    rendered->fields[0] = '\0';
    if (rendering == LOG_RENDER_JSON) {
        render_fields(rendering, NULL, &message, 1, rendered->fields);
        return;
    }
    put_severity(&out, level);
    (void)log_quote(message.text, out.ptr + out.len, out.size - out.len);
}

void log_render_event(enum log_rendering rendering, const struct log_event *event,
                      const struct log_field *fields, size_t count, struct log_rendered *rendered)
{
    rendered->text[0] = rendered->fields[0] = '\0';
    if (rendering != LOG_RENDER_JSON)
        render_text(event, fields, count, rendered->text);
    if (rendering != LOG_RENDER_TEXT)
        render_fields(rendering, event->name, fields, count, rendered->fields);
}
