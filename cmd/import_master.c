/* SPDX-License-Identifier: ISC */
/*
 * import_master: master.cf: a service on each logical line.
 *
 *   name type private unprivileged chroot wakeup process-limit command [-o name=value] [argument ...]
 *
 * An option may be written -o name=value, -oname=value, -o { name = value }, and behind others without
 * a value, as in -vo name=value.
 */
#include "import.h"

#include "base/span.h"

#include <ctype.h>

#define FIELD_COUNT 8

/* The next word; a text in braces is one, with blanks in it. False: there is none. */
static bool take_word(struct import *import, const char **rest, const char **ret_word)
{
    const char *start = *rest + strspn(*rest, " \t\r\n\f\v");
    size_t depth = 0;
    size_t len = 0;

    for (; start[len] != '\0'; len++) {
        if (start[len] == '{')
            depth++;
        else if (start[len] == '}' && depth > 0)
            depth--;
        else if (depth == 0 && isspace((unsigned char)start[len]))
            break;
    }
    *ret_word = arena_text(&import->arena, (struct sluice_span){.ptr = start, .len = len});
    *rest = start + len;
    return len > 0;
}

/* What is in the braces, if the whole is. */
static const char *without_braces(struct import *import, const char *text)
{
    struct sluice_span inside = sluice_span_of(text);

    if (inside.len < 2 || text[0] != '{' || text[inside.len - 1] != '}')
        return text;
    inside = span_trim(span_first(span_skip(inside, 1), inside.len - 2));
    return arena_text(&import->arena, inside);
}

/* word: begins with "-". False after a report. */
static bool take_option(struct import *import, struct import_service *service, const char *word,
                        const char **rest)
{
    const char *value = strchr(word, 'o');
    struct import_entry entry;

    if (value == NULL || word[1] == '-')
        return true; /* -v, -D */
    value++;
    if (*value == '\0' && !take_word(import, rest, &value)) {
        report_error(&import->report, service->place, "%s: -o has nothing behind it",
                     service->name);
        return false;
    }
    value = without_braces(import, value);
    if (!import_split(import, value, service->place, &entry))
        return false;
    import_add(import, &service->overrides, &entry);
    return true;
}

static bool take_command_line(struct import *import, struct import_service *service,
                              const char *rest)
{
    const char **arguments = NULL;
    const char *word;
    size_t count = 0;

    while (take_word(import, &rest, &word)) {
        if (count == 0 && word[0] == '-' && word[1] != '\0') {
            if (!take_option(import, service, word, &rest))
                return false;
            continue;
        }
        arguments = arena_grow(&import->arena, arguments, count, sizeof(*arguments));
        arguments[count++] = without_braces(import, word);
    }
    service->arguments = arguments;
    service->argument_count = count;
    return true;
}

static bool is_type(const char *type)
{
    static const char *const types[] = {"inet", "unix", "fifo", "pass", "unix-dgram"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i], type) == 0)
            return true;
    }
    return false;
}

static bool add_service(struct import *import, const struct import_line *line)
{
    struct import_service service = {.place = line->place};
    const char *fields[FIELD_COUNT];
    const char *rest = line->text;
    size_t count = 0;

    while (count < FIELD_COUNT && take_word(import, &rest, &fields[count]))
        count++;
    if (count < FIELD_COUNT) {
        report_error(&import->report, line->place,
                     "a service has %d fields and this has %zu: \"%.60s\"", FIELD_COUNT, count,
                     line->text);
        return false;
    }
    service.name = fields[0];
    service.type = fields[1];
    service.process_limit = fields[6];
    service.command = fields[7];
    if (!is_type(service.type)) {
        report_error(&import->report, line->place, "%s: there is no type \"%s\" of services",
                     service.name, service.type);
        return false;
    }
    if (!take_command_line(import, &service, rest))
        return false;
    import->services = arena_grow(&import->arena, import->services, import->service_count,
                                  sizeof(*import->services));
    import->services[import->service_count++] = service;
    return true;
}

/* Where there is no master.cf, or nothing in it. */
static void add_usual(struct import *import)
{
    static const char *const lines[] = {
        "smtp inet n - n - - smtpd",  "smtp unix - - n - - smtp",
        "relay unix - - n - - smtp",  "error unix - - n - - error",
        "retry unix - - n - - error", "discard unix - - n - - discard",
        "local unix - n n - - local", "virtual unix - n n - - virtual",
        "lmtp unix - - n - - lmtp",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        (void)add_service(import, &(struct import_line){.text = lines[i], .place = PLACE_DEFAULT});
}

bool import_read_master(struct import *import)
{
    const char *path = arena_printf(&import->arena, "%s/master.cf", import->path);
    struct import_line *lines;
    bool is_good = true;
    size_t count;

    if (!import_read_lines(import, path, false, &lines, &count))
        return false;
    if (count > IMPORT_SERVICE_MAX) {
        report_error(&import->report, lines[IMPORT_SERVICE_MAX].place, "more than %d services",
                     IMPORT_SERVICE_MAX);
        return false;
    }
    if (count == 0) {
        report_warning(&import->report, (struct place){.file = path},
                       "there is nothing in it; Postfix's usual services are taken");
        add_usual(import);
    }
    for (size_t i = 0; i < count; i++) {
        if (!add_service(import, &lines[i]))
            is_good = false;
    }
    return is_good;
}

/* master_service_disable: name/type, or a type. */
static bool is_disabled(struct import *import, const struct import_service *service)
{
    struct sluice_span rest = sluice_span_of(import_value(import, "master_service_disable"));
    struct sluice_span item;

    while (list_next(&rest, &item)) {
        size_t slash = span_find_last(item, '/');
        struct sluice_span type = slash < item.len ? span_skip(item, slash + 1) : item;

        if (span_equal(type, sluice_span_of(service->type)) &&
            (slash == item.len ||
             span_equal(span_first(item, slash), sluice_span_of(service->name))))
            return true;
    }
    return false;
}

void import_drop_disabled(struct import *import)
{
    size_t count = 0;

    for (size_t i = 0; i < import->service_count; i++) {
        if (!is_disabled(import, &import->services[i]))
            import->services[count++] = import->services[i];
    }
    import->service_count = count;
}
