/* SPDX-License-Identifier: ISC */
/*
 * tool: sluice-log, for who has a store in front of him and no daemon: what is in it, whether it is
 * sound, and getting out what is whole.
 *
 *   tool.c           arguments; list and check
 *   tool_export.c    messages as files
 *   tool_salvage.c   messages into a new store
 *   tool_envelope.c  a record as JSON
 *
 * It reads with the store's own code (examine.c) and never writes to the store that it looks at.
 */
#ifndef SLUICE_LOG_TOOL_H
#define SLUICE_LOG_TOOL_H

#include "log.h"

#include <jansson.h>

struct tool {
    struct sluice_errors errors; /* print, and count */
    unsigned long explained;
    bool has_failed; /* itself; it then stops */
    struct sluice_queue *queue;
    const char *folder;
};

/* A failure of the tool itself, on standard error, with errno. Returns TEMP. */
sluice_status tool_fail(struct tool *tool, const char *what, const char *on);

/* Each message with an id from first on to the sink, in ascending order, until the tool fails. Who cannot be
 * read is explained. Gives back how many were read. */
size_t tool_each(struct tool *tool, uint64_t first, const struct sluice_queue_sink *sink);

/* The content of a message from its file to another one; to is -1: it is only read. What the disk does not
 * give is explained; TEMP. */
sluice_status tool_copy(struct tool *tool, int from, uint64_t size, int to);

/* tool_export.c: each message as files in the folder target, which is made. */
void tool_export(struct tool *tool, const char *target);

/* tool_salvage.c: all that is whole into a new store in the folder target, which is made. */
void tool_salvage(struct tool *tool, const char *target);

/* tool_envelope.c: a record as an object; NULL if it cannot be understood, or there is no memory. */
json_t *tool_envelope(uint64_t id, uint64_t content_size, struct sluice_span record);

#endif
