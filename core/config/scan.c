/* SPDX-License-Identifier: ISC */
/*
 * scan: see scan.h.
 */
#include "config/scan.h"

#include "base/durable.h"
#include "base/span.h"
#include "config/token.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct name {
    struct sluice_span text;
    struct place place;
};

/* A group: the names that it has so far. */
struct scope {
    struct name *names;
    size_t count;
};

struct scan {
    struct arena *arena;
    struct report *report;
    struct buffer text;
    struct place *places;
    size_t line_count;
    const char **files;
    size_t file_count;
    struct scope *scopes;
    size_t scope_count;
    unsigned depth;
    const char *open_files[SCAN_DEPTH_MAX]; /* real paths */
    unsigned duplicates;
};

/* One file being read. at is the next byte, and line its line. */
struct source {
    struct sluice_span at;
    const char *path;
    unsigned line;
};

static void scan_file(struct scan *scan, const char *path, struct place from);

static struct place here(const struct source *source)
{
    return (struct place){.file = source->path, .line = source->line};
}

/* ---- writing -------------------------------------------------------------------------------- */

static void new_line(struct scan *scan, struct place place)
{
    if (scan->line_count > 0)
        buffer_add_byte(&scan->text, '\n');
    scan->places = arena_grow(scan->arena, scan->places, scan->line_count, sizeof(*scan->places));
    scan->places[scan->line_count++] = place;
}

/* What closes or parts stays on the line of what is before it. */
static bool stays_on_line(char first)
{
    return strchr(",;])}=:", first) != NULL;
}

static void put(struct scan *scan, struct place place, struct sluice_span token)
{
    if (scan->line_count == 0 || !stays_on_line(token.ptr[0]))
        new_line(scan, place);
    else
        buffer_add_byte(&scan->text, ' ');
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] == '\n') {
            place.line++;
            new_line(scan, place);
        } else {
            buffer_add_byte(&scan->text, token.ptr[i]);
        }
    }
}

static void put_text(struct scan *scan, struct place place, const char *token)
{
    put(scan, place, sluice_span_of(token));
}

/* ---- reading -------------------------------------------------------------------------------- */

static struct sluice_span take(struct source *source, size_t len)
{
    struct sluice_span taken = span_first(source->at, len);

    for (size_t i = 0; i < taken.len; i++) {
        if (taken.ptr[i] == '\n')
            source->line++;
    }
    source->at = span_skip(source->at, len);
    return taken;
}

static void skip_blanks(struct scan *scan, struct source *source)
{
    size_t len;

    while ((len = token_blank_len(source->at)) > 0) {
        struct sluice_span blank = span_first(source->at, len);

        if (token_is_text(blank, "/*") && (len < 4 || memcmp(blank.ptr + len - 2, "*/", 2) != 0))
            report_error(scan->report, here(source), "the comment that begins here does not end");
        (void)take(source, len);
    }
}

/* ---- names ---------------------------------------------------------------------------------- */

static void scope_begin(struct scan *scan)
{
    scan->scopes = arena_grow(scan->arena, scan->scopes, scan->scope_count, sizeof(*scan->scopes));
    scan->scopes[scan->scope_count++] = (struct scope){0};
}

/* The outermost one stays, however many braces are closed. */
static void scope_end(struct scan *scan)
{
    if (scan->scope_count > 1)
        scan->scope_count--;
}

static void put_name(struct scan *scan, struct place place, struct sluice_span name)
{
    struct scope *scope = &scan->scopes[scan->scope_count - 1];

    for (size_t i = 0; i < scope->count; i++) {
        const struct name *before = &scope->names[i];

        if (!span_equal(before->text, name))
            continue;
        report_error(scan->report, place, "%.*s is set already, at %s:%u", SPAN_ARGS(name),
                     before->place.file, before->place.line);
        put_text(scan, place, arena_printf(scan->arena, "*%u", ++scan->duplicates));
        return;
    }
    scope->names = arena_grow(scan->arena, scope->names, scope->count, sizeof(*scope->names));
    scope->names[scope->count++] =
        (struct name){.text = sluice_span_of(arena_text(scan->arena, name)), .place = place};
    put(scan, place, name);
}

/* ---- words and numbers ---------------------------------------------------------------------- */

/* As libconfig defines it. */
static bool is_name(struct sluice_span word)
{
    if (!isalpha((unsigned char)word.ptr[0]) && word.ptr[0] != '*')
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (!isalnum((unsigned char)word.ptr[i]) && strchr("-_*", word.ptr[i]) == NULL)
            return false;
    }
    return true;
}

