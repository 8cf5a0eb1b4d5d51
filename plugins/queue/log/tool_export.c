/* SPDX-License-Identifier: ISC */
/*
 * tool: messages as files: ID.eml the content as it would be sent, ID.json the envelope, or ID.record
 * its bytes where they cannot be understood.
 */
#include "tool.h"

#include "../common/folder.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct export
{
    struct sluice_queue_sink sink;
    struct tool *tool;
    int folder;
    uint64_t id; /* of the message that is read */
};

static int make_file(struct export *export, const char *ending, char name[32])
{
    int fd;

    (void)snprintf(name, 32, "%016" PRIX64 ".%s", export->id, ending);
    fd = openat(export->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1)
        (void)tool_fail(export->tool, "cannot make", name);
    return fd;
}

static sluice_status end_file(struct export *export, int fd, const char *name)
{
    return close(fd) == 0 ? SLUICE_OK : tool_fail(export->tool, "cannot write", name);
}

static sluice_status put_bytes(struct export *export, const char *ending, struct sluice_span bytes)
{
    char name[32];
    int fd = make_file(export, ending, name);

    if (fd == -1)
        return SLUICE_TEMP;
    if (folder_write(fd, bytes.ptr, bytes.len, 0) != SLUICE_OK)
        (void)tool_fail(export->tool, "cannot write", name);
    return end_file(export, fd, name);
}

static sluice_status on_message(const struct sluice_queue_sink *sink, uint64_t id, uint32_t flags,
                                struct sluice_span record, uint64_t content_size)
{
    struct export *export = (struct export *)(uintptr_t)sink;
    json_t *envelope = tool_envelope(id, content_size, record);
    char *text = envelope == NULL ? NULL : json_dumps(envelope, JSON_INDENT(2));
    sluice_status st;

    (void)flags;
    json_decref(envelope);
    export->id = id;
    if (text == NULL)
        return put_bytes(export, "record", record);
    st = put_bytes(export, "json", sluice_span_of(text));
    free(text);
    return st;
}

static sluice_status on_content(const struct sluice_queue_sink *sink, struct sluice_span content)
{
    return put_bytes((struct export *)(uintptr_t)sink, "eml", content);
}

static sluice_status on_content_file(const struct sluice_queue_sink *sink, int fd, uint64_t size)
{
    struct export *export = (struct export *)(uintptr_t)sink;
    char name[32];
    int out = make_file(export, "eml", name);
    sluice_status st;

    if (out == -1)
        return SLUICE_TEMP;
    st = tool_copy(export->tool, fd, size, out);
    if (st != SLUICE_OK)
        (void)unlinkat(export->folder, name, 0); /* half of it helps nobody */
    return end_file(export, out, name) == SLUICE_OK ? st : SLUICE_TEMP;
}

void tool_export(struct tool *tool, const char *target)
{
    struct export export = {.sink = {.struct_size = sizeof(export.sink),
                                     .message = on_message,
                                     .content = on_content,
                                     .content_file = on_content_file},
                            .tool = tool};

    if (mkdir(target, 0700) == -1)
        (void)tool_fail(tool, "cannot make the folder", target);
    export.folder = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (export.folder == -1)
        (void)tool_fail(tool, "cannot open", target);
    if (!tool->has_failed)
        printf("%zu messages exported\n", tool_each(tool, 1, &export.sink));
    close(export.folder);
}
