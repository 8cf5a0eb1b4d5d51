/* SPDX-License-Identifier: ISC */
/*
 * limits: see limits.h.
 */
#include "master/limits.h"

#include "base/span.h"
#include "config/config.h"
#include "sluice/lookup.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PATH_SIZE 64
/* Stacks of tasks and threads are mapped as a whole, and hardly used. */
#define MAPPED_BEYOND ((rlim_t)2 * 1024 * 1024 * 1024)

/* ---- which ----------------------------------------------------------------------------------- */

static sluice_status take(const struct config_instance *table, struct limits *limits)
{
    struct rlimit files;

    limits->table = span_dup(sluice_span_of(table->name));
    if (limits->table == NULL)
        return SLUICE_TEMP;
    limits->memory_bytes = (uint64_t)table->options->get_number(table->options, "isolate_memory");
    limits->descriptors =
        (uint64_t)table->options->get_number(table->options, "isolate_descriptors");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && limits->descriptors > files.rlim_max)
        limits->descriptors = files.rlim_max;
    return SLUICE_OK;
}

sluice_status limits_read(int snapshot_fd, unsigned home, struct limits *ret_limits,
                          struct error *err)
{
    struct limits limits = {0};
    struct config *config;
    sluice_status status = config_open(snapshot_fd, &config, err);

    if (status != SLUICE_OK)
        return status;
    for (size_t i = 0; i < config_instance_count(config) && status == SLUICE_OK; i++) {
        const struct config_instance *table = config_instance_at(config, i);

        if (strcmp(table->interface, SLUICE_LOOKUP_ID) == 0 && table->home == home &&
            limits.table == NULL && table->options->get_number(table->options, "isolate") != 0)
            status = take(table, &limits);
    }
    config_close(config);
    if (status != SLUICE_OK)
        return error_set(err, status, "out of memory");
    *ret_limits = limits;
    return SLUICE_OK;
}

void limits_done(struct limits *limits)
{
    free(limits->table);
    *limits = (struct limits){0};
}

/* ---- the kernel's ---------------------------------------------------------------------------- */

static int set(int resource, rlim_t value)
{
    const struct rlimit limit = {.rlim_cur = value, .rlim_max = value};

    return setrlimit(resource, &limit) == 0 ? 0 : errno;
}

int limits_apply(const struct limits *limits)
{
    int error = set(RLIMIT_NOFILE, (rlim_t)limits->descriptors);

#ifndef __SANITIZE_ADDRESS__ /* which maps terabytes */
    if (error == 0)
        error = set(RLIMIT_DATA, (rlim_t)limits->memory_bytes + MAPPED_BEYOND);
#endif
    return error;
}

/* ---- what there is --------------------------------------------------------------------------- */

/* Its memory that is nobody else's, also that on the disk; 0: it cannot be told. */
static uint64_t memory_of(pid_t pid)
{
    uint64_t sum = 0;
    uint64_t kilobytes;
    char path[PATH_SIZE];
    char line[128];

    (void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "RssAnon: %" SCNu64, &kilobytes) == 1 ||
            sscanf(line, "VmSwap: %" SCNu64, &kilobytes) == 1)
            sum += kilobytes * 1024;
    }
    (void)fclose(file); /* only read */
    return sum;
}

static uint64_t descriptors_of(pid_t pid)
{
    uint64_t count = 0;
    char path[PATH_SIZE];
    const struct dirent *entry;

    (void)snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
    DIR *listing = opendir(path);
    if (listing == NULL)
        return 0;
    while ((entry = readdir(listing)) != NULL)
        count += entry->d_name[0] != '.' ? 1 : 0;
    (void)closedir(listing); /* only read */
    return count;
}

bool limits_are_passed(const struct limits *limits, pid_t pid, char text[LIMITS_TEXT_SIZE])
{
    uint64_t memory_bytes = memory_of(pid);
    uint64_t descriptors = descriptors_of(pid);

    if (memory_bytes > limits->memory_bytes)
        (void)snprintf(text, LIMITS_TEXT_SIZE,
                       "%s takes %" PRIu64 " MB of memory; its isolate_memory is %" PRIu64 " MB",
                       limits->table, memory_bytes >> 20, limits->memory_bytes >> 20);
    else if (descriptors >= limits->descriptors)
        (void)snprintf(text, LIMITS_TEXT_SIZE,
                       "%s has used up its descriptors; its isolate_descriptors are %" PRIu64,
                       limits->table, limits->descriptors);
    return memory_bytes > limits->memory_bytes || descriptors >= limits->descriptors;
}