static bool is_boolean(struct sluice_span word)
{
    return span_equal_case(word, SPAN_LITERAL("true")) ||
           span_equal_case(word, SPAN_LITERAL("false"));
}

enum number_kind { NUMBER_NONE, NUMBER_INTEGER, NUMBER_FLOAT, NUMBER_TOO_LARGE, NUMBER_WANTS_L };

/* What libconfig would make of the word. Its long integers have L or LL behind them. */
static enum number_kind number_kind(const char *word)
{
    char *end;
    long long number;

    if (strpbrk(word, "0123456789") == NULL || isalpha((unsigned char)word[0]))
        return NUMBER_NONE;
    errno = 0;
    number = strtoll(word, &end, strncasecmp(word, "0x", 2) == 0 ? 16 : 10);
    if (*end == '\0' || strcmp(end, "L") == 0 || strcmp(end, "LL") == 0) {
        if (errno == ERANGE)
            return NUMBER_TOO_LARGE;
        if (*end == '\0' && (number > INT32_MAX || number < INT32_MIN))
            return NUMBER_WANTS_L;
        return NUMBER_INTEGER;
    }
    (void)strtod(word, &end);
    return *end == '\0' ? NUMBER_FLOAT : NUMBER_NONE;
}

static void put_value(struct scan *scan, struct place place, struct sluice_span word)
{
    const char *text = arena_text(scan->arena, word);

    switch (number_kind(text)) {
    case NUMBER_INTEGER:
    case NUMBER_FLOAT:
        put(scan, place, word);
        return;
    case NUMBER_TOO_LARGE:
        report_error(scan->report, place, "%s does not fit in 64 bits", text);
        put_text(scan, place, "0");
        return;
    case NUMBER_WANTS_L:
        report_error(scan->report, place, "%s does not fit in 32 bits: write %sL", text, text);
        put_text(scan, place, "0");
        return;
    case NUMBER_NONE:
        break;
    }
    if (is_boolean(word)) {
        put(scan, place, word);
        return;
    }
    report_error(scan->report, place,
                 "%s: a text is written in quotes, and a setting as name = value", text);
    put_text(scan, place, "\"\"");
}

static void take_word(struct scan *scan, struct source *source, size_t len)
{
    struct place place = here(source);
    struct sluice_span word = take(source, len);

    if (!token_is_assignment(source->at)) {
        put_value(scan, place, word);
    } else if (!is_name(word)) {
        report_error(scan->report, place, "%.*s cannot be the name of a setting", SPAN_ARGS(word));
        put_text(scan, place, arena_printf(scan->arena, "*%u", ++scan->duplicates));
    } else {
        put_name(scan, place, word);
    }
}

/* ---- texts ---------------------------------------------------------------------------------- */

static bool has_nul(struct sluice_span quoted)
{
    for (size_t i = 0; i < quoted.len; i++) {
        if (quoted.ptr[i] == '\0')
            return true;
        if (quoted.ptr[i] != '\\')
            continue;
        if (token_is_text(span_skip(quoted, i), "\\x00"))
            return true;
        i++;
    }
    return false;
}

/* The quoted text as libconfig takes it; a span of length 0 after an error. */
static struct sluice_span take_quoted(struct scan *scan, struct source *source)
{
    size_t len = token_quoted_len(source->at);
    struct place place = here(source);
    struct sluice_span quoted;

    if (len == 0) {
        report_error(scan->report, place, "the text that begins here does not end");
        (void)take(source, source->at.len);
        return SPAN_EMPTY;
    }
    quoted = take(source, len);
    if (has_nul(quoted)) {
        report_error(scan->report, place, "a text cannot contain a NUL character");
        return SPAN_EMPTY;
    }
    return quoted;
}

