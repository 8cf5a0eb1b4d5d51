/* SPDX-License-Identifier: ISC */
/*
 * submission: line by line to the end of the header.
 */
#include "receive/submission.h"

#include "base/date.h"
#include "base/span.h"
#include "receive/trace.h"

#include <time.h>

#define NAME_MAX_SIZE 256 /* bytes of a user's full name that go into From */
#define WORD_MAX 45       /* letters of an encoded word behind which the next begins */

/* Those that a message must have; the same with "Resent-" before it. */
enum field { FIELD_MESSAGE_ID, FIELD_DATE, FIELD_FROM, FIELD_COUNT };

static const char *const field_names[FIELD_COUNT] = {"Message-Id", "Date", "From"};

/* ---- looking --------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A field's name, blanks before the colon taken off; empty: the line begins none. */
static struct sluice_span name_of(struct sluice_span line)
{
    struct sluice_span name = span_first(line, span_find(line, ':'));

    if (name.len == line.len)
        return SPAN_EMPTY;
    while (name.len > 0 && is_blank(name.ptr[name.len - 1]))
        name.len--;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
            return SPAN_EMPTY;
    }
    return name;
}

static bool is_dropped(const struct settings *settings, struct sluice_span name)
{
    for (size_t i = 0; i < settings->drop_header_count; i++) {
        if (span_equal_case(name, sluice_span_of(settings->drop_headers[i])))
            return true;
    }
    return false;
}

/* A message that is resent for the first time begins to need the Resent- fields, whatever it has. */
static void note(struct submission *submission, struct sluice_span name)
{
    struct sluice_span prefix = SPAN_LITERAL("Resent-");
    bool is_resent = span_starts_case(name, prefix);

    if (is_resent && !submission->is_resent) {
        submission->is_resent = true;
        submission->seen = 0;
    }
    if (is_resent != submission->is_resent)
        return;
    name = span_skip(name, is_resent ? prefix.len : 0);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (span_equal_case(name, sluice_span_of(field_names[i])))
            submission->seen |= 1U << i;
    }
}

static bool is_empty_line(struct sluice_span line)
{
    return line.ptr[0] == '\n' || (line.len > 1 && line.ptr[0] == '\r' && line.ptr[1] == '\n');
}

/* False: it is no part of the header. */
static bool take_line(struct submission *submission, struct sluice_span line)
{
    struct sluice_span name = name_of(line);

    if (is_blank(line.ptr[0]) && submission->has_field) /* goes on with the field before */
        return true;
    if (name.len == 0 || is_blank(line.ptr[0]))
        return false;
    note(submission, name);
    submission->has_field = true;
    submission->is_dropping = is_dropped(submission->settings, name);
    return true;
}

enum submission_step submission_look(struct submission *submission, struct sluice_span in,
                                     bool is_full, size_t *ret_len)
{
    if (submission->left == 0) {
        size_t end = span_find(in, '\n');
        bool is_whole = end < in.len;
        struct sluice_span line = span_first(in, end + 1);
        if (!is_whole && !is_full)
            return SUBMISSION_MORE;
        if (!submission->is_mid_line && !take_line(submission, line)) {
            submission->is_without_body = !is_empty_line(line);
            return SUBMISSION_END;
        }
        submission->is_mid_line = !is_whole;
        submission->left = line.len;
    }
    *ret_len = in.len < submission->left ? in.len : submission->left;
    return submission->is_dropping ? SUBMISSION_DROP : SUBMISSION_KEEP;
}

void submission_took(struct submission *submission, size_t len)
{
    submission->left -= len;
}

/* ---- what is missing ------------------------------------------------------------------------- */

