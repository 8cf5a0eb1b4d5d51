/* SPDX-License-Identifier: ISC */
/*
 * explain: how the small tables say what went wrong. Any thread.
 */
#ifndef SLUICE_TABLE_EXPLAIN_H
#define SLUICE_TABLE_EXPLAIN_H

#include "sluice/types.h"

#define EXPLAIN_MAX 512 /* bytes of one explanation, with its NUL */

/* Explains in printf's way, cut off if need be, and returns status: a failing function ends in one
 * line. */
sluice_status explain(const struct sluice_errors *errors, sluice_status status, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

#endif /* SLUICE_TABLE_EXPLAIN_H */
