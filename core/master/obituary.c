/* SPDX-License-Identifier: ISC */
/*
 * obituary: see obituary.h. The words are three lines: task, activity, reason.
 */
#include "master/obituary.h"

#include "base/log.h"
#include "base/span.h"
#include "master/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define WORDS_MAX 512 /* more is not ours */

sluice_status obituary_open(struct obituary *obituary, struct error *err)
{
    int ends[2];

    *obituary = (struct obituary){.read_fd = -1, .write_fd = -1};
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
        return error_set(err, SLUICE_TEMP, "pipe: %s", strerror(errno));
    obituary->read_fd = ends[0];
    obituary->write_fd = ends[1];
    return SLUICE_OK;
}

void obituary_started(struct obituary *obituary)
{
    if (obituary->write_fd != -1)
        (void)close(obituary->write_fd); /* the process has its own */
    obituary->write_fd = -1;
}

/* The next line, in printable characters, into out. */
static void take_line(struct sluice_span *words, char *out, size_t size)
{
    size_t len = span_find(*words, '\n');

    (void)log_quote(span_first(*words, len), out, size);
    *words = span_skip(*words, len < words->len ? len + 1 : len);
}

void obituary_read(struct obituary *obituary, int wait_status)
{
    char end[PROCESS_END_SIZE];
    char reason[64];
    char bytes[WORDS_MAX];
    ssize_t n = read(obituary->read_fd, bytes, sizeof(bytes));
    struct sluice_span words = {.ptr = bytes, .len = n > 0 ? (size_t)n : 0};

    take_line(&words, obituary->task, sizeof(obituary->task));
    take_line(&words, obituary->activity, sizeof(obituary->activity));
    take_line(&words, reason, sizeof(reason));
    (void)snprintf(obituary->text, sizeof(obituary->text), "%s%s%s",
                   process_format_end(wait_status, end), reason[0] != '\0' ? ", " : "", reason);
}

const char *obituary_sentence(const struct obituary *obituary, char text[OBITUARY_SENTENCE_SIZE])
{
    bool has_activity = obituary->activity[0] != '\0';

    (void)snprintf(text, OBITUARY_SENTENCE_SIZE, "%s%s%s%s%s%s", obituary->text,
                   obituary->task[0] != '\0' ? " in task " : "", obituary->task,
                   has_activity ? " (" : "", obituary->activity, has_activity ? ")" : "");
    return text;
}

void obituary_done(struct obituary *obituary)
{
    obituary_started(obituary);
    if (obituary->read_fd != -1)
        (void)close(obituary->read_fd); /* only read */
    obituary->read_fd = -1;
}
