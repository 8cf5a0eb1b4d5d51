/* SPDX-License-Identifier: ISC */
/*
 * id: message ids. 64 bits, never used again; printed as 16 upper-case hex digits.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "sluice/types.h"

#include <stdbool.h>

#define ID_TEXT_SIZE 17

/* Writes the id into text and returns it. */
const char *id_format(uint64_t id, char text[ID_TEXT_SIZE]);
/* Exactly 16 hex digits, either case. */
bool id_parse(struct sluice_span text, uint64_t *ret_id);

#endif
