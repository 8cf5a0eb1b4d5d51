/* SPDX-License-Identifier: ISC */
/*
 * image: is a shared object all there? One that was cut short, or is still being copied, crashes the
 * loader, and with it whoever loads.
 */
#ifndef PLUGIN_IMAGE_H
#define PLUGIN_IMAGE_H

#include "base/error.h"

/* CONFIG: something of it is missing. Of files that are no shared objects the loader says better what
 * they are: OK. */
sluice_status image_check(const char *name, int fd, struct error *err);

#endif
