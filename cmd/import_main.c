/* SPDX-License-Identifier: ISC */
/*
 * import_main: logical lines, as Postfix reads them, and main.cf made of them.
 */
#include "import.h"

#include "base/durable.h"
#include "base/span.h"

#include <ctype.h>
#include <stdlib.h>

/* ---- logical lines ---------------------------------------------------------------------------- */

struct reader {
    struct import *import;
    const char *path;
    struct buffer line; /* that is being put together */
    struct place place; /* of its first part */
    struct import_line *lines;
    size_t count;
};

static bool is_blank(char c)
{
    return isspace((unsigned char)c) != 0;
}

static void end_line(struct reader *reader)
{
    struct arena *arena = &reader->import->arena;

    while (reader->line.len > 0 && is_blank(reader->line.ptr[reader->line.len - 1]))
        reader->line.len--;
    if (reader->line.len == 0)
        return;
    reader->lines = arena_grow(arena, reader->lines, reader->count, sizeof(*reader->lines));
    reader->lines[reader->count++] = (struct import_line){
        .text = arena_text(arena, buffer_span(&reader->line)), .place = reader->place};
    buffer_clear(&reader->line);
}

static bool add_part(struct reader *reader, struct sluice_span part, unsigned number)
{
    struct place place = {.file = reader->path, .line = number};
    size_t blanks = 0;

    if (memchr(part.ptr, '\0', part.len) != NULL) {
        report_error(&reader->import->report, place, "a NUL character has no meaning here");
        return false;
    }
    while (blanks < part.len && is_blank(part.ptr[blanks]))
        blanks++;
    if (blanks == part.len || part.ptr[blanks] == '#')
        return true; /* neither ends a line that goes on */
    if (blanks == 0)
        end_line(reader);
    else if (reader->line.len == 0)
        report_warning(&reader->import->report, place,
                       "the first line begins with a blank; it is taken without");
    if (reader->line.len == 0) {
        reader->place = place;
        part = span_skip(part, blanks);
    }
    buffer_add_span(&reader->line, part);
    return true;
}

static bool read_parts(struct reader *reader, struct sluice_span text)
{
    for (unsigned number = 1; text.len > 0; number++) {
        size_t len = span_find(text, '\n');

        if (!add_part(reader, span_first(text, len), number))
            return false;
        text = span_skip(text, len + 1);
    }
    end_line(reader);
    return true;
}

/* The text without "path: " before it, which the report says. */
static const char *without(const char *text, const char *path)
{
    size_t len = strlen(path);

    return strncmp(text, path, len) == 0 && text[len] == ':' ? text + len + 2 : text;
}

bool import_read_lines(struct import *import, const char *path, bool is_needed,
                       struct import_line **ret_lines, size_t *ret_count)
{
    struct reader reader = {.import = import, .path = path};
    struct place place = {.file = path};
    struct error err = ERROR_INIT;
    bool is_good;
    char *bytes;
    size_t len;
    sluice_status st = durable_read_file(path, IMPORT_FILE_MAX, &bytes, &len, &err);

    *ret_count = 0;
    if (st == SLUICE_NOT_FOUND && !is_needed)
        return true;
    if (st != SLUICE_OK) {
        report_error(&import->report, place, "%s",
                     st == SLUICE_NOT_FOUND ? "there is no such file" : without(err.text, path));
        return false;
    }
    is_good = read_parts(&reader, (struct sluice_span){.ptr = bytes, .len = len});
    if (buffer_failed(&reader.line)) {
        report_error(&import->report, place, "out of memory");
        is_good = false;
    }
    buffer_done(&reader.line);
    free(bytes);
    *ret_lines = reader.lines;
    *ret_count = reader.count;
    return is_good;
}

/* ---- parameters ------------------------------------------------------------------------------- */

bool import_split(struct import *import, const char *text, struct place place,
                  struct import_entry *ret_entry)
{
    struct sluice_span rest = sluice_span_of(text);
    size_t equals = span_find(rest, '=');
    size_t len = equals;

    while (len > 0 && is_blank(text[len - 1]))
        len--;
    for (size_t i = 0; i < len; i++) {
        if (is_blank(text[i]))
            equals = rest.len; /* two words before it */
    }
    if (equals == rest.len || len == 0) {
        report_error(&import->report, place, "%s: \"%.60s\"",
                     equals == rest.len ? "this is not of the form name = value"
                                        : "a name is missing before =",
                     text);
        return false;
    }
    text += equals + 1;
    while (is_blank(*text))
        text++;
    *ret_entry = (struct import_entry){
        .name = arena_text(&import->arena, span_first(rest, len)), .value = text, .place = place};
    return true;
}

void import_add(struct import *import, struct import_entries *entries,
                const struct import_entry *entry)
{
    entries->items =
        arena_grow(&import->arena, entries->items, entries->count, sizeof(*entries->items));
    entries->items[entries->count++] = *entry;
}

struct import_entry *import_find(const struct import_entries *entries, struct sluice_span name)
{
    for (size_t i = entries->count; i > 0; i--) {
        if (span_equal(sluice_span_of(entries->items[i - 1].name), name))
            return &entries->items[i - 1];
    }
    return NULL;
}

/* A parameter that is set again: the last one counts. */
static void add_parameter(struct import *import, const struct import_entry *entry)
{
    struct import_entry *before = import_find(&import->parameters, sluice_span_of(entry->name));

    if (before == NULL) {
        import_add(import, &import->parameters, entry);
        return;
    }
    report_warning(&import->report, entry->place, "%s replaces the one of line %u", entry->name,
                   before->place.line);
    *before = *entry;
}

bool import_read_main(struct import *import)
{
    const char *path = arena_printf(&import->arena, "%s/main.cf", import->path);
    struct import_line *lines;
    bool is_good = true;
    size_t count;

    if (!import_read_lines(import, path, true, &lines, &count))
        return false;
    if (count > IMPORT_ENTRY_MAX) {
        report_error(&import->report, lines[IMPORT_ENTRY_MAX].place, "more than %d parameters",
                     IMPORT_ENTRY_MAX);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct import_entry entry;

        if (import_split(import, lines[i].text, lines[i].place, &entry))
            add_parameter(import, &entry);
        else
            is_good = false;
    }
    return is_good;
}
