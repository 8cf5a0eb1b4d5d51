/* SPDX-License-Identifier: ISC */
/*
 * output: a pipe and a task that reads it.
 */
#include "master/output.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME_SIZE 32
#define LINE_SIZE 1000 /* longer ones are cut into pieces */

struct output {
    int fd;
    char name[NAME_SIZE];
    char line[LINE_SIZE];
    size_t len;
};

/* Logs the first len bytes and drops them with the line end behind them. */
static void take_line(struct output *output, size_t len, size_t end_len)
{
    struct sluice_span line = {.ptr = output->line, .len = len};

    if (len > 0)
        log_warning("role %s says: %.*s", output->name, SPAN_ARGS(line));
    output->len -= len + end_len;
    memmove(output->line, output->line + len + end_len, output->len);
}

static void take_lines(struct output *output)
{
    for (;;) {
        struct sluice_span bytes = {.ptr = output->line, .len = output->len};
        size_t len = span_find(bytes, '\n');
        if (len < output->len)
            take_line(output, len, 1);
        else if (output->len == LINE_SIZE)
            take_line(output, len, 0);
        else
            return;
    }
}

static void read_output(void *arg)
{
    struct output *output = arg;

    while (task_wait_fd(output->fd, TASK_READABLE, CLOCK_NEVER) == SLUICE_OK) {
        ssize_t n = read(output->fd, output->line + output->len, LINE_SIZE - output->len);
        if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
            break;
        output->len += n > 0 ? (size_t)n : 0;
        take_lines(output);
    }
    take_line(output, output->len, 0);
    (void)close(output->fd); /* only read */
    free(output);
}

sluice_status output_open(const char *name, int *ret_write_fd, struct error *err)
{
    struct output *output = calloc(1, sizeof(*output));
    int ends[2];

    if (output == NULL)
        return error_set(err, SLUICE_TEMP, "output of %s: out of memory", name);
    if (pipe2(ends, O_CLOEXEC) == -1) {
        free(output);
        return error_set(err, SLUICE_TEMP, "output of %s: %s", name, strerror(errno));
    }
    output->fd = ends[0];
    (void)fcntl(output->fd, F_SETFL, O_NONBLOCK); /* ours alone: the other end blocks as usual */
    (void)snprintf(output->name, sizeof(output->name), "%s", name); /* cut is fine */
    if (task_start("output", read_output, output, NULL) != SLUICE_OK) {
        (void)close(ends[0]);
        (void)close(ends[1]); /* nothing was written */
        free(output);
        return error_set(err, SLUICE_TEMP, "output of %s: out of memory", name);
    }
    *ret_write_fd = ends[1];
    return SLUICE_OK;
}
