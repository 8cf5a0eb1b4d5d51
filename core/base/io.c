/* SPDX-License-Identifier: ISC */
#include "base/io.h"

#include <errno.h>
#include <unistd.h>

bool io_write(int fd, struct sluice_span bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n == -1 && errno != EINTR)
            return false;
        if (n > 0) {
            bytes.ptr += n;
            bytes.len -= (size_t)n;
        }
    }
    return true;
}
