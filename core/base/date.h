/* SPDX-License-Identifier: ISC */
/*
 * date: instants as a message's header has them (RFC 5322 3.3).
 */
#ifndef BASE_DATE_H
#define BASE_DATE_H

#include <stdint.h>

#define DATE_TEXT_SIZE 64

/* "Sun, 22 Nov 2026 05:01:02 +0000 (UTC)" in local time; empty if there is no such instant. Returns
 * text. [any] */
const char *date_format(int64_t wall_ms, char text[DATE_TEXT_SIZE]);

#endif
