/* SPDX-License-Identifier: ISC */
/*
 * tool: all that is whole into a new store, with ids, flags and records as they are. The new store is
 * made as sluiced makes it, and given to whom the old one belongs to.
 */
#include "tool.h"

#include "sluice/plugin.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_COUNT 256
#define BATCH_BYTES ((size_t)4 << 20)
#define FOLDERS_OPEN_MAX 8

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void);

struct salvage {
    struct sluice_queue_sink sink;
    struct sluice_queue_sink stage;
    struct tool *tool;
    const struct sluice_queue_ops *ops;
    struct sluice_queue *to;
    struct sluice_queue_change changes[BATCH_COUNT];
    size_t count;
    size_t bytes;
    int staged;
};

/* ---- the new store -------------------------------------------------------------------------- */

/* Sluiced opens it with its own sizes afterwards. */
static int64_t get_number(const struct sluice_config *config, const char *key)
{
    (void)config;
    return strcmp(key, "segment_size") == 0 ? (int64_t)32 << 20 : 0;
}

static const struct sluice_config config = {.struct_size = sizeof(config),
                                            .get_number = get_number};

static struct stat owner; /* of the old store; for give_away() */

static int give_away(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return lchown(path, owner.st_uid, owner.st_gid);
}

static void release(struct salvage *salvage, struct sluice_queue_change *change)
{
    free((char *)(uintptr_t)change->record.ptr);
    free((char *)(uintptr_t)change->content.ptr);
    if (change->content_fd != -1)
        close(change->content_fd);
    salvage->count--;
}

static void flush(struct salvage *salvage)
{
    struct tool *tool = salvage->tool;

    if (salvage->count > 0 && !tool->has_failed &&
        salvage->ops->apply(salvage->to, salvage->changes, salvage->count,
                            sizeof(salvage->changes[0]), &tool->errors) != SLUICE_OK)
        tool->has_failed = true; /* the store has said why */
    while (salvage->count > 0)
        release(salvage, &salvage->changes[salvage->count - 1]);
    salvage->bytes = 0;
}

/* ---- a message ------------------------------------------------------------------------------ */

static bool copy(struct sluice_span from, struct sluice_span *ret_copy)
{
    char *bytes = malloc(from.len + 1);

    if (bytes == NULL)
        return false;
    if (from.len > 0)
        memcpy(bytes, from.ptr, from.len);
    *ret_copy = (struct sluice_span){bytes, from.len};
    return true;
}

/* It is the last change from now on; its content follows. */
static sluice_status on_message(const struct sluice_queue_sink *sink, uint64_t id, uint32_t flags,
                                struct sluice_span record, uint64_t content_size)
{
    struct salvage *salvage = (struct salvage *)(uintptr_t)sink;
    struct sluice_queue_change *change = &salvage->changes[salvage->count++];

    (void)content_size;
    *change = (struct sluice_queue_change){.struct_size = sizeof(*change),
                                           .kind = SLUICE_QUEUE_PUT,
                                           .id = id,
                                           .flags = flags,
                                           .content_fd = -1};
    return copy(record, &change->record) ? SLUICE_OK
                                         : tool_fail(salvage->tool, "cannot copy", "a record");
}

static sluice_status end_message(struct salvage *salvage, const struct sluice_queue_change *change)
{
    salvage->bytes += change->record.len + change->content.len;
    if (salvage->count == BATCH_COUNT || salvage->bytes >= BATCH_BYTES)
        flush(salvage);
    return SLUICE_OK;
}

static sluice_status on_content(const struct sluice_queue_sink *sink, struct sluice_span content)
{
    struct salvage *salvage = (struct salvage *)(uintptr_t)sink;
    struct sluice_queue_change *change = &salvage->changes[salvage->count - 1];

    if (!copy(content, &change->content))
        return tool_fail(salvage->tool, "cannot copy", "a content");
    return end_message(salvage, change);
}

static sluice_status on_staged(const struct sluice_queue_sink *sink, int fd)
{
    struct salvage *salvage =
        (struct salvage *)(void *)((char *)(uintptr_t)sink - offsetof(struct salvage, stage));

    salvage->staged = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return salvage->staged != -1 ? SLUICE_OK : SLUICE_TEMP;
}

static sluice_status on_content_file(const struct sluice_queue_sink *sink, int fd, uint64_t size)
{
    struct salvage *salvage = (struct salvage *)(uintptr_t)sink;
    struct sluice_queue_change *change = &salvage->changes[salvage->count - 1];

    if (salvage->ops->stage(salvage->to, change->id, &salvage->stage, &salvage->tool->errors) !=
        SLUICE_OK)
        return tool_fail(salvage->tool, "cannot make", "a file for a content");
    change->content_fd = salvage->staged;
    if (tool_copy(salvage->tool, fd, size, salvage->staged) == SLUICE_OK)
        return end_message(salvage, change);
    release(salvage, change); /* it is not whole */
    return SLUICE_TEMP;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void fill(struct salvage *salvage)
{
    size_t whole = tool_each(salvage->tool, 0, &salvage->sink);

    flush(salvage);
    if (!salvage->tool->has_failed)
        printf("%zu records are in the new store\n", whole);
}

void tool_salvage(struct tool *tool, const char *target)
{
    struct salvage salvage = {.sink = {.struct_size = sizeof(salvage.sink),
                                       .message = on_message,
                                       .content = on_content,
                                       .content_file = on_content_file},
                              .stage = {.struct_size = sizeof(salvage.stage), .staged = on_staged},
                              .tool = tool,
                              .ops = sluice_plugin_entry_v1()->get_interface(SLUICE_QUEUE_ID)};

    if (mkdir(target, 0700) == -1) {
        (void)tool_fail(tool, "cannot make the folder", target);
        return;
    }
    if (salvage.ops->open(NULL, &config, target, &tool->errors, &salvage.to) != SLUICE_OK) {
        tool->has_failed = true;
        return;
    }
    fill(&salvage);
    salvage.ops->close(salvage.to);
    if (stat(tool->folder, &owner) == -1 ||
        nftw(target, give_away, FOLDERS_OPEN_MAX, FTW_PHYS) != 0)
        (void)tool_fail(tool, "cannot give to the owner of the old store", target);
}