static void add_message_id(const struct submission_facts *facts, struct buffer *buffer)
{
    time_t seconds = (time_t)(facts->arrival_ms / 1000);
    char when[32] = "";
    struct tm parts;

    if (gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(when, sizeof(when), "%Y%m%d%H%M%S", &parts); /* else the id is enough */
    buffer_printf(buffer, "<%s.%s@%s>", when, facts->id, facts->myhostname);
}

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* From xtext, which has been checked; of control characters nothing is left. */
static struct sluice_span decode_name(struct sluice_span xtext, char name[NAME_MAX_SIZE])
{
    size_t len = 0;

    for (size_t i = 0; i < xtext.len && len < NAME_MAX_SIZE; i++) {
        char c = xtext.ptr[i];
        if (c == '+') {
            c = (char)(hex_value(xtext.ptr[i + 1]) * 16 + hex_value(xtext.ptr[i + 2]));
            i += 2;
        }
        if ((unsigned char)c >= ' ' && c != 0x7F)
            name[len++] = c;
    }
    return span_trim((struct sluice_span){.ptr = name, .len = len});
}

/* RFC 2047 4.2, in words of at most 75 letters; a character is not cut (5). Full names are UTF-8
 * these days. */
static void add_encoded(struct sluice_span text, struct buffer *buffer)
{
    size_t start = buffer->len;

    buffer_add_text(buffer, "=?utf-8?Q?");
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool begins = ((unsigned char)c & 0xC0) != 0x80;
        if (begins && buffer->len - start > WORD_MAX) {
            buffer_add_text(buffer, "?= ");
            start = buffer->len;
            buffer_add_text(buffer, "=?utf-8?Q?");
        }
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c == ' ')
            buffer_add_byte(buffer, '_');
        else if (is_plain)
            buffer_add_byte(buffer, c);
        else
            buffer_printf(buffer, "=%02X", (unsigned)(unsigned char)c);
    }
    buffer_add_text(buffer, "?=");
}

/* RFC 5322 3.2.5: a phrase, of atoms where it may be, else quoted. */
static void add_phrase(struct sluice_span text, struct buffer *buffer)
{
    bool is_ascii = true;
    bool is_plain = true;

    for (size_t i = 0; i < text.len; i++) {
        is_ascii = is_ascii && text.ptr[i] >= ' ' && text.ptr[i] <= '~';
        is_plain = is_plain && strchr("()<>[]:;@\\,.\"", text.ptr[i]) == NULL;
    }
    if (!is_ascii) {
        add_encoded(text, buffer);
    } else if (is_plain) {
        buffer_add_span(buffer, text);
    } else {
        buffer_add_byte(buffer, '"');
        for (size_t i = 0; i < text.len; i++) {
            if (text.ptr[i] == '"' || text.ptr[i] == '\\')
                buffer_add_byte(buffer, '\\');
            buffer_add_byte(buffer, text.ptr[i]);
        }
        buffer_add_byte(buffer, '"');
    }
}

static void add_from(const struct submission_facts *facts, struct buffer *buffer)
{
    char memory[NAME_MAX_SIZE];
    struct sluice_span name = decode_name(facts->full_name, memory);

    if (facts->sender.len == 0) {
        buffer_printf(buffer, "Mail Delivery System <MAILER-DAEMON@%s>", facts->myorigin);
    } else if (name.len == 0) {
        buffer_add_span(buffer, facts->sender);
    } else {
        add_phrase(name, buffer);
        buffer_add_text(buffer, " <");
        buffer_add_span(buffer, facts->sender);
        buffer_add_byte(buffer, '>');
    }
}

static void add_value(enum field field, const struct submission_facts *facts, struct buffer *buffer)
{
    char date[DATE_TEXT_SIZE];

    switch (field) {
    case FIELD_MESSAGE_ID:
        add_message_id(facts, buffer);
        break;
    case FIELD_DATE:
        buffer_add_text(buffer, date_format(facts->arrival_ms, date));
        break;
    default:
        add_from(facts, buffer);
        break;
    }
}

void submission_format(struct submission *submission, const struct submission_facts *facts,
                       struct buffer *buffer)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if ((submission->seen & 1U << i) != 0)
            continue;
        buffer_printf(buffer, "%s%s: ", submission->is_resent ? "Resent-" : "", field_names[i]);
        add_value((enum field)i, facts, buffer);
        buffer_add_text(buffer, "\r\n");
    }
    if (submission->is_without_body)
        buffer_add_text(buffer, "\r\n");
    submission->is_over = true;
}
