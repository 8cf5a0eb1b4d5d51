/* SPDX-License-Identifier: ISC */
/*
 * output: what a role says on standard output and error, as lines of the log. In the background
 * nobody else hears it: the last words of a crash, which name task and plugin, a library's warning.
 */
#ifndef MASTER_OUTPUT_H
#define MASTER_OUTPUT_H

#include "base/error.h"

/* Logs the lines of a pipe until its last writer has gone. name: whose, "queue 0", copied. The
 * write end is for the process, and then the caller closes it. */
sluice_status output_open(const char *name, int *ret_write_fd, struct error *err);

#endif
