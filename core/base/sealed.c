/* SPDX-License-Identifier: ISC */
#include "base/sealed.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

sluice_status sealed_write(const char *name, struct sluice_span bytes, int *ret_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd == -1)
        return SLUICE_TEMP;
    if (!io_write(fd, bytes) || fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == -1) {
        int saved_errno = errno;

        (void)close(fd); /* only memory */
        errno = saved_errno;
        return SLUICE_TEMP;
    }
    *ret_fd = fd;
    return SLUICE_OK;
}

sluice_status sealed_size(int fd, size_t *ret_size)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat status;

    if (seals == -1 || (seals & SEALS) != SEALS || fstat(fd, &status) == -1 || status.st_size <= 0)
        return SLUICE_PERM;
    *ret_size = (size_t)status.st_size;
    return SLUICE_OK;
}

sluice_status sealed_map(int fd, struct sluice_span *ret_bytes)
{
    size_t size;

    if (sealed_size(fd, &size) != SLUICE_OK)
        return SLUICE_PERM;
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return SLUICE_TEMP;
    *ret_bytes = (struct sluice_span){.ptr = bytes, .len = size};
    return SLUICE_OK;
}

void sealed_unmap(struct sluice_span bytes)
{
    if (bytes.len > 0)
        (void)munmap((void *)(uintptr_t)bytes.ptr, bytes.len); /* it was mapped */
}
