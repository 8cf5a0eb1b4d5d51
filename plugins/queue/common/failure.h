/* SPDX-License-Identifier: ISC */
/*
 * failure: how the queue stores say what went wrong.
 *
 * Both functions give back a status, so that a failing function can end in one line. Any thread.
 */
#ifndef SLUICE_STORE_FAILURE_H
#define SLUICE_STORE_FAILURE_H

#include "sluice/types.h"

/* Explains a failure to errors and returns status. dsn may be NULL. */
sluice_status failure(const struct sluice_errors *errors, sluice_status status, const char *dsn,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A system call that failed with errno: always TEMP, with 4.3.1 where the disk is full. what and
 * name say what was tried, and on what. */
sluice_status failure_errno(const struct sluice_errors *errors, const char *what, const char *name);

#endif
