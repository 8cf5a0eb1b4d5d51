/* SPDX-License-Identifier: ISC */
/*
 * shared: the table of what there is.
 */
#include "master/shared.h"

#include "base/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROLES_MAX 5

static const struct {
    const char *name; /* for role_shared_memory() */
    size_t size;
    const char *roles[ROLES_MAX];
} memories[] = {
    {"clients", (size_t)4 * 1024 * 1024, {"receive"}},
    {"metrics", METRICS_SIZE, {"receive", "queue", "deliver", "lookup", "metrics"}},
};

#define MEMORY_COUNT (sizeof(memories) / sizeof(memories[0]))

static int make(const char *name, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd == -1)
        return -1;
    if (ftruncate(fd, (off_t)size) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    int saved = errno;
    (void)close(fd); /* nothing is in it */
    errno = saved;
    return -1;
}

sluice_status shared_open(struct shared *ret_shared, struct error *err)
{
    struct shared shared = {.list = calloc(MEMORY_COUNT, sizeof(*shared.list))};

    if (shared.list == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    for (size_t i = 0; i < MEMORY_COUNT; i++) {
        int fd = make(memories[i].name, memories[i].size);

        if (fd == -1) {
            shared_close(&shared);
            return error_set(err, SLUICE_TEMP, "shared memory for %s: %s", memories[i].name,
                             strerror(errno));
        }
        shared.list[shared.count++] = (struct shared_memory){.name = memories[i].name, .fd = fd};
    }
    *ret_shared = shared;
    return SLUICE_OK;
}

void *shared_map(const struct shared *shared, const char *name, size_t *ret_size)
{
    for (size_t i = 0; i < shared->count; i++) {
        void *memory;
        if (strcmp(memories[i].name, name) != 0)
            continue;
        memory = mmap(NULL, memories[i].size, PROT_READ | PROT_WRITE, MAP_SHARED,
                      shared->list[i].fd, 0);
        if (memory == MAP_FAILED)
            break;
        *ret_size = memories[i].size;
        return memory;
    }
    return NULL;
}

void shared_close(struct shared *shared)
{
    for (size_t i = 0; i < shared->count; i++)
        (void)close(shared->list[i].fd); /* memory: cannot fail */
    free(shared->list);
    *shared = (struct shared){0};
}

bool shared_is_for(const struct shared_memory *memory, const char *role)
{
    for (size_t i = 0; i < MEMORY_COUNT; i++) {
        if (strcmp(memories[i].name, memory->name) != 0)
            continue;
        for (size_t j = 0; j < ROLES_MAX && memories[i].roles[j] != NULL; j++) {
            if (strcmp(memories[i].roles[j], role) == 0)
                return true;
        }
    }
    return false;
}
