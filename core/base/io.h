/* SPDX-License-Identifier: ISC */
/*
 * io: the one loop that everybody writes who writes to a blocking descriptor.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include "sluice/types.h"

#include <stdbool.h>

/* All of it, whatever signals come; false with errno: some of it may be written. [any] */
bool io_write(int fd, struct sluice_span bytes);

#endif
