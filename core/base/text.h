/* SPDX-License-Identifier: ISC */
/*
 * text: a C string that is put together in a place of fixed size. What does not fit is cut.
 *
 * For what happens with each message: snprintf() takes 0.2 to 1 µs a call, and there were fifty a
 * message, a fifth of all instructions.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "sluice/types.h"

#include <stdbool.h>

struct text {
    char *ptr; /* always ends with NUL */
    size_t len;
    size_t size;
    bool is_cut; /* something did not fit */
};

/* size: of the place, at least 1. */
struct text text_open(char *place, size_t size);
void text_add(struct text *text, const char *string);
void text_add_span(struct text *text, struct sluice_span span);
/* In decimal, with zeros in front up to that many digits. */
void text_add_number(struct text *text, uint64_t number, int least_digits);

/* All at once. */
void text_copy(char *place, size_t size, const char *string);
void text_copy_span(char *place, size_t size, struct sluice_span span);

#endif
