/* SPDX-License-Identifier: ISC */
/*
 * import_write: settings as libconfig reads them, and the list of what became of everything.
 */
#include "import.h"

#include "base/span.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

#define LINE_MAX_LEN 100
#define NAME_MAX_LEN 64
#define COMMENT_MAX 400
#define NOTE_MAX 1024

const char *import_place(struct import *import, struct place place)
{
    const char *slash = place.file != NULL ? strrchr(place.file, '/') : NULL;

    if (place.file == NULL)
        return "Postfix's default";
    return arena_printf(&import->arena, "%s:%u", slash != NULL ? slash + 1 : place.file,
                        place.line);
}

bool import_is_name(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    return len > 0 && len <= NAME_MAX_LEN && text[len] == '\0';
}

/* ---- sluice.conf ------------------------------------------------------------------------------ */

void import_comment(struct import *import, const char *indent, const char *format, ...)
{
    char text[COMMENT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* cut off if need be */
    va_end(arguments);
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    buffer_printf(&import->text, "%s# %s\n", indent, text);
}

static void put_quoted(struct buffer *out, const char *text)
{
    buffer_add_byte(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            buffer_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buffer_printf(out, "\\x%02x", c);
        else
            buffer_add_byte(out, *text);
    }
    buffer_add_byte(out, '"');
}

static bool is_number(const char *text)
{
    size_t len = strspn(text, "0123456789");

    return len > 0 && len <= 18 && text[len] == '\0';
}

/* As options are read: in any case of letters. */
static bool is_true(const char *value)
{
    return strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0;
}

void import_write_value(struct import *import, const char *indent, int32_t type, const char *name,
                        const char *value)
{
    bool is_numeric =
        type == SLUICE_OPT_INTEGER || type == SLUICE_OPT_SIZE || type == SLUICE_OPT_DURATION;

    buffer_printf(&import->text, "%s%s = ", indent, name);
    if (is_numeric && is_number(value)) {
        intmax_t number = strtoimax(value, NULL, 10);

        buffer_printf(&import->text, "%" PRIdMAX "%s", number, number > INT32_MAX ? "L" : "");
    } else if (type == SLUICE_OPT_BOOLEAN) {
        buffer_add_text(&import->text, is_true(value) ? "true" : "false");
    } else {
        put_quoted(&import->text, value);
    }
    buffer_add_text(&import->text, ";\n");
}

static size_t line_len(const char *name, const struct import_list *list)
{
    size_t len = strlen(name) + sizeof(" = [  ];");

    for (size_t i = 0; i < list->count && len <= LINE_MAX_LEN; i++)
        len += strlen(list->items[i]) + sizeof("\"\", ") - 1;
    return len;
}

/* On one line where it fits. */
void import_write_list(struct import *import, const char *indent, const char *name,
                       const struct import_list *list)
{
    bool is_short = strlen(indent) + line_len(name, list) <= LINE_MAX_LEN;

    buffer_printf(&import->text, "%s%s = [", indent, name);
    for (size_t i = 0; i < list->count; i++) {
        buffer_add_text(&import->text, i > 0 ? "," : "");
        if (is_short)
            buffer_add_byte(&import->text, ' ');
        else
            buffer_printf(&import->text, "\n%s    ", indent);
        put_quoted(&import->text, list->items[i]);
    }
    buffer_add_text(&import->text, " ];\n");
}

const char *import_escape(struct import *import, const char *text)
{
    struct buffer out = BUFFER_INIT;
    const char *escaped;

    if (strchr(text, '$') == NULL)
        return text;
    for (; *text != '\0'; text++) {
        if (*text == '$')
            buffer_add_byte(&out, '$');
        buffer_add_byte(&out, *text);
    }
    escaped = arena_text(&import->arena, buffer_span(&out));
    buffer_done(&out);
    return escaped;
}

/* Fit for people's eyes, and for JSON. */
static const char *clean(struct import *import, const char *text)
{
    char *copy = arena_text(&import->arena, sluice_span_of(text));
    size_t len;

    for (char *c = copy; *c != '\0'; c += len) {
        len = span_utf8_len(sluice_span_of(c));
        if (len == 0 || (unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
            len = 1;
        }
    }
    return copy;
}

/* ---- notes ------------------------------------------------------------------------------------ */

void import_note(struct import *import, enum import_verdict verdict, struct place place,
                 const char *name, const char *format, ...)
{
    char text[NOTE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* cut off if need be */
    va_end(arguments);
    import->notes =
        arena_grow(&import->arena, import->notes, import->note_count, sizeof(*import->notes));
    import->notes[import->note_count++] = (struct import_note){.verdict = verdict,
                                                               .place = place,
                                                               .name = clean(import, name),
                                                               .text = clean(import, text)};
    import->counts[verdict]++;
}

static const char *verdict_word(enum import_verdict verdict)
{
    static const char *const words[IMPORT_VERDICTS] = {
        [IMPORT_CARRIED] = "carried over",
        [IMPORT_NOT_NEEDED] = "not needed",
        [IMPORT_NOT_SUPPORTED] = "not supported",
        [IMPORT_LOST] = "LOST",
    };

    return words[verdict];
}

static void print_json(const struct import_note *note, FILE *file)
{
    static const char *const words[IMPORT_VERDICTS] = {
        [IMPORT_CARRIED] = "carried",
        [IMPORT_NOT_NEEDED] = "not-needed",
        [IMPORT_NOT_SUPPORTED] = "not-supported",
        [IMPORT_LOST] = "lost",
    };
    json_t *line = json_pack("{s:s?, s:i, s:s, s:s, s:s}", "file", note->place.file, "line",
                             (int)note->place.line, "name", note->name, "verdict",
                             words[note->verdict], "text", note->text);

    (void)json_dumpf(line, file, 0); /* main looks at stdout in the end */
    (void)fputc('\n', file);
    json_decref(line);
}

static void print_text(const struct import_note *note, FILE *file)
{
    if (note->place.file != NULL)
        (void)fprintf(file, "%s:%u: ", note->place.file, note->place.line);
    else
        (void)fputs("Postfix's default: ", file);
    (void)fprintf(file, "%s: %s%s%s\n", verdict_word(note->verdict), note->name,
                  note->text[0] != '\0' ? ": " : "", note->text);
}

/* main.cf before master.cf, and defaults last. */
static int compare_notes(const void *left, const void *right)
{
    const struct import_note *a = left;
    const struct import_note *b = right;

    if (a->place.file != b->place.file) {
        if (a->place.file == NULL || b->place.file == NULL)
            return a->place.file == NULL ? 1 : -1;
        if (strcmp(a->place.file, b->place.file) != 0)
            return strcmp(a->place.file, b->place.file);
    }
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    if (strcmp(a->name, b->name) != 0)
        return strcmp(a->name, b->name);
    if (a->verdict != b->verdict)
        return a->verdict > b->verdict ? -1 : 1; /* the worst first */
    return strcmp(a->text, b->text);
}

void import_print_notes(const struct import *import, FILE *file, bool wants_json)
{
    qsort(import->notes, import->note_count, sizeof(*import->notes), compare_notes);
    for (size_t i = 0; i < import->note_count; i++) {
        if (wants_json)
            print_json(&import->notes[i], file);
        else
            print_text(&import->notes[i], file);
    }
    if (wants_json)
        return;
    (void)fprintf(file, "%zu carried over, %zu not needed, %zu not supported, %zu lost\n",
                  import->counts[IMPORT_CARRIED], import->counts[IMPORT_NOT_NEEDED],
                  import->counts[IMPORT_NOT_SUPPORTED], import->counts[IMPORT_LOST]);
    if (import->counts[IMPORT_LOST] > 0)
        (void)fputs("What is LOST changes where mail goes, or who may relay: look at each.\n",
                    file);
}
