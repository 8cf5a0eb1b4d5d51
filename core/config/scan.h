/* SPDX-License-Identifier: ISC */
/*
 * scan: sluice.conf and what it includes as one text for libconfig, and the place that each line of
 * that text comes from.
 *
 * libconfig looks for included files in one folder only, says nothing when an integer wraps or when
 * a text contains NUL, and stops at the first mistake. So the tokens are looked at here first: what
 * libconfig would take wrongly is reported and replaced by something harmless, so that the rest can
 * still be checked. In the text every token that begins a value or a setting has a line of its own:
 * libconfig gives an element of an array the line of the token behind it.
 */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include "config/arena.h"
#include "config/report.h"

#define SCAN_DEPTH_MAX 16                       /* files that include each other */
#define SCAN_FILE_MAX ((size_t)4 * 1024 * 1024) /* bytes of one file */

struct scan_text {
    const char *text;
    const struct place *places; /* of line 1, 2, ... */
    size_t line_count;
    const char *const *files; /* that were read, the first one first */
    size_t file_count;
};

/* What is wrong goes into the report; the text is there in any case. */
void scan_read(const char *path, struct arena *arena, struct report *report,
               struct scan_text *ret_text);
/* The place of a line of the text; the last one for a line behind it. */
struct place scan_place(const struct scan_text *text, unsigned line);

#endif
