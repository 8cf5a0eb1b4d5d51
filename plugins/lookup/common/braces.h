/* SPDX-License-Identifier: ISC */
/*
 * braces: names of tables that spell something out, in Postfix's notation: "{a, b c, {d = e f}}".
 * Items are parted by commas and white space; what stands in braces stays together. Any thread.
 */
#ifndef SLUICE_TABLE_BRACES_H
#define SLUICE_TABLE_BRACES_H

#include "sluice/types.h"

#include <stdbool.h>

/* Takes the next item from the beginning of *rest. False: there is none. */
bool braces_next(struct sluice_span *rest, struct sluice_span *ret_item);

/* What the braces around all of text enclose, without white space at its ends. NULL, or what is wrong
 * with it: static text, to be followed by the text in quotes. */
const char *braces_strip(struct sluice_span text, struct sluice_span *ret_inside);

/* Without white space at both ends. */
struct sluice_span braces_trim(struct sluice_span text);

#endif /* SLUICE_TABLE_BRACES_H */