static void take_text(struct scan *scan, struct source *source)
{
    struct place place = here(source);
    struct sluice_span quoted = take_quoted(scan, source);

    put(scan, place, quoted.len > 0 ? quoted : SPAN_LITERAL("\"\""));
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Beside the file that names it, unless it is absolute. */
static const char *include_path(struct scan *scan, const char *from, struct sluice_span name)
{
    const char *slash = strrchr(from, '/');

    if (slash == NULL || name.ptr[0] == '/')
        return arena_text(scan->arena, name);
    return arena_printf(scan->arena, "%.*s/%.*s", (int)(slash - from), from, SPAN_ARGS(name));
}

static void take_include(struct scan *scan, struct source *source)
{
    struct place place = here(source);
    struct sluice_span name;

    (void)take(source, strlen("@include"));
    skip_blanks(scan, source);
    if (!token_is_text(source->at, "\"")) {
        report_error(scan->report, place, "@include wants the name of a file in quotes");
        return;
    }
    name = take_quoted(scan, source);
    if (name.len <= 2) {
        report_error(scan->report, place, "@include wants the name of a file in quotes");
        return;
    }
    name = span_first(span_skip(name, 1), name.len - 2);
    scan_file(scan, include_path(scan, source->path, name), place);
}

static void take_other(struct scan *scan, struct source *source)
{
    struct place place = here(source);
    struct sluice_span one = take(source, 1);

    if (one.ptr[0] == '{')
        scope_begin(scan);
    else if (one.ptr[0] == '}')
        scope_end(scan);
    if (one.ptr[0] != '\0' && strchr("{}()[],;=:", one.ptr[0]) != NULL) {
        put(scan, place, one);
        return;
    }
    if (isprint((unsigned char)one.ptr[0]))
        report_error(scan->report, place, "'%c' has no meaning here", one.ptr[0]);
    else
        report_error(scan->report, place, "a character of code %u has no meaning here",
                     (unsigned)(unsigned char)one.ptr[0]);
}

/* libconfig knows no trailing commas; its "syntax error" would help nobody. */
static bool is_trailing_comma(struct sluice_span at)
{
    if (!token_is_text(at, ","))
        return false;
    at = token_skip_blanks(span_skip(at, 1));
    return token_is_text(at, "]") || token_is_text(at, ")");
}

static void scan_tokens(struct scan *scan, struct source *source)
{
    for (skip_blanks(scan, source); source->at.len > 0; skip_blanks(scan, source)) {
        size_t len;

        if (token_is_text(source->at, "@include")) {
            take_include(scan, source);
        } else if (token_is_text(source->at, "\"")) {
            take_text(scan, source);
        } else if ((len = token_word_len(source->at)) > 0) {
            take_word(scan, source, len);
        } else if (is_trailing_comma(source->at)) {
            report_error(scan->report, here(source), "a comma follows the last element");
            (void)take(source, 1);
        } else {
            take_other(scan, source);
        }
    }
}

static bool is_open(const struct scan *scan, const char *real_path)
{
    for (unsigned i = 0; i < scan->depth; i++) {
        if (strcmp(scan->open_files[i], real_path) == 0)
            return true;
    }
    return false;
}

static void scan_bytes(struct scan *scan, const char *path, struct place from)
{
    struct source source = {.path = path, .line = 1};
    struct error err = ERROR_INIT;
    char *bytes;
    size_t len;

    if (durable_read_file(path, SCAN_FILE_MAX, &bytes, &len, &err) != SLUICE_OK) {
        report_error(scan->report, from, "cannot read %s%s%s", path,
                     err.text[0] != '\0' ? ": " : "", err.text);
        return;
    }
    scan->files = arena_grow(scan->arena, scan->files, scan->file_count, sizeof(*scan->files));
    scan->files[scan->file_count++] = path;
    source.at = (struct sluice_span){.ptr = bytes, .len = len};
    scan_tokens(scan, &source);
    free(bytes);
}

static void scan_file(struct scan *scan, const char *path, struct place from)
{
    char *real_path = realpath(path, NULL);

    if (real_path == NULL) {
        report_error(scan->report, from, "cannot read %s: %s", path, strerror(errno));
    } else if (is_open(scan, real_path)) {
        report_error(scan->report, from, "%s includes itself", path);
    } else if (scan->depth == SCAN_DEPTH_MAX) {
        report_error(scan->report, from, "%s: more than %d files include each other", path,
                     SCAN_DEPTH_MAX);
    } else {
        scan->open_files[scan->depth++] = real_path;
        scan_bytes(scan, path, from);
        scan->depth--;
    }
    free(real_path);
}

void scan_read(const char *path, struct arena *arena, struct report *report,
               struct scan_text *ret_text)
{
    struct scan scan = {.arena = arena, .report = report};

    scope_begin(&scan);
    scan_file(&scan, arena_text(arena, sluice_span_of(path)), (struct place){.file = path});
    if (buffer_failed(&scan.text))
        report_error(report, (struct place){.file = path}, "out of memory");
    *ret_text = (struct scan_text){
        .text = arena_text(arena, buffer_span(&scan.text)),
        .places = scan.places,
        .line_count = scan.line_count,
        .files = scan.files,
        .file_count = scan.file_count,
    };
    buffer_done(&scan.text);
}

struct place scan_place(const struct scan_text *text, unsigned line)
{
    if (text->line_count == 0)
        return PLACE_DEFAULT;
    if (line == 0)
        line = 1;
    return text->places[line <= text->line_count ? line - 1 : text->line_count - 1];
}
