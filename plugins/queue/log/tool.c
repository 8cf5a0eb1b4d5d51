/* SPDX-License-Identifier: ISC */
/* tool: sluice-log: arguments; list and check. */
#include "tool.h"

#include "../common/folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_WHOLE 0
#define EXIT_DAMAGED 1 /* something is not as it should be, and was said on standard error */
#define EXIT_CANNOT 2  /* nothing was done, or not all of it */

#define USAGE                                                                                      \
    "usage: sluice-log list FOLDER\n"                                                              \
    "       sluice-log check FOLDER\n"                                                             \
    "       sluice-log export FOLDER NEW_FOLDER\n"                                                 \
    "       sluice-log salvage FOLDER NEW_FOLDER\n"

static void explain(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    struct tool *tool = (struct tool *)(uintptr_t)errors;

    (void)dsn;
    tool->explained++;
    (void)fprintf(stderr, "sluice-log: %s\n", text);
}

sluice_status tool_fail(struct tool *tool, const char *what, const char *on)
{
    (void)fprintf(stderr, "sluice-log: %s %s: %s\n", what, on, strerror(errno));
    tool->has_failed = true;
    return SLUICE_TEMP;
}

/* ---- all messages --------------------------------------------------------------------------- */

static int compare_ids(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* The caller frees them; NULL: no memory. */
static uint64_t *list_ids(const struct tool *tool, size_t *ret_count)
{
    const struct index *index = &tool->queue->ledger.index;
    const struct index_entry *entry;
    uint64_t *ids = malloc((index->count + 1) * sizeof(*ids));
    uint32_t cursor = 0;
    size_t count = 0;

    if (ids == NULL)
        return NULL;
    while ((entry = index_next(index, &cursor)) != NULL)
        ids[count++] = entry->id;
    qsort(ids, count, sizeof(*ids), compare_ids);
    *ret_count = count;
    return ids;
}

static void read_one(struct tool *tool, uint64_t id, const struct sluice_queue_sink *sink,
                     size_t *whole)
{
    unsigned long before = tool->explained;
    char text[64];

    if (log_read(tool->queue, id, sink, &tool->errors) == SLUICE_OK) {
        (*whole)++;
    } else if (tool->explained == before && !tool->has_failed) {
        (void)snprintf(text, sizeof(text), "message %016" PRIX64 " cannot be read", id);
        explain(&tool->errors, NULL, text);
    }
}

size_t tool_each(struct tool *tool, uint64_t first, const struct sluice_queue_sink *sink)
{
    size_t count = 0;
    size_t whole = 0;
    uint64_t *ids = list_ids(tool, &count);

    if (ids == NULL)
        (void)tool_fail(tool, "cannot read", tool->folder);
    for (size_t i = 0; i < count && !tool->has_failed; i++) {
        if (ids[i] >= first)
            read_one(tool, ids[i], sink, &whole);
    }
    free(ids);
    return whole;
}

sluice_status tool_copy(struct tool *tool, int from, uint64_t size, int to)
{
    static char bytes[65536];

    for (uint64_t at = 0; at < size;) {
        size_t piece = size - at < sizeof(bytes) ? (size_t)(size - at) : sizeof(bytes);

        if (segment_read(from, bytes, piece, at, &tool->errors) != SLUICE_OK)
            return SLUICE_TEMP;
        if (to != -1 && folder_write(to, bytes, piece, at) != SLUICE_OK)
            return tool_fail(tool, "cannot write", "a content");
        at += piece;
    }
    return SLUICE_OK;
}

/* ---- list ----------------------------------------------------------------------------------- */

/* Strangers chose the text. */
static void put_text(const char *text)
{
    for (; *text != '\0'; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void put_time(json_int_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm utc;

    if (gmtime_r(&when, &utc) == NULL)
        utc = (struct tm){0};
    printf("%04d-%02d-%02dT%02d:%02d:%02dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
           utc.tm_hour, utc.tm_min, utc.tm_sec);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static void put_recipients(const json_t *recipients)
{
    const json_t *recipient;
    size_t index;

    json_array_foreach(recipients, index, recipient)
    {
        const char *state = text_of(recipient, "state");

        putchar('\t');
        put_text(text_of(recipient, "address"));
        if (strcmp(state, "waiting") != 0)
            printf(" (%s)", state);
    }
}

static sluice_status put_message(const struct sluice_queue_sink *sink, uint64_t id, uint32_t flags,
                                 struct sluice_span record, uint64_t content_size)
{
    json_t *envelope = tool_envelope(id, content_size, record);

    (void)sink;
    (void)flags;
    printf("%016" PRIX64 "\t%" PRIu64 "\t", id, content_size);
    if (envelope == NULL) {
        printf("a record that cannot be understood");
    } else {
        put_time(json_integer_value(json_object_get(envelope, "arrival_time")));
        printf("\t<");
        put_text(text_of(envelope, "sender"));
        putchar('>');
        put_recipients(json_object_get(envelope, "recipients"));
    }
    putchar('\n');
    json_decref(envelope);
    return SLUICE_OK;
}

static void list(struct tool *tool, const char *target)
{
    const struct sluice_queue_sink sink = {.struct_size = sizeof(sink), .message = put_message};

    (void)target;
    (void)tool_each(tool, 1, &sink);
}

/* ---- check ---------------------------------------------------------------------------------- */

static sluice_status drop_message(const struct sluice_queue_sink *sink, uint64_t id, uint32_t flags,
                                  struct sluice_span record, uint64_t content_size)
{
    (void)sink;
    (void)id;
    (void)flags;
    (void)record;
    (void)content_size;
    return SLUICE_OK;
}

static sluice_status drop_content(const struct sluice_queue_sink *sink, struct sluice_span content)
{
    (void)sink;
    (void)content;
    return SLUICE_OK;
}

struct checker {
    struct sluice_queue_sink sink;
    struct tool *tool;
};

/* It has no checksum; that the disk gives all of it is as much as can be known. */
static sluice_status read_file(const struct sluice_queue_sink *sink, int fd, uint64_t size)
{
    return tool_copy(((const struct checker *)sink)->tool, fd, size, -1);
}

static void check(struct tool *tool, const char *target)
{
    const struct checker checker = {.sink = {.struct_size = sizeof(checker.sink),
                                             .message = drop_message,
                                             .content = drop_content,
                                             .content_file = read_file},
                                    .tool = tool};
    size_t whole = tool_each(tool, 1, &checker.sink);

    (void)target;
    printf("%s: %zu messages are whole; %lu complaints\n", tool->folder, whole, tool->explained);
}

/* ---- the program ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int arguments;
    void (*run)(struct tool *tool, const char *target);
} commands[] = {
    {"list", 1, list},
    {"check", 1, check},
    {"export", 2, tool_export},
    {"salvage", 2, tool_salvage},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int run(size_t command, const char *folder, const char *target)
{
    struct tool tool = {.errors = {.struct_size = sizeof(struct sluice_errors), .explain = explain},
                        .folder = folder};

    if (log_examine(folder, &tool.errors, &tool.queue) != SLUICE_OK)
        return EXIT_CANNOT;
    commands[command].run(&tool, target);
    log_close(tool.queue);
    if (fflush(stdout) == EOF || ferror(stdout))
        (void)tool_fail(&tool, "cannot write to", "standard output");
    if (tool.has_failed)
        return EXIT_CANNOT;
    return tool.explained > 0 ? EXIT_DAMAGED : EXIT_WHOLE;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (argc == 2 + commands[i].arguments && strcmp(argv[1], commands[i].name) == 0)
            return run(i, argv[2], argv[3]);
    }
    (void)fputs(USAGE, stderr);
    return EXIT_CANNOT;
}
