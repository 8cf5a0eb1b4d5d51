/* SPDX-License-Identifier: ISC */
/*
 * dsn: an enhanced status code (RFC 3463) at the beginning of a text: "5.1.6 he has left".
 */
#ifndef SLUICE_TRANSPORT_DSN_H
#define SLUICE_TRANSPORT_DSN_H

#include "sluice/types.h"

#define DSN_MAX 10 /* with its NUL: "5.123.123" */

/* Takes a code, and the blanks behind it, from the beginning of text. 1: ret_dsn has it; 0: there is none,
 * nothing has changed. */
int dsn_take(struct sluice_span *text, char ret_dsn[DSN_MAX]);

#endif
