/* SPDX-License-Identifier: ISC */
/*
 * image: what can be told of a shared object without loading it. Is it all there? One that was cut
 * short, or is still being copied, crashes the loader, and with it whoever loads.
 */
#ifndef PLUGIN_IMAGE_H
#define PLUGIN_IMAGE_H

#include "base/error.h"

/* CONFIG: something of it is missing. Of files that are no shared objects the loader says better what
 * they are: OK. */
sluice_status image_check(const char *name, int fd, struct error *err);

/* How many symbols it defines for others; 0: that cannot be told. */
size_t image_export_count(int fd);

#endif
